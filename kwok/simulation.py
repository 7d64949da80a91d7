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


def disabled_admission(webhooks: Webhooks) -> list[str]:
    """The admission plug-ins that the API server goes without.

    A new node gets no taint until the controller manager looks at it: a write less, and whoever uses nodes waits for
    Ready anyway.
    """
    without = ["TaintNodesByCondition"]
    if webhooks == "skip":
        without += ["MutatingAdmissionWebhook", "ValidatingAdmissionWebhook"]
    return without


def simulation() -> dict[str, Any]:
    """The configuration of the KWOK controller. It has stages of its own, the fast ones, where none are given."""
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {
            "cidr": POD_RANGE,
            "nodePlayStageParallelism": _STAGES_AT_ONCE,
            "podPlayStageParallelism": _STAGES_AT_ONCE,
        },
    }
