"""What a bundle does not have any more must not be in the cluster any more."""

from dataclasses import dataclass

from harness.gates.findings import Finding, Level, named, overall
from harness.objects import Key, Kind, Objects
from harness.verdict import Passed, Verdict

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
