"""How a workload of the infrastructure runs: on the real node, one pod of each, with images that are there already."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from harness.names import INFRASTRUCTURE_NODE

STOP_SECONDS = 3  # as on the host runtime: then a part that is told to end is killed
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"  # the taint of a real node that has nothing but this to do


def placed(
    manifest: Mapping[str, Any],
    namespace: str,
    image: str,
    *,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The Deployment or StatefulSet as it runs here; `arguments` come after its container's own, `environment` over it.

    It is asked every second whether it is ready. It is not asked whether it lives: on a machine that is busy, that
    would end what is only slow. What it may use of the node is not bounded, nobody else is there.
    """
    found = copy.deepcopy(dict(manifest))
    found["metadata"] = {**found["metadata"], "namespace": namespace}
    spec = found["spec"]
    spec |= {"replicas": 1, "revisionHistoryLimit": 0}
    if found["kind"] == "Deployment":
        spec["strategy"] = {"type": "Recreate", "rollingUpdate": None}  # never two of them
    else:
        spec["podManagementPolicy"] = "Parallel"  # else a pod that does not become ready is never replaced by a better
    pod = spec["template"]["spec"]
    pod.pop("affinity", None)
    pod |= {
        "nodeSelector": dict([INFRASTRUCTURE_NODE]),
        "tolerations": [{"key": CONTROL_PLANE, "operator": "Exists"}],
        "terminationGracePeriodSeconds": STOP_SECONDS,
    }
    [container] = pod["containers"]
    for unwanted in ("livenessProbe", "resources"):
        container.pop(unwanted, None)
    container |= {"image": image, "imagePullPolicy": "IfNotPresent"}
    if arguments:
        container["args"] = [*container.get("args", ()), *arguments]
    if environment:
        own = [each for each in container.get("env", ()) if each["name"] not in environment]
        container["env"] = [*own, *({"name": name, "value": value} for name, value in environment.items())]
    if "readinessProbe" in container:
        container["readinessProbe"] |= {"initialDelaySeconds": 0, "periodSeconds": 1, "timeoutSeconds": 3}
    return found
