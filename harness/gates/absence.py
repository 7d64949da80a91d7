"""What a bundle does not have any more must not be in the cluster any more."""

from collections.abc import Collection

from harness.gates.findings import Finding, Gate, Level, named, overall
from harness.objects import Key, Kind, Objects
from harness.verdict import Passed, Verdict

Member = tuple[str, str, str, str, str]  # API version, plural, kind, namespace ("" for cluster-scoped), name


def gone(members: Collection[Member]) -> Gate:
    """The gate over `kinds_of(members)`: none of them is there, nor on its way out."""

    def gate(objects: Objects) -> Verdict:
        left = [(kind, key) for kind, key in map(located, sorted(members)) if objects.get(kind, *key) is not None]
        if left:
            return overall(Finding(Level.WAITING, named(kind, key), "is still there") for kind, key in left)
        return Passed(f"{len(members)} objects that are no longer asked for are gone")

    return gate


def located(member: Member) -> tuple[Kind, Key]:
    version, plural, kind, namespace, name = member
    return Kind(version, plural, kind, namespaced=bool(namespace)), (namespace, name)


def kinds_of(members: Collection[Member]) -> tuple[Kind, ...]:
    """What has to be watched."""
    return tuple(sorted({located(member)[0] for member in members}, key=str))
