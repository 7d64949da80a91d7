"""The objects that helm would have made of a bundle."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.bundles.model import Bundle
from harness.errors import DataError
from harness.gates import typed
from harness.gates.workloads.hooks import passes_by_argocd
from harness.gates.workloads.manifest import flatten, misnamed
from harness.objects import Kind, Object, Reference

Path = tuple[str, ...]
_HOOK, _POLICY = "helm.sh/hook", "helm.sh/hook-delete-policy"


@dataclass(frozen=True)
class Expected:
    """One object of the reference. `optional`: a hook or a Job that may be gone; `scaled`: bounds of an autoscaler.

    `varies` are fields that come out otherwise each time that the chart is rendered (the empty path: the object as a
    whole). Then `again` is another rendering of it, and `made` the object as helm made it, where it did.
    """

    release: str
    kind: Kind
    item: Object
    optional: bool = False
    standing_hook: bool = False
    scaled: tuple[int, int] | None = None
    varies: frozenset[Path] = frozenset()
    again: Object | None = None
    made: Object | None = None


def expected(
    rendered: Mapping[str, Sequence[Object]], bundle: Bundle, kinds: Collection[Kind]
) -> dict[Reference, Expected]:
    """The reference: each object of each release, by the kinds that the cluster serves.

    An object in two releases counts as in the last one, a CRD as in the first: Helm does not touch those that it finds.
    """
    served = {(kind.group, kind.kind): kind for kind in kinds}
    found: dict[Reference, Expected] = {}
    for folder in bundle.folders:
        for item in flatten(rendered[folder.release]):
            kind = _kind(item, served)
            metadata = typed.metadata(item)
            if not metadata.get("name"):
                if misnamed(item) or _HOOK in typed.annotations(item):
                    continue  # what the API server refuses, and what it names itself
                raise DataError(f"renders a {kind.kind} without a name", where=f"release {folder.release}")
            namespace = (metadata.get("namespace") or folder.namespace) if kind.namespaced else ""
            reference = Reference(str(kind), namespace, metadata["name"])
            if not (reference in found and kind.kind == "CustomResourceDefinition"):
                one = _expected(folder.release, kind, item)
                found[reference] = replace(one, optional=True) if _passing(item, bundle) else one
    return {**found, **dict(_scaled(found, served))}


def _passing(item: Object, bundle: Bundle) -> bool:
    return bundle.by_argocd and passes_by_argocd(item)


def _kind(item: Object, served: Mapping[tuple[str, str], Kind]) -> Kind:
    """At the version of the object, which need not be the one that the server prefers."""
    version, name = str(item.get("apiVersion")), str(item.get("kind"))
    known = served.get((version.rpartition("/")[0], name))
    return replace(known, api_version=version) if known else Kind(version, name.lower(), name)


def _expected(release: str, kind: Kind, item: Object) -> Expected:
    annotations = typed.annotations(item)
    job = kind.kind in ("Job", "Pod") and kind.group in ("batch", "")
    if _HOOK not in annotations:
        passing = job and typed.workload_spec(item).get("ttlSecondsAfterFinished") is not None
        return Expected(release, kind, item, optional=passing)
    events = {word.strip() for word in annotations[_HOOK].split(",")}
    policy = {word.strip() for word in annotations.get(_POLICY, "").split(",")}
    before, after = events & {"pre-install", "crd-install"}, "post-install" in events
    passing = job or "hook-succeeded" in policy or not (before or after)
    return Expected(release, kind, item, optional=passing or not before, standing_hook=not passing)


def _scaled(
    found: Mapping[Reference, Expected], served: Mapping[tuple[str, str], Kind]
) -> Iterator[tuple[Reference, Expected]]:
    for reference, one in found.items():
        if one.kind.kind != "HorizontalPodAutoscaler":
            continue
        spec = typed.scaler_spec(one.item)
        target = spec.get("scaleTargetRef")
        if target is None or "maxReplicas" not in spec:
            continue
        kind = served.get((target.get("apiVersion", "apps/v1").rpartition("/")[0], target["kind"]))
        scaled = Reference(str(kind), reference.namespace, target["name"])
        if scaled in found:
            yield scaled, replace(found[scaled], scaled=(spec.get("minReplicas") or 1, spec["maxReplicas"]))
