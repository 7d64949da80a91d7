"""The reference of lane parity: what helm makes of a recipe on this cluster, out of its renderings and its releases.

A chart may ask the cluster (`lookup`, `.Capabilities`), and make values at random or of the time: no rendering of it is
then the one that was installed. What it renders to before anything is installed and after everything is agrees for
nearly all fields; those are expected. For the others:

| what differs between the two renderings | helm made the release (helm, Flux)     | it did not (Argo CD)              |
|-----------------------------------------|----------------------------------------|-----------------------------------|
| a field of an object                    | as it is in the release                | some value of the same type: note |
| whether there is the object at all      | as it is in the release                | as it likes: note                 |
| an object of a kind that is not served, | as it is in the release                | expected                          |
| in both renderings                      |                                        |                                   |

A release alone is not the reference: what Flux installs may have lost a value or a file on the way, and its release is
then made without it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from harness.expected.objects import Expected
from harness.objects import Reference
from harness.parity.compare import normalised, variations

Objects = Mapping[Reference, Expected]


@dataclass(frozen=True)
class Sources:
    """What is known of what helm makes: by reference, the objects of the rendering `before` anything was installed, of
    that `after` everything was, and of what helm `made`. `kept` names the releases that helm made; `served` are the API
    versions of the cluster ("v1/Pod").
    """

    before: Objects
    after: Objects
    made: Objects
    kept: Collection[str]
    served: Collection[str]


def combined(sources: Sources) -> dict[Reference, Expected]:
    """The objects that are expected; fields of them that vary are in `Expected.varies`."""
    found: dict[Reference, Expected] = {}
    for reference in [*sources.before, *(sources.after.keys() - sources.before.keys())]:
        one = _one(reference, sources)
        if one is not None:
            found[reference] = one
    return found


def _one(reference: Reference, sources: Sources) -> Expected | None:
    before, after = sources.before.get(reference), sources.after.get(reference)
    either = before or after
    if either is None:
        return None
    kept = either.release in sources.kept
    served = f"{either.kind.api_version}/{either.kind.kind}" in sources.served
    if before and after and (served or not kept):
        made = sources.made.get(reference)
        ours, theirs = (normalised(one.kind, one.item) for one in (before, after))
        varies = frozenset(variations((), ours, theirs)) if ours != theirs else frozenset()
        if not varies:
            return before
        return replace(before, varies=varies, again=after.item, made=made.item if made else None)
    if kept:
        return sources.made.get(reference)
    return replace(either, optional=True, varies=frozenset({()}))
