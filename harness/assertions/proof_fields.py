"""Which fields follow from pods that run, which from a controller, and which from the API server alone."""

import re
from enum import IntEnum

Path = tuple[str, ...]


class Proof(IntEnum):
    """What must be real for a field to prove something; the later needs more."""

    API = 1
    CONTROLLER = 2
    EXECUTION = 3


API, CONTROLLER, EXECUTION = Proof

# Of the status: fields by name, entries of conditions as "[Type]"; "" is everything else.
Rules = dict[str, Proof]

_COUNTED = dict.fromkeys(("replicas", "updatedReplicas", "observedGeneration", "collisionCount"), CONTROLLER)
_STATUS: dict[tuple[str, str], Rules] = {
    ("", "Pod"): {
        "qosClass": API,
        "nominatedNodeName": API,
        "[PodScheduled]": API,
        "[DisruptionTarget]": CONTROLLER,
        "resourceClaimStatuses": CONTROLLER,
        "": EXECUTION,
    },
    ("apps", "Deployment"): {**_COUNTED, "[ReplicaFailure]": CONTROLLER, "": EXECUTION},
    ("apps", "ReplicaSet"): {
        **_COUNTED,
        "fullyLabeledReplicas": CONTROLLER,
        "[ReplicaFailure]": CONTROLLER,
        "": EXECUTION,
    },
    ("", "ReplicationController"): {**_COUNTED, "fullyLabeledReplicas": CONTROLLER, "": EXECUTION},
    # A StatefulSet makes its next pod when the one before is ready: its counts follow from execution.
    ("apps", "StatefulSet"): {
        **dict.fromkeys(("observedGeneration", "collisionCount", "currentRevision", "updateRevision"), CONTROLLER),
        "": EXECUTION,
    },
    ("apps", "DaemonSet"): {
        **dict.fromkeys(("desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled"), CONTROLLER),
        **dict.fromkeys(("updatedNumberScheduled", "observedGeneration", "collisionCount"), CONTROLLER),
        "": EXECUTION,
    },
    ("batch", "Job"): {"active": CONTROLLER, "startTime": CONTROLLER, "[Suspended]": CONTROLLER, "": EXECUTION},
    ("batch", "CronJob"): {"lastSuccessfulTime": EXECUTION, "": CONTROLLER},
    ("", "Node"): {"": EXECUTION},
    ("", "Namespace"): {"": API},
    ("", "PersistentVolume"): {"": API},
    ("", "PersistentVolumeClaim"): {"": API},
    ("autoscaling", "HorizontalPodAutoscaler"): {
        **dict.fromkeys(("currentMetrics", "desiredReplicas", "[ScalingActive]", "[ScalingLimited]"), EXECUTION),
        "": CONTROLLER,
    },
    ("policy", "PodDisruptionBudget"): {
        **dict.fromkeys(("expectedPods", "desiredHealthy", "observedGeneration"), CONTROLLER),
        "": EXECUTION,
    },
    ("storage.k8s.io", "VolumeAttachment"): {"": EXECUTION},
    ("resource.k8s.io", "ResourceClaim"): {"devices": EXECUTION, "": API},
    ("apiextensions.k8s.io", "CustomResourceDefinition"): {"": API},
    ("apiregistration.k8s.io", "APIService"): {"": EXECUTION},
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): {"": API},
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): {"": API},
}
# What a controller counts of its pods, under whatever kind.
_COUNTS_WHAT_RUNS = re.compile(
    r"(?:(?:un)?available|ready|running)(?:Replicas|Nodes|Pods)|number(?:Ready|(?:Un)?[aA]vailable)"
)
# Kinds whose other fields are not simply what somebody wrote there.
_ELSEWHERE: dict[tuple[str, str], Rules] = {
    ("", "Endpoints"): {"subsets": EXECUTION},
    ("discovery.k8s.io", "EndpointSlice"): {"endpoints": EXECUTION},
    ("", "Event"): {"metadata": API, "": CONTROLLER},
    ("events.k8s.io", "Event"): {"metadata": API, "": CONTROLLER},
    ("coordination.k8s.io", "Lease"): {"spec": CONTROLLER},
}


def proof_of_field(api_version: str, kind: str, path: Path) -> Proof:
    """What the field at `path` of a kind can prove; the empty path is the object itself."""
    group = api_version.rpartition("/")[0]
    if group.endswith("metrics.k8s.io") or (not kind and path[:1] == ("status",)):
        return EXECUTION
    if path[:1] != ("status",):
        rules = _ELSEWHERE.get((group, kind), {})
        return rules.get(path[0], rules.get("", API)) if path else API
    # What is not in the table is a custom resource, or written by a controller of Kubernetes.
    rules = _STATUS.get((group, kind), {"": CONTROLLER})
    if len(path) > 1 and _COUNTS_WHAT_RUNS.fullmatch(path[-1]):
        return EXECUTION
    if path[1:2] == ("conditions",) and len(path) > 2:
        return rules.get(path[2], rules[""])
    field = path[1] if len(path) > 1 else ""
    return rules.get(field, rules[""]) if field else max(rules.values())
