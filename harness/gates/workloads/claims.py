"""Claims that keep a pod from its node: which, what they ask for, and whether anybody here would give it to them.

A claim of a class that is there gets its volume, at once or with its pod (see `docs/lanes.md`, what is simulated). One
that names a class which nobody brings, or a volume that nobody makes, waits for ever; the scheduler only says that it
is not bound.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.gates.findings import Level, listed
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
    """A claim without a volume, in words. Somebody may make one by hand (DOOMED), what is still to come may (WAITING),
    or nobody will, now or later (CERTAIN).
    """

    text: str
    level: Level


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
        return Unbound(f"{shown} does not exist", _final(arrivals, (CLAIMS.kind, namespace, name), workload))
    if phase(claim) == "Bound":
        return None
    spec = claim["spec"]
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "any size")
    modes = ", ".join(spec.get("accessModes") or ())
    what = f"{shown} ({size}, {modes}, {spec.get('volumeMode') or 'Filesystem'})"
    there = {each["metadata"]["name"]: each for each in objects.all(STORAGE_CLASSES)}
    wanted = spec.get("storageClassName")
    if wanted is None:
        return _without_class(what, there, arrivals)
    if wanted == "":
        return Unbound(f"{what} asks for no StorageClass, and no volume is there for it", Level.DOOMED)
    if wanted not in there:
        level = _final(arrivals, (STORAGE_CLASSES.kind, "", wanted), workload)
        return Unbound(f"{what} asks for StorageClass {wanted}, which is not here; {_offered(there)}", level)
    if there[wanted].get("provisioner") == _NO_PROVISIONER:
        return Unbound(
            f"{what}: StorageClass {wanted} has no provisioner, and no volume is there for it", level=Level.DOOMED
        )
    if spec.get("selector"):
        return Unbound(
            f"{what} selects a volume by its labels, and none is there: nobody makes one for it", Level.DOOMED
        )
    return None


def _final(arrivals: Arrivals, wanted: Identity, workload: Identity) -> Level:
    return Level.WAITING if arrivals.may_bring(wanted, workload) else Level.CERTAIN


def _without_class(what: str, there: dict[str, Object], arrivals: Arrivals) -> Unbound | None:
    if any((each["metadata"].get("annotations") or {}).get(_DEFAULT) == "true" for each in there.values()):
        return None
    level = Level.DOOMED if arrivals.under_way else Level.CERTAIN
    return Unbound(f"{what} names no StorageClass, and none is the default; {_offered(there)}", level)


def _offered(there: dict[str, Object]) -> str:
    return f"there {'is' if len(there) == 1 else 'are'} {listed(there) or 'none'}: {_REMEDY}"
