"""The 59 real health checks, on objects that satisfy them and on each of those with a single field changed."""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.assertions.candidates import target_of
from harness.formats.documents import Document
from harness.gates.health import Healthy, Look
from harness.objects import Kind, Object, Objects, key_of
from harness.validation.health_checks import HealthCheck, read
from harness.verdict import Failed, Passed, Waiting
from tests.fakes.health_oracle import CannotTell, matches

CHECKS = Path(__file__).parents[3].parent / "shared" / "suites" / "aicr" / "recipes" / "checks"
NAMES = sorted(file.parent.name for file in CHECKS.glob("*/health-check.yaml"))
CLUSTER_SCOPED = {
    *("CustomResourceDefinition", "ClusterRole", "MutatingWebhookConfiguration", "Namespace", "ClusterPolicy"),
    *("NicClusterPolicy", "GKENetworkParamSet", "Network", "ClusterQueue", "NodeWright", "DeviceClass"),
}
CONDITIONS = [
    {"type": kind, "status": "True", "observedGeneration": 2}
    for kind in ("Ready", "Available", "Active", "ParamsReady", "Established", "NamesAccepted")
]
MOUNTS = [{"name": "audit-logs", "mountPath": "/var/log/nvsentinel"}]
POD_SPEC = {
    "containers": [{"name": name, "volumeMounts": MOUNTS} for name in ("labeler", "platform-connector")],
    "initContainers": [{"name": "fix-audit-log-permissions", "volumeMounts": MOUNTS}],
    "volumes": [{"name": "audit-logs", "hostPath": {"path": "/var/log/nvsentinel", "type": "DirectoryOrCreate"}}],
}
COUNTS = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
SCHEDULED = dict.fromkeys(
    ("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberReady", "numberAvailable"), 2
)
HOOK = {
    "name": "preflight.nvsentinel.nvidia.com",
    "failurePolicy": "Ignore",
    "clientConfig": {"caBundle": "QUJD"},
    "namespaceSelector": {"matchLabels": {"nvsentinel.nvidia.com/preflight": "enabled"}},
}
# What an object of a kind has when all is well, before what a check says of it in so many words.
WELL: dict[str, dict[str, Any]] = {
    "Deployment": {"spec": {"replicas": 1, "template": {"spec": POD_SPEC}}, "status": COUNTS},
    "StatefulSet": {"spec": {"replicas": 1}, "status": COUNTS},
    "DaemonSet": {"spec": {"template": {"spec": POD_SPEC}}, "status": SCHEDULED},
    "NodeSet": {"status": COUNTS},
    "Pod": {
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "a", "restartCount": 0, "state": {"running": {}}}],
            "initContainerStatuses": [
                {"name": "b", "restartCount": 0, "state": {"terminated": {"reason": "Completed"}}}
            ],
        }
    },
    "Secret": {"data": {"MONGODB_URI": "eA==", "password": "eA=="}},
    "ConfigMap": {"data": {"topology.conf": "SwitchName=a Nodes=b"}},
    "MutatingWebhookConfiguration": {"webhooks": [HOOK]},
    "ClusterRole": {
        "rules": [{"apiGroups": ["scheduling.run.ai"], "resources": ["podgroups"], "verbs": ["get", "list"]}]
    },
}
READ_ONLY = {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]}

pytestmark = pytest.mark.skipif(not NAMES, reason="the corpus is not beside the project")


def check_of(name: str) -> HealthCheck:
    (check,) = read(name, Document.read_all(CHECKS / name / "health-check.yaml"))
    return check


def kind_of(document: Mapping[str, Any]) -> Kind:
    kind = str(document["kind"])
    return Kind(str(document["apiVersion"]), f"{kind.lower()}s", kind, kind not in CLUSTER_SCOPED)


def gate_of(check: HealthCheck) -> Healthy:
    return Healthy(tuple(Look(o.step, o.wanted, o.document, kind_of(o.document)) for o in check.operations))


def literal(document: Any) -> Any:
    """What a tree says in so many words: its keys that are no expressions."""
    if isinstance(document, Mapping):
        return {key: literal(value) for key, value in document.items() if not key.startswith("(")}
    return copy.deepcopy(document)


