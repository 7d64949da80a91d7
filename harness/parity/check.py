"""Lane parity: whatever delivers a recipe, the same objects must be in the cluster afterwards.

The reference is what the releases of the helm shape come to on this cluster (`harness.parity.reference`), as Helm
would send it; no other lane has to run before. What counts as equal is in `harness.parity.compare`. Where something
still differs the API server is asked what it would make of the reference: defaults, other notations and what admission
adds are then no differences. Nothing is changed by asking.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from harness.bundles.model import Bundle
from harness.cluster.api import ApiError, Cluster, address
from harness.errors import VerdictFailed
from harness.excerpts import cut, some
from harness.expected.objects import Expected, Path, expected
from harness.objects import Kind, Object, Reference
from harness.parity.compare import ABSENT, Difference, Judge, differences, dotted, touches
from harness.parity.reference import Sources, combined

SHOWN = 20  # differences in an error message
_PARALLEL = 8
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


class ParityBroken(VerdictFailed):
    """The lane put other objects into the cluster than Helm would have."""


@dataclass(frozen=True)
class Varying:
    """Fields of an object that come out otherwise each time that its chart is rendered. `held`: compared with what helm
    made of them, which it keeps.
    """

    reference: Reference
    paths: tuple[Path, ...]
    held: bool

    def __str__(self) -> str:
        shown = some([dotted(path) for path in self.paths], 3)
        how = "compared with the release that helm made" if self.held else "not compared"
        return f"{self.reference}: each rendering of the chart gives another {shown}: {how}"


@dataclass(frozen=True)
class ParityReport:
    """What tells the cluster from the reference. Nothing compared is never equal.

    `dropped`, `varying`, `at_will` and `absent_hooks` are no differences, but what equality does not cover: fields that
    the API server does not keep, and what comes out otherwise each time that a chart is rendered.
    """

    compared: int
    differences: tuple[Difference, ...] = ()
    missing: tuple[Reference, ...] = ()
    unexpected: tuple[Reference, ...] = ()
    dropped: tuple[Difference, ...] = ()
    varying: tuple[Varying, ...] = ()
    at_will: tuple[Reference, ...] = ()
    absent_hooks: tuple[Reference, ...] = ()

    @property
    def equal(self) -> bool:
        return self.compared > 0 and not (self.differences or self.missing or self.unexpected)

    def lines(self) -> tuple[str, ...]:
        """The findings, missing and unexpected objects first; a difference takes four lines."""
        return (
            *(f"missing: {each}" for each in self.missing),
            *(f"unexpected: {each}" for each in self.unexpected),
            *(f"differs: {each}" for each in self.differences),
        )

    def notes(self) -> tuple[str, ...]:
        """What a pass does not cover, as sentences for the report."""
        return (
            *(f"parity: the API server does not keep {dotted(each.path)} of {each.reference}" for each in self.dropped),
            *(f"parity: {each}" for each in self.varying),
            *(
                f"parity: it depends on when the chart is rendered whether there is {each}: not expected"
                for each in self.at_will
            ),
            *(f"parity: hook {each} is not there: not compared" for each in self.absent_hooks),
        )

    def require(self) -> None:
        """Raise ParityBroken unless equal."""
        if self.equal:
            return
        found = self.lines()
        count = f"{len(found)} difference{'' if len(found) == 1 else 's'}"
        what = f"{count} between what helm makes of the charts (-) and what is in the cluster (+)"
        what = what if found else "nothing was compared"
        raise ParityBroken("\n  ".join((what, *cut(found, SHOWN))), where="parity")


# What is expected


def referred(
    bundle: Bundle,
    kinds: Collection[Kind],
    rendered: Mapping[str, Sequence[Object]],
    *,
    again: Mapping[str, Sequence[Object]] | None = None,
    released: Mapping[str, Sequence[Object]] = MappingProxyType({}),
    served: Collection[str] = (),
) -> dict[Reference, Expected]:
    """What helm makes of the releases: `rendered` before anything was installed, `again` afterwards, and, where helm
    has made them, `released`. `kinds` and `served` ("v1/Pod") are what the cluster serves.
    """
    before = expected(rendered, bundle, kinds)
    after = before if again is None else expected(again, bundle, kinds)
    made = expected({folder.release: released.get(folder.release, ()) for folder in bundle.folders}, bundle, kinds)
    return combined(Sources(before, after, made, kept=released, served=served))


# What is there


def check(
    cluster: Cluster,
    bundle: Bundle,
    rendered: Mapping[str, Sequence[Object]],
    *,
    again: Mapping[str, Sequence[Object]] | None = None,
    released: Mapping[str, Sequence[Object]] = MappingProxyType({}),
    served: Collection[str] = (),
    kept: Collection[Reference] = (),
) -> ParityReport:
    """Compare what the cluster holds with what helm makes of the releases (see `referred`). `kept` may be there from
    before an upgrade.

    Raises ClusterError where the cluster cannot be asked.
    """
    kinds = cluster.resources().kinds
    reference = referred(bundle, kinds, rendered, again=again, released=released, served=served)
    ours = sorted({one.kind for one in reference.values()}, key=str)
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="parity") as pool:
        listing = pool.map(lambda kind: _list(cluster, kind), ours)
        marked = pool.map(lambda kind: _metadata(cluster, kind), kinds)
        live = {(kind, *_key(item)): item for kind, items in zip(ours, listing, strict=True) for item in items}
        metadata = [(kind, item) for kind, items in zip(kinds, marked, strict=True) for item in items]
    there = {each: (one, live.get((one.kind, each.namespace, each.name))) for each, one in sorted(reference.items())}
    found = [pair for each, (one, item) in there.items() if item is not None for pair in _differences(each, one, item)]
    left: dict[Reference, list[tuple[Expected, Difference]]] = {}
    for one, difference in Judge().judge(found):
        left.setdefault(difference.reference, []).append((one, difference))
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="parity") as pool:
        verdicts = list(pool.map(lambda each: _beyond_the_server(cluster, there[each][1] or {}, left[each]), left))
    unexpected = {
        Reference(str(kind), *_key(item))
        for kind, item in metadata
        if delivered(kind, item) and not _home(kind, item, bundle)
    }
    absent = [(each, one) for each, (one, item) in there.items() if item is None]
    return ParityReport(
        compared=sum(item is not None for _, item in there.values()),
        differences=tuple(each for real, _ in verdicts for each in real),
        missing=tuple(sorted(each for each, one in absent if not one.optional)),
        unexpected=tuple(sorted(unexpected - reference.keys() - set(kept))),
        dropped=tuple(each for _, dropped in verdicts for each in dropped),
        varying=tuple(
            Varying(each, tuple(sorted(one.varies)), one.made is not None)
            for each, (one, item) in there.items()
            if one.varies and () not in one.varies and item is not None
        ),
        at_will=tuple(each for each, (one, _) in there.items() if () in one.varies),
        absent_hooks=tuple(sorted(each for each, one in absent if one.standing_hook and one.optional)),
    )


def delivered(kind: Kind, item: Object) -> bool:
    """Whether an object carries the mark of what delivers releases, and is not an object of the deployer itself."""
    metadata = item["metadata"]
    if kind.group == "argoproj.io" or kind.group.endswith(".fluxcd.io"):
        return False
    # Endpoints and what has an owner inherit the labels of the object that they are made for.
    if metadata.get("ownerReferences") or str(kind) == "endpoints":
        return False
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    return (
        "meta.helm.sh/release-name" in annotations
        or "argocd.argoproj.io/tracking-id" in annotations
        or "helm.toolkit.fluxcd.io/name" in labels
        or "kustomize.toolkit.fluxcd.io/name" in labels
    )


def _home(kind: Kind, item: Object, bundle: Bundle) -> bool:
    """The namespace of a release: Helm makes it besides, GitOps controllers make it as an object of theirs."""
    return kind.kind == "Namespace" and item["metadata"]["name"] in {folder.namespace for folder in bundle.folders}


def _list(cluster: Cluster, kind: Kind) -> list[dict[str, Any]]:
    # Helm keeps its releases in Secrets, which are large, and nobody's business here.
    selector = "type!=helm.sh/release.v1" if str(kind) == "secrets" else ""
    try:
        return cluster.list(kind, field_selector=selector).items
    except ApiError as error:
        if error.status == 404:
            return []  # not served: every object of it is missing
        raise


def _metadata(cluster: Cluster, kind: Kind) -> list[dict[str, Any]]:
    try:
        return cluster.request("GET", address(kind), accept=_METADATA).get("items") or []
    except ApiError as error:
        if error.status in (404, 405):
            return []  # gone since discovery, or not really listable
        raise


def _differences(each: Reference, one: Expected, live: Object) -> Iterator[tuple[Expected, Difference]]:
    """Where an object is not as it should be, each with the form of it that says so."""
    found = list(differences(each, one, live))
    yield from ((one, difference) for difference in found if not touches(difference.path, one.varies))
    if one.made is not None:
        made = replace(one, item=one.made)
        yield from ((made, other) for other in differences(each, made, live) if touches(other.path, one.varies))
    elif one.varies:
        again = list(differences(each, replace(one, item=one.again or one.item), live))
        for difference in found:
            others = [other for other in again if touches(other.path, [difference.path])]
            if touches(difference.path, one.varies) and not all(map(_plausible, others)):
                yield one, difference


def _plausible(difference: Difference) -> bool:
    """Whether a value is one that the chart could have made: there, and of the same type."""
    empty = difference.actual in ("", {}, []) and difference.expected not in ("", {}, [])
    return type(difference.expected) is type(difference.actual) and not empty


def _beyond_the_server(
    cluster: Cluster, live: Object, found: Sequence[tuple[Expected, Difference]]
) -> tuple[list[Difference], list[Difference]]:
    """Of the differences of one object, those that are not the API server's own doing; and what it does not keep."""
    real, dropped = list[Difference](), list[Difference]()
    stored: dict[int, Object | None] = {}  # by the form of the object
    for one, difference in found:
        if id(one.item) not in stored:
            stored[id(one.item)] = _stored(cluster, one, difference.reference, live)
        kept = stored[id(one.item)]
        still = differences(difference.reference, replace(one, item=kept), live) if kept else ()
        if kept is None or touches(difference.path, [other.path for other in still]):
            real.append(difference)
        elif difference.actual is ABSENT:
            dropped.append(difference)
    return real, dropped


def _stored(cluster: Cluster, one: Expected, each: Reference, live: Object) -> Object | None:
    """What the server would store if it were sent the object as helm sends it; None where it refuses.

    It is asked to replace the object, and where that is refused (fields that may not change) to create it under another
    name, as which what admission does to new objects is done too.
    """
    metadata = {key: value for key, value in one.item["metadata"].items() if key not in ("name", "namespace")}
    metadata |= {"namespace": each.namespace} if each.namespace else {}
    replaced = {**metadata, "name": each.name, "resourceVersion": live["metadata"].get("resourceVersion")}
    created = {**metadata, "generateName": "kwok-harness-"}
    for method, name, sent in (("PUT", each.name, replaced), ("POST", "", created)):
        try:
            return cluster.request(
                method,
                address(one.kind, each.namespace, name),
                query={"dryRun": "All", "fieldValidation": "Ignore"},
                body={**one.item, "metadata": sent},
            )
        except ApiError:
            continue
    return None


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
