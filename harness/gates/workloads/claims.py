"""Claims that keep a pod from its node: which, what they ask for, and whether anybody here would give it to them.

A claim of a class that is there gets its volume, at once or with its pod (see `docs/lanes.md`, what is simulated). One
that names a class which nobody brings, or a volume that nobody makes, waits for ever; the scheduler only says that it
is not bound.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.gates.findings import listed
from harness.gates.workloads.arrivals import Arrivals
from harness.gates.workloads.manifest import Identity
from harness.objects import CLAIMS, STORAGE_CLASSES, Kind, Object, Objects, phase

KINDS: tuple[Kind, ...] = (CLAIMS, STORAGE_CLASSES)

_NO_PROVISIONER = "kubernetes.io/no-provisioner"
_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_REMEDY = (
    "name one of these in the component's values, let a component bring that class, or put it beside the node profiles "
    "(setting: nodes.profile)"
)


@dataclass(frozen=True)
class Unbound:
    """A claim without a volume, in words; `certain`: nobody will make one, now or later."""

    text: str
    certain: bool


def unbound(pod: Object, objects: Objects, arrivals: Arrivals, workload: Identity) -> list[Unbound]:
    """The claims of a pod that are not bound and will not be, as far as can be known."""
    return [found for name in _claims(pod) if (found := _judged(name, pod, objects, arrivals, workload)) is not None]


def _claims(pod: Object) -> Iterator[str]:
    for volume in pod["spec"].get("volumes") or ():
        if claim := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            yield claim
        elif volume.get("ephemeral"):
            yield f"{pod['metadata']['name']}-{volume['name']}"


def _judged(name: str, pod: Object, objects: Objects, arrivals: Arrivals, workload: Identity) -> Unbound | None:
    namespace = pod["metadata"].get("namespace", "")
    claim = objects.get(CLAIMS, namespace, name)
    shown = f"{CLAIMS.kind} {namespace}/{name}"
    if claim is None:
        certain = not arrivals.may_bring((CLAIMS.kind, namespace, name), workload)
        return Unbound(f"{shown} does not exist", certain)
    if phase(claim) == "Bound":
        return None
    spec = claim["spec"]
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "any size")
    modes = ", ".join(spec.get("accessModes") or ())
    what = f"{shown} ({size}, {modes}, {spec.get('volumeMode') or 'Filesystem'})"
    there = {each["metadata"]["name"]: each for each in objects.all(STORAGE_CLASSES)}
    wanted = spec.get("storageClassName")
    if wanted is None:
        return _without_class(what, there, arrivals, workload)
    if wanted == "":
        return Unbound(f"{what} asks for no StorageClass, and no volume is there for it", certain=False)
    if wanted not in there:
        certain = not arrivals.may_bring((STORAGE_CLASSES.kind, "", wanted), workload)
        return Unbound(f"{what} asks for StorageClass {wanted}, which is not here; {_offered(there)}", certain)
    if there[wanted].get("provisioner") == _NO_PROVISIONER:
        return Unbound(
            f"{what}: StorageClass {wanted} has no provisioner, and no volume is there for it", certain=False
        )
    if spec.get("selector"):
        return Unbound(f"{what} selects a volume by its labels, and none is there: nobody makes one for it", False)
    return None


def _without_class(what: str, there: dict[str, Object], arrivals: Arrivals, workload: Identity) -> Unbound | None:
    if any((each["metadata"].get("annotations") or {}).get(_DEFAULT) == "true" for each in there.values()):
        return None
    certain = not arrivals.under_way
    return Unbound(f"{what} names no StorageClass, and none is the default; {_offered(there)}", certain)


def _offered(there: dict[str, Object]) -> str:
    return f"there {'is' if len(there) == 1 else 'are'} {listed(there) or 'none'}: {_REMEDY}"
