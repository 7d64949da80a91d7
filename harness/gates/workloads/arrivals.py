"""What is still to come while releases are installed: what a refused pod asks for may be among it.

A hook's pod holds its own release back, so nothing of that release comes before it, nor anything of a release that
waits for it. Any other pod holds nothing back where the deployer does not wait for workloads, so whatever is rendered
may still come. Once everything is installed nothing is to come: that is `Arrivals()`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.gates import typed
from harness.gates.workloads.manifest import Identity, Rendered, flatten

# What the API server, or a controller, asks for before it lets a pod in; those without a namespace.
_ASKED_FOR = frozenset({"ServiceAccount", "ResourceQuota", "PersistentVolumeClaim"})
_CLUSTER_WIDE = frozenset({"Namespace", "PriorityClass", "RuntimeClass", "StorageClass"})
_HOOKS = ("helm.sh/hook", "argocd.argoproj.io/hook")


@dataclass(frozen=True)
class Arrivals:
    """`objects` are those that a refusal may name, each with the releases that bring it, and `hooks` the Jobs and Pods
    that a release waits for, each with that release and those that come only after it. `under_way` says that not
    everything is installed yet.
    """

    objects: tuple[tuple[Identity, frozenset[str]], ...] = ()
    hooks: tuple[tuple[Identity, frozenset[str]], ...] = ()
    under_way: bool = False

    def holds_back(self, workload: Identity) -> bool:
        """Whether something waits for the workload, which is a hook."""
        return workload in dict(self.hooks)

    def may_bring(self, wanted: Identity, workload: Identity) -> bool:
        """Whether `wanted` may be brought, or changed, while the pods of `workload` are waited for."""
        held = dict(self.hooks).get(workload, frozenset())
        return bool(dict(self.objects).get(wanted, frozenset()) - held)


def arrivals(releases: Iterable[Rendered], depends_on: Mapping[str, Iterable[str]]) -> Arrivals:
    """What releases bring that wait for each other as `depends_on` says."""
    brought: dict[Identity, set[str]] = {}
    hooks: dict[Identity, frozenset[str]] = {}
    for release in releases:
        for item in flatten(release.objects):
            kind, metadata = str(item.get("kind")), typed.metadata(item)
            namespace = "" if kind in _CLUSTER_WIDE else metadata.get("namespace") or release.namespace
            identity = (kind, namespace, metadata.get("name") or "")
            if kind in _ASKED_FOR | _CLUSTER_WIDE:
                brought.setdefault(identity, set()).add(release.release)
            if kind in ("Job", "Pod") and any(hook in typed.annotations(item) for hook in _HOOKS):
                hooks[identity] = frozenset(_held(release.release, depends_on))
    objects = tuple(sorted((identity, frozenset(names)) for identity, names in brought.items()))
    return Arrivals(objects, tuple(sorted(hooks.items())), under_way=True)


def _held(release: str, depends_on: Mapping[str, Iterable[str]]) -> set[str]:
    """The release, and all that wait for it."""
    held = {release}
    while more := {name for name, needed in depends_on.items() if held.intersection(needed)} - held:
        held |= more
    return held
