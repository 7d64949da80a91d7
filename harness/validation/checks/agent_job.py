"""The Job of the older agent: how it is configured, what its container does, and why it failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.objects import Object, condition, phase
from harness.validation.checks.placement import away_from_simulated, node_selector
from harness.validation.checks.pods import CONTAINER

IMAGE = "ghcr.io/nvidia/aicr-validator:latest"
_CODES = {2: "command error", 139: "segmentation fault"}


@dataclass(frozen=True)
class Config:
    """What an agent runs and where. `timeout` is in seconds; `expected_tests` 0 means that any number will do.

    `cleanup` says whether `Agent.cleanup` takes anything away.
    """

    namespace: str
    job_name: str
    test_package: str
    snapshot_config_map: str
    recipe_config_map: str
    image: str = IMAGE
    image_pull_secrets: tuple[str, ...] = ()
    service_account_name: str = "aicr-validator"
    tolerations: Sequence[Mapping[str, Any]] = ()
    affinity: Mapping[str, Any] | None = None
    test_pattern: str = ""
    expected_tests: int = 0
    timeout: float = 600.0
    cleanup: bool = True
    debug: bool = False

    @property
    def binary(self) -> str:
        return f"{self.test_package.rstrip('/').rpartition('/')[2]}.test"


def job(config: Config, nodes: Sequence[Object] = ()) -> dict[str, Any]:
    """The Job: away from those of the cluster's `nodes` that are simulated, whatever the given affinity."""
    labels = {"app.kubernetes.io/name": "aicr", "app.kubernetes.io/component": "validation"}
    field_of = {"fieldRef": {"fieldPath": "metadata.namespace"}}
    variables: list[dict[str, Any]] = [
        {"name": "AICR_SNAPSHOT_PATH", "value": "/data/snapshot/snapshot.yaml"},
        {"name": "AICR_RECIPE_PATH", "value": "/data/recipe/recipe.yaml"},
        {"name": "AICR_NAMESPACE", "valueFrom": field_of},
    ]
    if config.debug:
        variables.append({"name": "AICR_DEBUG", "value": "true"})
    maps = {"snapshot": config.snapshot_config_map, "recipe": config.recipe_config_map}
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "serviceAccountName": config.service_account_name,
        "affinity": _away(config.affinity or {}, nodes),
        "containers": [
            {
                "name": CONTAINER,
                "image": config.image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["/bin/sh", "-c", script(config)],
                "env": variables,
                "volumeMounts": [{"name": each, "mountPath": f"/data/{each}", "readOnly": True} for each in maps],
            }
        ],
        "volumes": [{"name": each, "configMap": {"name": name}} for each, name in maps.items()],
    }
    if selector := node_selector(nodes):
        pod["nodeSelector"] = selector
    if config.tolerations:
        pod["tolerations"] = [dict(each) for each in config.tolerations]
    if config.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": each} for each in config.image_pull_secrets]
    metadata = {
        "name": config.job_name,
        "namespace": config.namespace,
        "labels": {**labels, "aicr.nvidia.com/job-type": "validation"},
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"backoffLimit": 0, "ttlSecondsAfterFinished": 3600, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def script(config: Config) -> str:
    """What the container does. It ends with the status of the tests, not with that of what reads their output."""
    quoted = "'" + config.test_pattern.replace("'", "'\\''") + "'"
    pattern = f" -test.run {quoted}" if config.test_pattern else ""
    return "\n".join(
        [
            'echo "Running validation tests..."',
            f'echo "Binary: {config.binary}"',
            f"echo Pattern: {quoted}",
            'echo "--- BEGIN TEST OUTPUT ---"',
            f"({config.binary} -test.v{pattern}; echo $? > /tmp/status) 2>&1 | test2json -t",
            'echo "--- END TEST OUTPUT ---"',
            "exit $(cat /tmp/status)",
        ]
    )


def reason_of(job: Object, pods: Sequence[Object]) -> str:
    """Why a Job failed, by its first pod."""
    if not pods:
        return str(condition(job, "Failed").get("message") or "it has no pod")
    pod = pods[0]
    statuses = (pod.get("status") or {}).get("containerStatuses") or [{}]
    state = statuses[0].get("state") or {}
    if waiting := state.get("waiting"):
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        if "ImagePull" in reason:
            return f"Image pull failed: {message} (image: {statuses[0].get('image', '?')})"
        return reason if reason == "CrashLoopBackOff" else f"Container waiting: {reason} - {message}"
    ended = state.get("terminated") or {}
    why = ended.get("reason") or ended.get("message") or ""
    match ended.get("exitCode"):
        case None:
            if phase(pod) == "Running":
                return "Pod still running but Job marked as failed"
            return f"Pod is {phase(pod) or 'Unknown'}"
        case 1:
            return f"Tests failed (exit code 1): {why}"
        case 137 if why == "OOMKilled":
            return "Container killed due to out of memory (OOMKilled)"
        case 137:
            return f"Container killed (exit code 137): {why}"
        case 125 | 126 | 127 as code:
            return f"Container execution error (exit code {code}): {why}"
        case code if code in _CODES:
            return f"Container {_CODES[code]} (exit code {code}): {why}"
        case code:
            return f"Container exited with code {code}: {why}"


def _away(affinity: Mapping[str, Any], nodes: Sequence[Object]) -> dict[str, Any]:
    """An affinity with a required part away from simulated nodes in each of its terms."""
    away = away_from_simulated(nodes)
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    node = dict(affinity.get("nodeAffinity") or {})
    terms = (node.get(required) or {}).get("nodeSelectorTerms") or [{}]
    node[required] = {
        "nodeSelectorTerms": [{**term, **{key: [*(term.get(key) or ()), *away[key]] for key in away}} for term in terms]
    }
    return {**affinity, "nodeAffinity": node}
