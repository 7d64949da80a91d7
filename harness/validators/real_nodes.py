"""The parts of the conformance checks that only a cluster shows on which something runs.

Each raises CheckFailed where the cluster does not do what it should; `Context.not_seen` notes what could not be judged.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from harness.cluster.api import ApiError, address
from harness.errors import ClusterError
from harness.gates.findings import Gate
from harness.objects import PODS, Kind, Object, Objects, phase
from harness.validation.capture import simulated_node
from harness.validators.context import Context, named
from harness.validators.pods import SMI_IMAGE, pod, succeeds
from harness.validators.workloads import SERVICES, executed
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import Expired, GateFailed, wait

CLAIM_TEMPLATES = Kind("resource.k8s.io/v1", "resourceclaimtemplates", "ResourceClaimTemplate")
GPU_METRIC = "DCGM_FI_DEV_"
WEB_PORT = 9090  # of Prometheus, where no port is named web
GANG = 2
PAUSE_IMAGE = "registry.k8s.io/pause:3.10.1"
_EVERYWHERE = [{"operator": "Exists"}]
_NO_DEVICE = "for each in /dev/nvidia*; do if [ -e $each ]; then echo $each; exit 1; fi; done"


def gpu_metrics(context: Context, service: Object) -> None:
    """The exporter serves readings of GPUs."""
    text = _served(context, service, _port(service), "metrics")
    names = sorted({line.partition("{")[0] for line in text.splitlines() if line.startswith(GPU_METRIC)})
    if not names:
        context.fail(f"Service {named([service])} serves no metric of a GPU ({GPU_METRIC}*)")
    context.say(f"{len(names)} metrics of GPUs: {', '.join(names[:5])}")


def prometheus_answers(context: Context, services: Sequence[Object]) -> None:
    """Prometheus answers a query, and at least one of its targets is up."""
    service = next((each for each in services if WEB_PORT in _ports(each)), services[0])
    text = _served(
        context, service, WEB_PORT if WEB_PORT in _ports(service) else _port(service), "api/v1/query?query=up"
    )
    try:
        result = json.loads(text)["data"]["result"]
        up = [each for each in result if each["value"][1] == "1"]
    except (ValueError, KeyError, TypeError, IndexError):
        context.fail(f"Service {named([service])} does not answer as Prometheus: {text[:200]!r}")
    if not up:
        context.fail(f"none of the {len(result)} targets of Prometheus is up")
    context.say(f"{len(up)} of {len(result)} targets of Prometheus are up")


def refuses_invalid(context: Context, kind: Kind) -> None:
    """The webhook refuses an object without anything in it; it is asked in a dry run."""
    metadata = {"name": "aicr-invalid", "namespace": context.namespace}
    item = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": {}}
    path = address(kind, context.namespace)
    try:
        context.cluster.request("POST", path, query={"dryRun": "All"}, body=item)
    except ApiError as error:
        if "admission webhook" in str(error):
            context.say(f"{kind} without content: {error}")
            return
        if error.status == 422:
            context.not_seen(f"that the webhook rejects an invalid {kind}: its schema did so first ({error})")
            return
        raise
    context.fail(f"an invalid {kind} is accepted")


def sees_no_device(context: Context) -> None:
    """A pod that asks for no GPU sees none, on a node that has some."""
    node = _gpu_node(context)
    if not node:
        context.not_seen("that a container sees its own devices alone: no real node offers nvidia.com/gpu")
        return
    container = {"name": "look", "image": SMI_IMAGE, "command": ["sh", "-c", _NO_DEVICE]}
    with pod(context, "no-device", {"nodeName": node, "containers": [container], "tolerations": _EVERYWHERE}) as made:
        succeeds(context, made, context.deadline)
    context.say(f"a pod without a claim sees no GPU of node {node}")


def claimed_device(context: Context, slices: Sequence[Object]) -> None:
    """A pod gets a device of the driver by a claim."""
    driver = str((slices[0].get("spec") or {}).get("driver") or "")
    name = f"aicr-claim-{context.run_id or 'x'}"
    request = {"name": "gpu", "exactly": {"deviceClassName": driver}}
    template = {
        "apiVersion": CLAIM_TEMPLATES.api_version,
        "kind": CLAIM_TEMPLATES.kind,
        "metadata": {"name": name, "namespace": context.namespace},
        "spec": {"spec": {"devices": {"requests": [request]}}},
    }
    container = {"name": "look", "image": SMI_IMAGE, "command": ["true"], "resources": {"claims": [{"name": "gpu"}]}}
    claims = [{"name": "gpu", "resourceClaimTemplateName": name}]
    context.cluster.create(CLAIM_TEMPLATES, template)
    try:
        spec = {"containers": [container], "resourceClaims": claims, "tolerations": _EVERYWHERE}
        with pod(context, "claimed-device", spec) as made:
            succeeds(context, made, context.deadline)
    finally:
        context.cluster.delete(CLAIM_TEMPLATES, context.namespace, name)
    context.say(f"a pod got a device of class {driver} by a claim")


def gang(context: Context, groups: Kind, queue: str) -> None:
    """A group of pods is placed as a whole, by the scheduler that it asks for."""
    name = f"aicr-gang-{context.run_id or 'x'}"
    metadata = {"name": name, "namespace": context.namespace}
    spec = {"minMember": GANG, "queue": queue}
    context.cluster.create(
        groups, {"apiVersion": groups.api_version, "kind": groups.kind, "metadata": metadata, "spec": spec}
    )
    try:
        containers = [{"name": "main", "image": PAUSE_IMAGE}]
        member = {"schedulerName": "kai-scheduler", "containers": containers, "tolerations": _EVERYWHERE}
        with ExitStack() as stack:
            made = [stack.enter_context(pod(context, "gang", member, {"pod-group-name": name})) for _ in range(GANG)]
            wait(context.cluster, (PODS,), _AllRun(context.namespace, tuple(made)), context.deadline)
            pods = [context.cluster.get(PODS, context.namespace, each) for each in made]
            if not all(each and executed(each, context.nodes) for each in pods):
                context.fail(f"pods of group {name} were reported as running, but their containers did not run")
    except (GateFailed, Expired) as error:
        context.fail(f"group {name} was not placed as a whole: {error}")
    finally:
        context.cluster.delete(groups, context.namespace, name)
    context.say(f"a group of {GANG} pods was placed in queue {queue}")


class _AllRun(Gate):
    """Every one of these pods runs."""

    kinds = (PODS,)

    def __init__(self, namespace: str, names: tuple[str, ...]) -> None:
        self._namespace = namespace
        self._names = names

    def __call__(self, objects: Objects) -> Verdict:
        found = {name: objects.get(PODS, self._namespace, name) for name in self._names}
        late = [f"{name} is {phase(item) or 'new' if item else 'absent'}" for name, item in found.items()]
        late = [each for each in late if not each.endswith("is Running")]
        return Waiting(", ".join(late)) if late else Passed("all run")


def _gpu_node(context: Context) -> str:
    for node in context.nodes:
        offered = ((node.get("status") or {}).get("allocatable") or {}).get("nvidia.com/gpu", 0)
        if not simulated_node(node) and int(offered or 0):
            return str(node["metadata"]["name"])
    return ""


def _served(context: Context, service: Object, port: int, path: str) -> str:
    """What a Service answers, through the API server. Raises CheckFailed."""
    metadata = service["metadata"]
    path, _, query = path.partition("?")
    name = f"{metadata['name']}:{port}"
    place = f"{address(SERVICES, metadata['namespace'], name)}/proxy/{path}"
    words = dict([query.split("=", 1)]) if query else {}
    try:
        return context.cluster.text(place, words, timeout=context.timeout(30.0).remaining)
    except ApiError as error:
        if error.status == 403:
            raise
        context.fail(f"Service {named([service])} does not answer: {error}")
    except ClusterError as error:
        context.fail(f"Service {named([service])} does not answer: {error}")


def _ports(service: Object) -> list[int]:
    ports: Iterable[dict[str, Any]] = (service.get("spec") or {}).get("ports") or ()
    return [int(each["port"]) for each in ports]


def _port(service: Object) -> int:
    return next(iter(_ports(service)), 80)
