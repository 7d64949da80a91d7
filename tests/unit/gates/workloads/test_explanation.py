"""A red run says in a few lines which nodes were close and what they lacked."""

from typing import Any

import pytest

from harness.gates.scheduling.resources import Usage
from harness.gates.workloads.explanation import explain, nearest
from tests.fakes.objects import GPU, TYPE, container, node, pod, spec

NODES = [node("system-0"), node("system-1"), *(node(f"gpu-{i}") for i in range(4))]


def told(asks: dict[str, Any], pods: list[dict[str, Any]] | None = None, **fields: Any) -> list[str]:
    return explain(pod("p", of=asks, **fields), NODES, Usage.of(pods or [])).splitlines()


def test_nodes_with_the_same_obstacles_are_one_line_and_the_nearest_come_first() -> None:
    """Accelerated nodes lack one thing, system nodes two."""
    asks = {"containers": [container()], "nodeSelector": {TYPE: "accelerated"}}
    assert told(asks) == [
        "none of 6 nodes will do",
        "4 nodes like gpu-0: has taint kwok.x-k8s.io/node=fake:NoSchedule that is not tolerated",
        f"2 nodes like system-0: lacks label {TYPE}=accelerated (has system), "
        "has taint kwok.x-k8s.io/node=fake:NoSchedule that is not tolerated",
    ]


def test_a_resource_says_how_much_was_missing_on_the_node_with_the_most_room() -> None:
    """Amounts differ from node to node; of nodes of one size the one that came nearest speaks."""
    asks = {**spec(), "containers": [container(cpu="1000")]}
    busy = [pod("a", on="gpu-0", of={"containers": [container(cpu="1")]})]
    busy += [pod(f"b{i}", on=f"system-{i}", of={"containers": [container(cpu="13500m")]}) for i in range(2)]
    assert told(asks, busy) == [
        "none of 6 nodes will do",
        "4 nodes like gpu-1: needs cpu 1000, has 192 with 192 free",
        "2 nodes like system-0: needs cpu 1000, has 16 with 2.5 free",
    ]


def test_full_nodes_and_nodes_without_any_are_told_apart() -> None:
    """Waiting may help with the former."""
    full = [pod(f"j{i}", on=f"gpu-{i}", of=spec(gpus=8 if i else 5)) for i in range(4)]
    assert told(spec(gpus=4), full)[1:] == [
        f"4 nodes like gpu-0: needs {GPU} 4, has 8 with 3 free",
        f"2 nodes like system-0: needs {GPU} 4, has none",
    ]


def test_the_schedulers_own_words_are_kept() -> None:
    """What we do not compute (volumes, affinity between pods) only the scheduler can say."""
    message = "0/6 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    assert told(spec(), refused=message) == [
        "labels, taints, resources and ports of 6 nodes fit it (gpu-0, gpu-1 and 4 more)",
        f"the scheduler: {message}",
    ]


def test_one_candidate_is_told_by_itself() -> None:
    """For a DaemonSet's pod there is only its node."""
    assert explain(pod("p", of={"containers": []}), NODES[:1], Usage()) == (
        "node system-0 has taint kwok.x-k8s.io/node=fake:NoSchedule that is not tolerated"
    )


def test_the_condition_is_found_by_type() -> None:
    """Its position among the conditions means nothing."""
    status = {
        "conditions": [
            {"type": "Ready", "status": "False", "message": "first"},
            {"type": "PodScheduled", "status": "False", "message": "second"},
            {"type": "Other", "status": "False", "message": "third"},
        ]
    }
    assert told(spec(), status=status)[-1] == "the scheduler: second"


def test_few_lines_however_many_groups() -> None:
    """Ten kinds of nodes make three groups and a count."""
    mixed = [node(f"gpu-{i}", labels={f"k{j}": "v" for j in range(i)}) for i in range(10)]
    asks = spec(nodeSelector={f"k{j}": "v" for j in range(10)})
    lines = explain(pod("p", of=asks), mixed, Usage()).splitlines()
    assert lines[1] == "node gpu-9 lacks label k9=v"
    assert lines[-1] == "7 further nodes have more obstacles"
    assert len(lines) == 5


def test_gates_and_foreign_schedulers_are_the_whole_reason() -> None:
    """Nobody looks for a node for such a pod, so nodes are not what is wrong."""
    assert (
        "scheduling gate kueue.x-k8s.io/admission"
        in told(spec(schedulingGates=[{"name": "kueue.x-k8s.io/admission"}]))[0]
    )
    assert told(spec(schedulerName="kai-scheduler")) == [
        "asks for scheduler kai-scheduler, which does not run on simulated nodes"
    ]


def test_a_foreign_scheduler_that_speaks_is_quoted() -> None:
    """With a condition somebody did look."""
    assert told(spec(schedulerName="mine"), refused="no")[-1] == "the scheduler: no"


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        (NODES, f"closest node gpu-0 lacks label {TYPE}=metal (has accelerated)"),
        ([], "there are no nodes"),
    ],
    ids=["some", "none"],
)
def test_the_nearest_node(nodes: list[Any], text: str) -> None:
    """Of equally near ones the first by name."""
    assert nearest(spec(nodeSelector={TYPE: "metal"}), nodes) == text


def test_no_nodes_at_all() -> None:
    """An empty cluster is said to be one."""
    assert explain(pod("p"), [], Usage()) == "there are no nodes"
