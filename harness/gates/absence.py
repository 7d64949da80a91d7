"""What a bundle does not have any more must not be in the cluster any more."""

from dataclasses import dataclass

from harness.gates.findings import Finding, Level, named, overall
from harness.objects import Key, Kind, Objects
from harness.verdict import Passed, Verdict, Waiting

Member = tuple[str, str, str, str, str]  # API version, plural, kind, namespace ("" for cluster-scoped), name


@dataclass(frozen=True)
class Gone:
    """None of `members` is there, nor on its way out."""

    members: frozenset[Member]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple(sorted({_located(member)[0] for member in self.members}, key=str))

    def __call__(self, objects: Objects) -> Verdict:
        left = [(kind, key) for kind, key in map(_located, sorted(self.members)) if objects.get(kind, *key) is not None]
        if left:
            return overall(Finding(Level.WAITING, named(kind, key), "is still there") for kind, key in left)
        return Passed(f"{len(self.members)} objects that are no longer asked for are gone")


def _located(member: Member) -> tuple[Kind, Key]:
    version, plural, kind, namespace, name = member
    return Kind(version, plural, kind, namespaced=bool(namespace)), (namespace, name)


@dataclass(frozen=True)
class Vanished:
    """An object is gone, or another one has its name: `uid` is that of the one in question."""

    kind: Kind
    namespace: str
    name: str
    uid: str

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return (self.kind,)

    def __call__(self, objects: Objects) -> Verdict:
        subject = named(self.kind, (self.namespace, self.name))
        item = objects.get(self.kind, self.namespace, self.name)
        if item is None or item["metadata"].get("uid", "") != self.uid:
            return Passed("is gone", subject)
        finalizers = item["metadata"].get("finalizers") or []
        if not item["metadata"].get("deletionTimestamp"):
            return Waiting("is still there", subject)
        held = f", its finalizers {', '.join(finalizers)} are not done" if finalizers else ""
        return Waiting(f"is being deleted{held}", subject)
