"""What to do about what a cell left behind: a pure plan, made from two inventories.

Nothing that was there before is ever deleted; what cannot be told to be new (its kind could not be listed before) is
left alone; and so are the namespaces of infrastructure with all that is in them, unless they stood before. Operators
do not run here, so nobody takes away the finalizers that they have set: on new objects that is done for them. The
control plane's own finalizers are waited for first, and taken away only where waiting has not helped.

What is in a new namespace is deleted object by object too, pods without their grace period: the namespace's controller
looks 5 seconds after its deletion, and when a pod is still there then, again only 16 seconds later.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.isolation.inventory import Difference, Entry, Inventory
from harness.names import PROTECTED_NAMESPACES
from harness.objects import NAMESPACES, NODES, PERSISTENT_VOLUMES, PODS, Kind, Reference

CRDS = Kind("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)

# Stages, one after the other: what would refuse or block deletions goes first, definitions after their objects, pods
# after what would make them again.
CLEARING, CUSTOM, ORDINARY, LAST = range(4)

_BLOCKING = frozenset(
    {
        "apiservices.apiregistration.k8s.io",
        "mutatingadmissionpolicies.admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    }
)
_LAST = frozenset({str(CRDS), str(NAMESPACES), str(NODES), str(PERSISTENT_VOLUMES), str(PODS)})
_OWN_FINALIZERS = frozenset(  # that a controller of the control plane takes away by itself
    {
        "batch.kubernetes.io/job-tracking",
        "customresourcecleanup.apiextensions.k8s.io",
        "foregroundDeletion",
        "kubernetes.io/pv-protection",
        "kubernetes.io/pvc-protection",
        "networking.k8s.io/service-cidr-finalizer",
        "orphan",
        "resource.kubernetes.io/delete-protection",
    }
)


@dataclass(frozen=True)
class Step:
    """One request. `action`: strip (leave `finalizers`), delete, finalize (a namespace), convert-nothing (a CRD),
    relabel (a node, to `entry.state`) or release (a volume from its claim).
    """

    stage: int
    action: str
    reference: Reference
    entry: Entry
    finalizers: tuple[str, ...] = ()


def removable(before: Inventory, after: Inventory, difference: Difference) -> dict[Reference, Entry]:
    """The objects that are new and may go."""
    found = {}
    for reference in difference.added:
        entry = after.objects[reference]
        namespace = reference.name if entry.kind == NAMESPACES else reference.namespace
        protected = (
            namespace in PROTECTED_NAMESPACES and Reference(str(NAMESPACES), "", namespace) not in before.objects
        )
        unknown = reference.resource in before.unread or entry.kind.api_version in before.unread
        if not protected and not unknown:
            found[reference] = entry
    return found


def plan(before: Inventory, after: Inventory, difference: Difference, *, stuck: bool) -> list[Step]:
    """The steps that bring `after` nearer to `before`; `stuck`: waiting for the last ones has not been enough."""
    gone = removable(before, after, difference)
    steps = [step for reference, entry in gone.items() for step in _steps(reference, entry, gone, after, stuck)]
    steps += _unconverted(gone, difference)
    steps += _restored(before, after, difference)
    return sorted(steps, key=lambda step: (step.stage, step.reference))


def watched(gone: Mapping[Reference, Entry]) -> dict[Reference, Entry]:
    """Of what is to go, that which has to be watched: the rest goes with its namespace or with its definition."""
    return {
        reference: entry
        for reference, entry in gone.items()
        if not _in_new_namespace(reference, gone) and not _defined_anew(reference, gone)
    }


def _steps(
    reference: Reference, entry: Entry, gone: Mapping[Reference, Entry], after: Inventory, stuck: bool
) -> Iterator[Step]:
    custom = _defined_anew(reference, gone)
    stage = CLEARING if reference.resource in _BLOCKING else CUSTOM if custom else ORDINARY
    stage = LAST if reference.resource in _LAST else stage
    kept = () if stuck else tuple(name for name in entry.finalizers if name in _OWN_FINALIZERS)
    if kept != entry.finalizers:
        yield Step(min(stage, CUSTOM), "strip", reference, entry, kept)
    if entry.kind == NAMESPACES and stuck and not any(each.namespace == reference.name for each in after.objects):
        yield Step(LAST, "finalize", reference, entry)
    elif custom or not (entry.deleting or (entry.owned and not stuck and not _in_new_namespace(reference, gone))):
        yield Step(stage, "delete", reference, entry)


def _unconverted(gone: Mapping[Reference, Entry], difference: Difference) -> Iterator[Step]:
    """Definitions whose objects cannot be listed: their conversion webhook is served by nobody."""
    for resource in difference.unread:
        reference = Reference(str(CRDS), "", resource)
        if reference in gone:
            yield Step(CLEARING, "convert-nothing", reference, gone[reference])


def _restored(before: Inventory, after: Inventory, difference: Difference) -> Iterator[Step]:
    """Nodes and volumes that were there before, as they were. A volume's claim must be gone before it is free."""
    uids = {entry.uid for entry in after.objects.values()}
    for reference in difference.changed:
        was, now = before.objects[reference], after.objects[reference]
        if now.kind == NODES:
            yield Step(LAST, "relabel", reference, was)
        elif now.kind == PERSISTENT_VOLUMES and not was.state["claim"] and now.state["claim"] not in uids:
            yield Step(LAST, "release", reference, now)


def _in_new_namespace(reference: Reference, gone: Mapping[Reference, Entry]) -> bool:
    return bool(reference.namespace) and Reference(str(NAMESPACES), "", reference.namespace) in gone


def _defined_anew(reference: Reference, gone: Mapping[Reference, Entry]) -> bool:
    return Reference(str(CRDS), "", reference.resource) in gone
