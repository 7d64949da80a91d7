"""What is judged on which runtime, and what is red by its declarations alone."""

from pathlib import Path

import pytest

from harness.endtoend.model import HOST, KIND, EndToEndSuite, Why
from harness.endtoend.operations import READY
from harness.endtoend.plan import StepPlan, plan
from harness.errors import UsageError
from harness.suites.model import Assert, Own
from tests.fakes.endtoend import GOOD, RUNS, loaded

CONTROLLED = (
    "  - {name: scored, try: [{assert: {resource: "
    "{apiVersion: x.example.com/v1, kind: Job, metadata: {name: j}, status: {phase: Done}}}}]}\n"
)
SKIP = "cases: [{{name: a, path: cases/a, skips: {{{0}: [{{step: {1}, class: {2}, why: nothing runs}}]}}}}]\n"


def steps(suite: EndToEndSuite, runtime: str, **options: str) -> dict[str, StepPlan]:
    [case] = plan(suite, runtime, **options).cases
    return {step.name: step for step in case.steps}


def test_execution_is_not_judged_on_the_host(tmp_path: Path) -> None:
    """A declared skip of it is no problem; its reason has the operation with its place."""
    found = steps(loaded(tmp_path, SKIP.format("host", "runs", "execution"), a=GOOD + RUNS), HOST)
    assert found["make"].judged
    assert found["runs"].why is Why.EXECUTION
    assert not found["runs"].problem
    assert "chainsaw-test.yaml:8" in found["runs"].reason


def test_an_undeclared_skip_is_a_problem(tmp_path: Path) -> None:
    """What cannot be judged has to be said."""
    found = steps(loaded(tmp_path, "", a=GOOD + RUNS), HOST)
    assert "no skip is declared for it on the runtime host" in found["runs"].problem


def test_a_skip_of_what_can_be_judged_is_a_problem(tmp_path: Path) -> None:
    """It would hide a verdict that is to be had."""
    found = steps(loaded(tmp_path, SKIP.format("host", "make", "execution"), a=GOOD), HOST)
    assert "everything in the step can be judged here" in found["make"].problem
    assert found["make"].judged


def test_a_skip_of_another_class_is_a_problem(tmp_path: Path) -> None:
    """What is declared has to be what it is."""
    found = steps(loaded(tmp_path, SKIP.format("host", "runs", "controller"), a=GOOD + RUNS), HOST)
    assert "the skip is declared as controller, but" in found["runs"].problem


def test_a_skip_for_a_service_is_believed(tmp_path: Path) -> None:
    """No text tells that a service is missing."""
    found = steps(loaded(tmp_path, SKIP.format("host", "make", "service"), a=GOOD), HOST)
    assert found["make"].why is Why.SERVICE
    assert not found["make"].problem


REAL = "cluster: {{real: [{0}]}}\n"
IN_THE_CLUSTER = (
    "processes: [{name: stub, run: {standIn: http}, standsFor: [{kind: Deployment, namespace: p, name: stub}], "
    'names: {"stub.p.svc:80": http}}]\n'
)


@pytest.mark.parametrize(
    ("operation", "real", "why"),
    [
        ("stop: {process: stub}", "p", ""),
        ("requests: {process: stub, path: /, atLeast: 1}", "p", ""),
        ("http: {process: stub, port: http}", "p", ""),
        ("http: {process: stub, port: control}", "p", "no name of stub leads to its port 'control'"),
        ("pause: {process: stub}", "p", "a pod cannot be paused"),
        ("kill: {process: stub}", "other", "the pods of stub in p run nothing"),
        ("http: {process: stub, port: http}", "other", "the pods of stub in p run nothing"),
    ],
)
def test_operations_on_processes_are_judged_on_kind_where_its_pods_can_be_reached(
    tmp_path: Path, operation: str, real: str, why: str
) -> None:
    """By its workload, or by the Service that it is; on real nodes."""
    body = REAL.format(real) + IN_THE_CLUSTER
    found = steps(loaded(tmp_path, body, a=f"  - {{name: s, try: [{{{operation}}}]}}\n"), KIND)["s"]
    assert found.judged is not bool(why)
    assert why in found.reason


def test_an_operation_on_a_process_that_is_nothing_in_the_cluster_is_not_judged_on_kind(tmp_path: Path) -> None:
    """A skip of it is declared, or the case is red."""
    steps_ = "  - {name: s, try: [{stop: {process: stub}}]}\n"
    stub = "processes: [{name: stub, run: {standIn: http}}]\n"
    assert steps(loaded(tmp_path, stub, a=steps_), HOST)["s"].judged
    found = steps(loaded(tmp_path, stub, a=steps_), KIND)["s"]
    assert found.why is Why.SERVICE
    assert "no skip is declared for it on the runtime kind" in found.problem
    declared = SKIP.format("kind", "s", "service")
    assert not steps(loaded(tmp_path, stub + declared, a=steps_), KIND)["s"].problem


@pytest.mark.parametrize(("gpu", "judged"), [("simulated", False), ("real", True)])
def test_a_skip_for_a_gpu_is_for_simulated_ones(tmp_path: Path, gpu: str, judged: bool) -> None:
    """Where there are real GPUs the step is judged."""
    found = steps(loaded(tmp_path, SKIP.format("kind", "make", "gpu"), a=GOOD), KIND, gpu=gpu)
    assert found["make"].judged is judged


@pytest.mark.parametrize(("real", "judged"), [("[default]", True), ("['*']", True), ("[other]", False), ("[]", False)])
def test_kind_judges_execution_in_real_namespaces(tmp_path: Path, real: str, judged: bool) -> None:
    """Pods of other namespaces are on simulated nodes there too."""
    found = steps(loaded(tmp_path, f"cluster: {{real: {real}}}\n", a=GOOD + RUNS), KIND)
    assert found["runs"].judged is judged


