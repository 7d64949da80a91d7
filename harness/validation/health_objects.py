"""The objects that health checks look at, listed once for all of them, at one revision of the cluster."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.cluster.api import ApiError, Cluster, Listing
from harness.errors import ClusterError
from harness.gates.health import Look
from harness.objects import Kind, Objects, key_of
from harness.waiting.reflector import ALL, LIST_SECONDS, Narrow, listed


@dataclass(frozen=True)
class AtOnce:
    """Each kind in the part `narrow` says; kinds that were not listed are not here, and are looked at one by one."""

    listings: Mapping[Kind, Listing] = field(default_factory=dict)
    narrow: Mapping[Kind, Narrow] = field(default_factory=dict)

    def of(self, looks: Iterable[Look]) -> Objects | None:
        """What these looks are about; None where a kind of theirs is not here."""
        parts = narrowed(looks)
        if not parts.keys() <= self.listings.keys():
            return None
        return Objects(
            {
                kind: {key_of(item): item for item in self.listings[kind].items if part.selects(item)}
                for kind, part in parts.items()
            }
        )


def looked_at_once(cluster: Cluster, looks: Sequence[Look]) -> AtOnce:
    """A kind that is looked at in several namespaces is listed as a whole, where that is one page; Secrets are not.

    What may not be listed so is left out, and so is everything after a request without an answer.
    """
    listings: dict[Kind, Listing] = {}
    wanted, revision = narrowed(looks), ""
    for kind, narrow in wanted.items():
        whole = narrow == ALL and kind.namespaced
        if whole and kind.kind == "Secret":
            continue
        try:
            if not revision:
                revision = cluster.revision(
                    kind, namespace=narrow.namespace, field_selector=narrow.fields, timeout=LIST_SECONDS, attempts=1
                )
            if whole:
                page = cluster.only_page(kind, at=revision, timeout=LIST_SECONDS)
                if page is not None:
                    listings[kind] = page
            else:
                listings[kind] = listed(cluster, kind, narrow, at=revision)
        except ApiError:
            continue
        except ClusterError:
            break
    return AtOnce(listings, {kind: wanted[kind] for kind in listings})


def narrowed(looks: Iterable[Look]) -> dict[Kind, Narrow]:
    """The part of each kind that is looked at: one namespace, or one object, where all of its looks say the same."""
    targets: dict[Kind, set[tuple[str, str]]] = {}
    for look in looks:
        targets.setdefault(look.kind, set()).add((look.target.namespace, look.target.name))
    narrow = {}
    for kind, places in targets.items():
        namespaces = {namespace for namespace, _ in places}
        name = next(iter(places))[1] if len(places) == 1 else ""
        narrow[kind] = Narrow(namespaces.pop() if len(namespaces) == 1 else "", name)
    return narrow
