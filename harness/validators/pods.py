"""A pod of a check's own, from its creation to its end: by watch, and taken away within a deadline of its own."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.gates.findings import Gate
from harness.objects import PODS, Object, Objects, phase
from harness.validation.checks.placement import away_from_simulated, node_selector
from harness.validators import CheckFailed
from harness.validators.context import Context
from harness.validators.workloads import executed
from harness.verdict import Failed, Passed, Verdict, Waiting
from harness.waiting.loop import Expired, GateFailed, wait

CLEANUP_SECONDS = 30.0
_SEEN_BY_SMI = ("NVIDIA-SMI", "Driver Version:", "CUDA Version:", "GPU_CHECK_SUCCESS")
SMI_IMAGE = "nvcr.io/nvidia/cuda:12.9.0-base-ubuntu24.04"


@dataclass(frozen=True)
class Ended(Gate):
    """A pod that has come to its end. One that failed, or whose image cannot be pulled, will not."""

    namespace: str
    name: str
    kinds = (PODS,)

    def __call__(self, objects: Objects) -> Verdict:
        pod = objects.get(PODS, self.namespace, self.name)
        subject = f"Pod {self.namespace}/{self.name}"
        if pod is None:
            return Waiting("is not there yet", subject)
        match phase(pod):
            case "Succeeded":
                return Passed("succeeded", subject)
            case "Failed":
                return Failed(f"failed: {_why(pod)}", subject)
        waiting = _waiting(pod)
        if waiting and any(word in waiting for word in ("ImagePull", "InvalidImageName", "CreateContainer")):
            return Failed(waiting, subject)
        return Waiting(waiting or f"is {phase(pod) or 'new'}", subject)


@contextmanager
def pod(
    context: Context, name: str, spec: Mapping[str, Any], annotations: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    """A pod in the namespace of the run for as long as the block; its name. Gone afterwards, whatever happened."""
    full = f"{name}-{secrets.token_hex(4)}"
    selector = {**node_selector(context.nodes), **context.node_selector}
    spec = {"restartPolicy": "Never", "nodeSelector": selector, **spec}
    if "nodeName" not in spec:
        away = {"nodeSelectorTerms": [away_from_simulated(context.nodes)]}
        spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": away}}
    spec.setdefault("tolerations", [dict(each) for each in context.tolerations])
    metadata: dict[str, Any] = {
        "name": full,
        "namespace": context.namespace,
        "labels": {"aicr.nvidia.com/run-id": context.run_id},
    }
    if annotations:
        metadata["annotations"] = dict(annotations)
    context.cluster.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    try:
        yield full
    except BaseException:
        _gone(context, full)
        raise
    if left := _gone(context, full):
        raise CheckFailed(left)


def _gone(context: Context, name: str) -> str:
    """Delete a pod within a deadline of its own; why it could not be, which is said too."""
    deadline = Deadline.after(CLEANUP_SECONDS)
    try:
        context.cluster.delete(PODS, context.namespace, name, grace=min(5, int(deadline.remaining)))
    except HarnessError as error:
        left = f"Pod {context.namespace}/{name} was not cleaned up: {error}"
        context.warn(left)
        return left
    return ""


def succeeds(context: Context, name: str, deadline: Deadline) -> None:
    """Wait until a pod has succeeded, and really ran. Raises CheckFailed."""
    try:
        wait(context.cluster, (PODS,), Ended(context.namespace, name), deadline)
    except (GateFailed, Expired) as error:
        raise CheckFailed(str(error)) from error
    found = context.cluster.get(PODS, context.namespace, name)
    if found is None or not executed(found, context.nodes):
        raise CheckFailed(f"Pod {context.namespace}/{name} was reported as succeeded, but none of its containers ran")


def nvidia_smi(context: Context, nodes: list[dict[str, Any]]) -> None:
    """On each node a pod with all of its GPUs, whose nvidia-smi must see them. Raises CheckFailed."""
    failed: list[str] = []
    for node in nodes:
        name = str(node["metadata"]["name"])
        gpus = str(((node.get("status") or {}).get("allocatable") or {})["nvidia.com/gpu"])
        container = {
            "name": "nvidia-smi",
            "image": SMI_IMAGE,
            "command": ["sh", "-c", "nvidia-smi && echo GPU_CHECK_SUCCESS"],
            "resources": {"limits": {"nvidia.com/gpu": gpus}},
        }
        spec = {"nodeName": name, "containers": [container], "tolerations": [{"operator": "Exists"}]}
        with pod(context, "nvidia-smi-verify", spec) as made:
            try:
                succeeds(context, made, context.deadline)
                log = context.cluster.log(context.namespace, made, "nvidia-smi", lines=200)
            except (CheckFailed, HarnessError) as error:
                failed.append(f"{name}: {error}")
                continue
        missing = [text for text in _SEEN_BY_SMI if text not in log]
        context.say(log)
        if missing:
            failed.append(f"{name}: the log does not have {', '.join(missing)}")
    if failed:
        raise CheckFailed(f"nvidia-smi failed on {len(failed)} of {len(nodes)} GPU nodes:\n" + "\n".join(failed))


def _waiting(item: Object) -> str:
    for status in (item.get("status") or {}).get("containerStatuses") or ():
        waiting = (status.get("state") or {}).get("waiting")
        if waiting:
            return f"{waiting.get('reason', 'waiting')}: {waiting.get('message', '')}".rstrip(": ")
    return ""


def _why(item: Object) -> str:
    status = item.get("status") or {}
    for each in status.get("containerStatuses") or ():
        ended = (each.get("state") or {}).get("terminated")
        if ended:
            return f"exit code {ended.get('exitCode')} {ended.get('reason', '')}".strip()
    return str(status.get("reason") or status.get("message") or "without a reason")
