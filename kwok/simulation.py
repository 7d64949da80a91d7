"""What the simulation is, on either runtime: KWOK's stages and arguments, address ranges, admission."""

from typing import Any, Literal

# Ranges set aside for benchmarks (RFC 2544): never a network that the machine talks to.
SERVICE_RANGE = "198.18.0.0/16"
POD_RANGE = "198.19.0.1/16"
_STAGES_AT_ONCE = 16  # changes of state that KWOK makes in parallel; its default is 4
# What kwokctl takes on its command line only: its configuration file reads 0 as "the default". Leases would be two
# thirds of what a thousand nodes cost the API server, and nobody reads them.
ARGUMENTS = ("--node-lease-duration-seconds", "0")
Webhooks = Literal["skip", "refuse"]
Pods = Literal["simulate", "hold"]


def disabled_admission(webhooks: Webhooks) -> list[str]:
    """The admission plug-ins that the API server goes without.

    A new node gets no taint until the controller manager looks at it: a write less, and whoever uses nodes waits for
    Ready anyway.
    """
    without = ["TaintNodesByCondition"]
    if webhooks == "skip":
        without += ["MutatingAdmissionWebhook", "ValidatingAdmissionWebhook"]
    return without


def simulation(pods: Pods) -> list[dict[str, Any]]:
    """The documents of the KWOK controller's configuration.

    For each kind of which no stage is given it has its own, the fast ones: so nodes always have those, and pods where
    they are simulated. Pods that are held have the one stage of their deletion, and stay Pending until then.
    """
    options = {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {
            "cidr": POD_RANGE,
            "nodePlayStageParallelism": _STAGES_AT_ONCE,
            "podPlayStageParallelism": _STAGES_AT_ONCE,
        },
    }
    return [options, *([_deletion()] if pods == "hold" else [])]


def _deletion() -> dict[str, Any]:
    """A pod that is to go is gone at once, as by KWOK's own stage."""
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": "held-pod-delete"},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
            "selector": {"matchExpressions": [{"key": ".metadata.deletionTimestamp", "operator": "Exists"}]},
            "next": {"finalizers": {"empty": True}, "delete": True},
        },
    }
