"""Names that other programs know too: labels, taints, namespaces. A change here is a change of contract."""

# A volume that nobody can claim. That any volume changes has the scheduler look again at what it has refused for claims
# (harness/waiting/claims.py), and one that is always there needs not be looked for.
BELL = "kwok-harness-bell"


PROGRAM = "kwok-harness"  # the command, and the name of the project in its pyproject.toml and on package indexes

NODE_TYPE_LABEL = "aicr.nvidia.com/node-type"  # system | accelerated
SYSTEM, ACCELERATED = "system", "accelerated"
KWOK_NODE_LABEL = ("type", "kwok")
KWOK_NODE_ANNOTATION = "kwok.x-k8s.io/node"  # "fake" hands a node to the KWOK controller
KWOK_TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
GPU_RESOURCE = "nvidia.com/gpu"
DEFAULT_SCHEDULER = "default-scheduler"
# Annotations by which the simulation says what it has changed in an object as it was made.
SCHEDULER_ANNOTATION = "kwok-harness/scheduler"  # of a pod: the scheduler that it asked for
CONVERSION_ANNOTATION = "kwok-harness/conversion"  # of a CRD: the strategy that it asked for
NOWHERE = "simulated-pods-serve-nothing.sock"  # where the API server calls Services: never created
INFRASTRUCTURE_NODE = ("kwok-harness.io/node", "infrastructure")  # label of a Kind cluster's real node
REAL_NODE_NAMESPACE = ("kwok-harness.io/nodes", "real")  # label of a namespace whose pods go to the real node

# Never cleaned, never counted: the cluster's own and the harness's infrastructure (behaviour of the bash harness).
# `default` is protected from cleaning, but pods in it are verified.
SYSTEM_NAMESPACES = frozenset(
    {
        "kube-system",
        "kube-node-lease",
        "kube-public",
        "local-path-storage",
        "kwok-system",
        "argocd",
        "flux-system",
        "aicr-registry",
    }
)
PROTECTED_NAMESPACES = SYSTEM_NAMESPACES | {"default"}

# The object by which the harness recognises a cluster as its own; its data carries the cluster's name and identity.
OWNER_MARKER = ("kube-system", "kwok-harness-owner")

API_VERSION = "aicr.nvidia.com/v1alpha1"


def own_version() -> str:
    """The version of the harness, for documents that name their producer."""
    from importlib.metadata import version

    return version(PROGRAM)
