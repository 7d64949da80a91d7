"""Lane parity: whatever delivers a recipe, the same objects must be in the cluster afterwards.

The reference is what the releases of the helm shape render, as Helm would send it; no other lane has to run before.
What counts as equal is in `harness.parity.compare`.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from harness.bundles.model import Bundle
from harness.cluster.api import ApiError, Cluster, address
from harness.errors import VerdictFailed
from harness.expected.objects import Expected, expected
from harness.objects import Kind, Object, Reference
from harness.parity.compare import ABSENT, Difference, Judge, Path, differences, dotted

SHOWN = 20  # differences in an error message
_PARALLEL = 8
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


class ParityBroken(VerdictFailed):
    """The lane put other objects into the cluster than Helm would have."""


@dataclass(frozen=True)
class ParityReport:
    """What tells the cluster from the reference. Nothing compared is never equal.

    `dropped`, `by_shape` and `absent_hooks` are no differences, but what equality does not cover.
    """

    compared: int
    differences: tuple[Difference, ...] = ()
    missing: tuple[Reference, ...] = ()
    unexpected: tuple[Reference, ...] = ()
    dropped: tuple[Difference, ...] = ()
    by_shape: tuple[Reference, ...] = ()
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
            *(f"parity: {each} has values made at random: compared by shape" for each in self.by_shape),
            *(f"parity: hook {each} is not there: not compared" for each in self.absent_hooks),
        )

    def require(self) -> None:
        """Raise ParityBroken unless equal."""
        if self.equal:
            return
        found = self.lines()
        more = (f"... and {len(found) - SHOWN} more",) if len(found) > SHOWN else ()
        what = f"{len(found)} differences to what helm installs" if found else "nothing was compared"
        raise ParityBroken("\n  ".join((what, *found[:SHOWN], *more)), where="parity (- helm, + this lane)")


# What is expected

# How two objects are compared

# What is there


def check(cluster: Cluster, bundle: Bundle, rendered: Mapping[str, Sequence[Object]]) -> ParityReport:
    """Compare what the cluster holds with what the releases render. Raises ClusterError where it cannot be asked."""
    kinds = cluster.resources().kinds
    reference = expected(rendered, bundle, kinds)
    ours = sorted({one.kind for one in reference.values()}, key=str)
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="parity") as pool:
        listing = pool.map(lambda kind: _list(cluster, kind), ours)
        marked = pool.map(lambda kind: _metadata(cluster, kind), kinds)
        live = {(kind, *_key(item)): item for kind, items in zip(ours, listing, strict=True) for item in items}
        metadata = [(kind, item) for kind, items in zip(kinds, marked, strict=True) for item in items]
    there = {each: (one, live.get((one.kind, each.namespace, each.name))) for each, one in sorted(reference.items())}
    found = [
        (one, difference)
        for each, (one, item) in there.items()
        if item is not None
        for difference in differences(each, one, item)
    ]
    judge = Judge()
    left = judge.judge(found)
    dropped = set()
    for each in {difference.reference for _, difference in left if difference.actual is ABSENT}:
        dropped |= _dropped(cluster, reference[each], each, [d.path for _, d in left if d.reference == each])
    unexpected = {
        Reference(str(kind), *_key(item))
        for kind, item in metadata
        if delivered(kind, item) and not _home(kind, item, bundle)
    }
    absent = [(each, one) for each, (one, item) in there.items() if item is None]
    return ParityReport(
        compared=sum(item is not None for _, item in there.values()),
        differences=tuple(d for _, d in left if (d.reference, d.path) not in dropped),
        missing=tuple(sorted(each for each, one in absent if not one.optional)),
        unexpected=tuple(sorted(unexpected - reference.keys())),
        dropped=tuple(d for _, d in left if (d.reference, d.path) in dropped),
        by_shape=tuple(sorted(judge.by_shape)),
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


def _dropped(cluster: Cluster, one: Expected, each: Reference, paths: Sequence[Path]) -> set[tuple[Reference, Path]]:
    """Which fields the server would not keep if it were sent the reference once more; nothing is changed by asking."""
    try:
        kept = cluster.request(
            "PATCH",
            address(one.kind, each.namespace, each.name),
            query={"dryRun": "All", "fieldValidation": "Ignore"},
            body=one.item,
            content_type="application/merge-patch+json",
        )
    except ApiError:
        return set()  # it refuses, so nothing is known: the difference stays
    still = {d.path for d in differences(each, one, kept) if d.actual is ABSENT}
    return {(each, path) for path in paths if path in still}


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