@pytest.mark.parametrize(("pods", "judged"), [("hold", True), ("simulate", False)])
def test_a_controller_is_no_proof_where_pods_are_simulated(tmp_path: Path, pods: str, judged: bool) -> None:
    """What it writes may follow a pod that never ran."""
    found = steps(loaded(tmp_path, f"cluster: {{pods: {pods}}}\n", a=CONTROLLED), HOST)
    assert found["scored"].judged is judged
    assert bool(found["scored"].problem) is not judged


@pytest.mark.parametrize(
    "operation",
    [
        "script: {content: 'kubectl rollout status deployment/x'}",
        "script: {content: 'kubectl wait pod/x --for=condition=Ready'}",
        "script: {content: 'helm upgrade --install a b --wait'}",
        "command: {entrypoint: kubectl, args: [logs, x]}",
        "wait: {apiVersion: apps/v1, kind: Deployment, name: x, for: {condition: {name: Available}}}",
        "podLogs: {name: x}",
        "proxy: {apiVersion: v1, kind: Service, name: x, port: '80'}",
        "error: {resource: {apiVersion: v1, kind: Pod, metadata: {name: x}, status: {phase: Failed}}}",
    ],
)
def test_what_needs_execution_is_recognised(tmp_path: Path, operation: str) -> None:
    """In asserts, waits and commands."""
    found = steps(loaded(tmp_path, "", a=f"  - name: s\n    try:\n    - {operation}\n"), HOST)
    assert found["s"].why is Why.EXECUTION


STANDS = (
    "processes: [{name: stub, run: {standIn: http}, standsFor: [{kind: Deployment, namespace: default, name: d}]}]\n"
)
AVAILABLE = (
    "  - {name: up, try: [{assert: {timeout: 7s, resource: {apiVersion: apps/v1, kind: Deployment, "
    "metadata: {name: NAME}, spec: {replicas: 1}, status: {availableReplicas: 1}}}}]}\n"
)


def test_a_process_stands_for_a_deployment_on_the_host(tmp_path: Path) -> None:
    """Its status becomes the process being ready; the rest of it is asserted as it stands."""
    found = steps(loaded(tmp_path, STANDS, a=AVAILABLE.replace("NAME", "d")), HOST)["up"]
    assert found.judged
    asserted, ready = found.step.try_
    assert isinstance(asserted.action, Assert)
    assert "status" not in asserted.action.trees.documents[0].value
    assert asserted.action.trees.documents[0].value["spec"] == {"replicas": 1}
    assert ready.action == Own(READY, {"process": "stub"})
    assert ready.timeout == 7


@pytest.mark.parametrize(
    "status",
    [
        "{availableReplicas: 77}",
        "{unavailableReplicas: 5}",
        """{"(conditions[?type == 'Available'])": [{status: 'False'}]}""",
        """{"(conditions[?type == 'Progressing'])": [{reason: Done}]}""",
        """{"(availableReplicas > `0`)": true}""",
    ],
)
def test_it_stands_for_a_replica_that_is_ready_and_for_nothing_else(tmp_path: Path, status: str) -> None:
    """What else a status may say is not what the process is asked."""
    case = (
        "  - {name: up, try: [{assert: {resource: {apiVersion: apps/v1, kind: Deployment, "
        f"metadata: {{name: d, namespace: default}}, status: {status}}}}}}}]}}\n"
    )
    found = steps(loaded(tmp_path, STANDS, a=case), HOST)["up"]
    assert found.why is Why.EXECUTION
    assert "no skip is declared" in found.problem


def test_it_stands_for_no_other(tmp_path: Path) -> None:
    """Another Deployment needs execution all the same; and on Kind the Deployment itself is looked at."""
    assert not steps(loaded(tmp_path, STANDS, a=AVAILABLE.replace("NAME", "e")), HOST)["up"].judged
    suite = loaded(tmp_path, STANDS + "cluster: {real: [default]}\n", a=AVAILABLE.replace("NAME", "d"))
    assert len(steps(suite, KIND)["up"].step.try_) == 1


def names(suite: EndToEndSuite, **options: str) -> list[str]:
    return [case.case.name for case in plan(suite, HOST, **options).cases]


def test_chosen_cases_come_with_what_they_need(tmp_path: Path) -> None:
    """In the order of the file; those that were not asked for are told."""
    body = (
        "cases:\n  - {name: 01-a, path: cases/a}\n  - {name: 02-b, path: cases/a}\n"
        "  - {name: 03-c, path: cases/a, needs: [01-a]}\n"
    )
    suite = loaded(tmp_path, body, a=GOOD)
    assert names(suite, pattern="03-*") == ["01-a", "03-c"]
    assert plan(suite, HOST, pattern="03-*").added == ("01-a",)
    assert names(suite, begin="02-b") == ["01-a", "02-b", "03-c"]
    assert names(suite) == ["01-a", "02-b", "03-c"]


@pytest.mark.parametrize("options", [{"pattern": "04-*"}, {"begin": "03-cc"}])
def test_a_choice_of_nothing_is_refused(tmp_path: Path, options: dict[str, str]) -> None:
    """A run of no case would say nothing."""
    suite = loaded(tmp_path, "", **{"03-c": GOOD})
    with pytest.raises(UsageError):
        plan(suite, HOST, **options)


def test_set_up_steps_are_those_of_the_runtime(tmp_path: Path) -> None:
    """Images are for Kind only."""
    suite = loaded(tmp_path, "setup: [{name: i, images: [x], runtimes: [kind]}]\n", a=GOOD)
    assert not plan(suite, HOST).setup
    assert len(plan(suite, KIND).setup) == 1
