"""An upgrade: a changed bundle is delivered where another one runs already.

The lane tells its story twice, and its gates are bound to what was pushed last. What they cannot see is looked after
here: that everything the new bundle does not have any more goes, and that nothing comes back once the controllers have
looked again. Of what stays, lane parity says whether it is as the new bundle wants it.

CRDs, namespaces and what a chart declares to be kept may stay, since to take them away is to lose what others made;
they are told as a note. Hooks come and go by their own policies.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.bundles.delivery import ARGOCD_NAMESPACE, Delivery
from harness.bundles.model import Bundle
from harness.cells.lane import Lane
from harness.cells.prepare import Prepared
from harness.cells.remaking import Restless
from harness.cells.run import Run
from harness.errors import DataError, SyncDeadline, VerdictFailed
from harness.expected import objects as expected_objects
from harness.gates import typed
from harness.gates.absence import Gone, Member
from harness.gates.argocd.application import APPLICATIONS
from harness.gates.findings import listed
from harness.gates.flux import releases, sources
from harness.objects import Kind, Reference
from harness.publishing.publication import content_of
from harness.verdict import Passed
from harness.waiting.loop import Judged

BEFORE = "before"  # the stage that an upgrade starts from

_STAYS = frozenset({"CustomResourceDefinition", "Namespace"})
_POLICY = "helm.sh/resource-policy"
_HOOK = "helm.sh/hook"
_SYNC_OPTIONS = "argocd.argoproj.io/sync-options"


@dataclass(frozen=True)
class Vanished:
    """What only the earlier bundle has: `members` must go, `kept` may stay."""

    members: frozenset[Member]
    kept: tuple[Reference, ...]


def require_change(before: Prepared, after: Prepared) -> None:
    """Raises DataError where both bundles are the same: an upgrade that changes nothing proves nothing."""
    if content_of(before.bundle.directory) == content_of(after.bundle.directory):
        raise DataError(
            f"the bundles of {before.recipe.name} and {after.recipe.name} are the same: nothing would be upgraded",
            where="--upgrade-from",
        )


def deliver_first(run: Run, lane: Lane, before: Prepared) -> dict[str, Any]:
    """What the upgrade `run` starts from: delivered as if it were all, under the name of what comes after it.

    Returns its facts.
    """
    first = replace(
        run,
        recipe=before.recipe,
        bundle=before.bundle,
        expectation=before.expectation,
        publication=before.publication,
        journal=run.journal.staged(BEFORE),
        replaces=None,
        facts={},
        passed=[],
        restless=Restless(),
        installed=lambda: before.installed(run.cluster, run.helm, upgraded=False).expectation,
    )
    lane.story(first)
    if first.publication is not None:
        run.client, run.pushed_before = first.client, first.pushed.published.digest
    return {"recipe": before.recipe.name, **first.facts}


def vanished(before: Prepared, after: Prepared, kinds: Collection[Kind]) -> Vanished:
    """`kinds` are those that the cluster serves once `before` is installed."""
    earlier = expected_objects.expected(before.rendered, before.bundle, kinds)
    later = expected_objects.expected(after.rendered, after.bundle, kinds)
    members, kept = set[Member](), set[Reference]()
    left = {reference: earlier[reference] for reference in earlier.keys() - later.keys()}
    definitions = {reference.name for reference, one in left.items() if one.kind.kind == "CustomResourceDefinition"}
    groups = {name.partition(".")[2] for name in definitions}  # each is called plural.group
    for reference, one in left.items():
        annotations = typed.annotations(one.item)
        if _HOOK in annotations or one.kind.group in groups:
            continue  # gone or not, it is its own policy's business, or that of its CRD
        if one.kind.kind in _STAYS or annotations.get(_POLICY) == "keep" or _never_pruned(annotations, after.bundle):
            kept.add(reference)
        else:
            members.add((one.kind.api_version, one.kind.plural, one.kind.kind, reference.namespace, reference.name))
    if before.publication and after.publication:
        members |= set(_delivered(before.publication.delivery)) - set(_delivered(after.publication.delivery))
    return Vanished(frozenset(members), tuple(sorted(kept)))


def _never_pruned(annotations: Mapping[str, str], bundle: Bundle) -> bool:
    """Whether Argo CD, which reads this annotation alone, leaves an object that its bundle does not have any more."""
    options = (word.strip() for word in annotations.get(_SYNC_OPTIONS, "").split(","))
    return bundle.by_argocd and "Prune=false" in options


def _delivered(delivery: Delivery) -> Iterator[Member]:
    """The objects of the deployer itself."""
    pairs = (
        (APPLICATIONS, [(ARGOCD_NAMESPACE, name) for name in delivery.applications]),
        (releases.HELMRELEASES, delivery.releases),
        (sources.ARTIFACTGENERATORS, delivery.generators),
    )
    for kind, keys in pairs:
        for namespace, name in keys:
            yield kind.api_version, kind.plural, kind.kind, namespace, name


def converged(run: Run, lane: Lane, before: Prepared, after: Prepared) -> tuple[Reference, ...]:
    """Expect what vanished to be gone, and to stay away; and everything that had passed to pass again. Returns what may
    stay though the new bundle does not have it.

    Raises SyncDeadline where something is not pruned in time, VerdictFailed where it comes back.
    """
    deadlines = run.settings.deadlines
    left = vanished(before, after, run.cluster.resources().kinds)
    if left.kept:
        run.journal.note(f"upgrade: not expected to go: {listed(map(str, left.kept))}")
    with run.journal.phase("prune") as phase:
        if not left.members:
            phase.detail = "nothing vanished"
        else:
            phase.detail = run.expect(Gone(left.members), within=deadlines.prune, late=SyncDeadline).reason
    with run.journal.phase("steady") as phase:
        lane.look_again(run)
        if left.members:
            run.expect(
                Gone(left.members),
                within=2 * deadlines.steady + deadlines.pods,
                settle=deadlines.steady,
                observe=_never_back,
            )
        run.still()
        phase.detail = "what passed passes still, and nothing came back"
    return left.kept


def _never_back(judged: Judged) -> None:
    if not isinstance(judged.verdict, Passed):
        raise VerdictFailed(f"reappeared after it was pruned: {judged.verdict}")