def merged(into: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            merged(into[key], value)
        else:
            into[key] = copy.deepcopy(value)
    return into


def satisfying(check: HealthCheck) -> list[dict[str, Any]]:
    """One object for each assert, and for each kind and namespace of an error; those with the same name are one."""
    made: dict[tuple[str, str, str], dict[str, Any]] = {}
    for operation in check.operations:
        about = target_of(operation.document)
        assert about is not None
        names = "-".join(f"{value}" for _, value in about.labels)
        name = about.name or f"made-{names.lower()}".rstrip("-")
        key = (about.kind, about.namespace, name)
        if key not in made:
            start: dict[str, Any] = {"metadata": {"generation": 2}, "status": {"conditions": CONDITIONS}}
            start["status"] |= {"observedGeneration": 2}
            made[key] = merged(copy.deepcopy(start), WELL.get(about.kind, {}))
            if about.kind == "ClusterRole" and "(length(rules))" in operation.document:
                made[key] |= READ_ONLY
        if about.kind == "Pod" and not operation.wanted:
            wanted = {"apiVersion": "v1", "kind": "Pod", "metadata": literal(operation.document["metadata"])}
        else:
            wanted = (
                literal(operation.document)
                if operation.wanted
                else {key: literal(operation.document[key]) for key in ("apiVersion", "kind", "metadata")}
            )
        merged(made[key], wanted)["metadata"]["name"] = name
    return list(made.values())


def shown(check: HealthCheck, objects: list[dict[str, Any]]) -> Objects:
    kinds: dict[Kind, dict[tuple[str, str], Object]] = {kind_of(o.document): {} for o in check.operations}
    for item in objects:
        kinds[kind_of(item)][key_of(item)] = item
    return Objects(kinds)


def expected(check: HealthCheck, objects: list[dict[str, Any]]) -> bool:
    """Whether the check passes, by the other opinion."""
    looked_at = 0
    for operation in check.operations:
        about = target_of(operation.document)
        assert about is not None
        found = [item for item in objects if kind_of(item) == kind_of(operation.document) and about.selects(item)]
        looked_at += len(found)
        held = False
        for item in found:
            try:
                if matches(operation.document, item):
                    held = True
                    if operation.wanted:
                        break
            except CannotTell:
                return False
        if held is not operation.wanted:
            return False
    return looked_at > 0


def mutations(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every field below `value`, with what it may be instead; DELETED is its absence."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in entries:
        here = (*path, key)
        if here[0] in ("apiVersion", "kind"):
            continue
        yield here, DELETED
        if isinstance(each, bool):
            yield here, not each
        elif isinstance(each, int):
            yield from ((here, each + 1), (here, 0))
        elif isinstance(each, str):
            yield from ((here, "other"), (here, ""))
            if here[-1] == "phase":
                yield from ((here, phase) for phase in ("Pending", "Failed", "Unknown", "Succeeded"))
        elif isinstance(each, list):
            yield here, []
        if here[-1] == "state" and "restartCount" in value:
            yield here, {"waiting": {"reason": "CrashLoopBackOff"}}
            yield here, {"waiting": {"reason": "ContainerCreating"}}
        yield from mutations(each, here)


DELETED = object()


def mutated(item: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    result = copy.deepcopy(item)
    place: Any = result
    for key in path[:-1]:
        place = place[key]
    if value is DELETED:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return result


@pytest.mark.parametrize("name", NAMES)
def test_a_real_check_is_judged_right_on_every_single_field(name: str) -> None:
    """It passes on objects that satisfy it, and says what the other opinion says of each mutation of them."""
    check = check_of(name)
    if not check.operations:
        return
    gate, objects = gate_of(check), satisfying(check)
    assert expected(check, objects)
    assert isinstance(gate(shown(check, objects)), Passed)
    reds = 0
    for position, item in enumerate(objects):
        for path, value in mutations(item):
            if path[:2] in (("metadata",), ("metadata", "name"), ("metadata", "namespace")):
                continue
            changed = [*objects[:position], mutated(item, path, value), *objects[position + 1 :]]
            passes = expected(check, changed)
            reds += not passes
            assert isinstance(gate(shown(check, changed)), Passed) is passes, (path, value)
        without = [*objects[:position], *objects[position + 1 :]]
        verdict = gate(shown(check, without))
        assert isinstance(verdict, Passed) is expected(check, without), item["metadata"]
    assert reds


@pytest.mark.parametrize("name", NAMES)
def test_nothing_passes_where_nothing_is_installed(name: str) -> None:
    """On an empty cluster each check is doomed by what is not there."""
    check = check_of(name)
    if check.operations:
        verdict = gate_of(check)(shown(check, []))
        assert isinstance(verdict, Waiting)
        assert verdict.doomed


def test_a_pod_that_is_being_deleted_says_nothing() -> None:
    """A failed pod on its way out matches no error, and a running one on its way out satisfies no assert."""
    check = check_of("gpu-operator")
    objects = satisfying(check)
    pod = copy.deepcopy(next(item for item in objects if item["kind"] == "Pod"))
    pod["metadata"] |= {"name": "leaving", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    pod["status"]["phase"] = "Failed"
    verdict = gate_of(check)(shown(check, [*objects, pod]))
    assert isinstance(verdict, Passed)
    assert "being deleted were left out" in verdict.reason
    labeler = check_of("dra-node-labeler")
    objects = satisfying(labeler)
    for item in objects:
        if item["kind"] == "Pod":
            item["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not isinstance(gate_of(labeler)(shown(labeler, objects)), Passed)


def test_what_cannot_be_evaluated_fails_at_once() -> None:
    """A text where a number is wanted does not become right by waiting."""
    check = check_of("cert-manager")
    objects = satisfying(check)
    definition = next(item for item in objects if item["kind"] == "CustomResourceDefinition")
    definition["status"]["conditions"] = [{"type": "Established", "status": True}]
    verdict = gate_of(check)(shown(check, objects))
    assert isinstance(verdict, Failed)
    assert "types are not comparable" in verdict.reason
