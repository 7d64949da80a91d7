"""The verdict on the pushed artifact as Flux pulls it, applies it and cuts charts out of it, row by row."""

from typing import Any

import pytest

from harness.gates.flux.sources import KustomizationThere, generators_ready, kustomization_ready, source_ready
from harness.objects import Object
from harness.verdict import Failed, Passed, Verdict, Waiting
from tests.fakes.gitops import (
    DIGEST,
    FLUX,
    OLD,
    changed,
    condition,
    external,
    generator,
    kustomization,
    objects_of,
    repository,
    stalled,
    unready,
)

BUNDLE, ROOT, CHART = (FLUX, "aicr-bundle"), (FLUX, "aicr-demo"), (FLUX, "web-chart")
SOURCE, TREE, MAKER = repository(), kustomization(), generator("web")

HOPEFUL, DOOMED = "hopeful", "doomed"


def source(*items: Object) -> Verdict:
    return source_ready(BUNDLE, DIGEST)(objects_of(items))


def tree(*items: Object) -> Verdict:
    return kustomization_ready(ROOT, DIGEST)(objects_of(items))


def makers(*items: Object) -> Verdict:
    return generators_ready([CHART])(objects_of([SOURCE, *items]))


def is_like(verdict: Verdict, expected: Any) -> bool:
    """`expected` is a class, or what a Waiting is: HOPEFUL or DOOMED."""
    if expected in (HOPEFUL, DOOMED):
        return isinstance(verdict, Waiting) and bool(verdict.doomed) is (expected == DOOMED)
    return isinstance(verdict, expected)


READY = condition("Ready", "True", "Succeeded", "fine")
RECONCILING = condition("Reconciling", "True", "Progressing", "building")
COMMON = [
    ("ready", lambda item: item, Passed, ""),
    ("deleted", lambda item: changed(item, "metadata.deletionTimestamp", "now"), HOPEFUL, "being deleted"),
    ("suspended", lambda item: changed(item, "spec.suspend", True), DOOMED, "suspended"),
    ("bare", lambda item: changed(item, "status", None), HOPEFUL, "not been looked at"),
    ("no-conditions", lambda item: changed(item, "status.conditions", []), HOPEFUL, "not been looked at"),
    ("new-generation", lambda item: changed(item, "metadata.generation", 2), HOPEFUL, "generation 2"),
    (
        "other-condition",
        lambda item: changed(item, "status.conditions", [condition("Healthy", "True", "Succeeded", "fine")]),
        HOPEFUL,
        "generation 1",
    ),
    ("failing", lambda item: unready(item, "OCIArtifactPullFailed", "no such tag"), DOOMED, "Failed: no such tag"),
    ("waits-for-another", lambda item: unready(item, "DependencyNotReady", "x"), HOPEFUL, "DependencyNotReady: x"),
    ("under-way", lambda item: unready(item, "Progressing", "fetching", "Unknown"), HOPEFUL, "fetching"),
    ("again", lambda item: changed(item, "status.conditions", [RECONCILING, READY]), HOPEFUL, "building"),
    ("gave-up", lambda item: stalled(item, "URLInvalid", "bad url"), Failed, "URLInvalid: bad url"),
    (
        "failed-before",
        lambda item: changed(unready(item, "OCIArtifactPullFailed", "no"), "metadata.generation", 2),
        HOPEFUL,
        "generation 2",
    ),
    (
        "gave-up-before",
        lambda item: changed(stalled(item, "URLInvalid", "bad url"), "metadata.generation", 2),
        HOPEFUL,
        "generation 2",
    ),
]
OBSERVED = [
    ("not-observed", lambda item: changed(item, "status.observedGeneration", None), HOPEFUL, "not been observed"),
    ("observed-before", lambda item: changed(item, "status.observedGeneration", 0), HOPEFUL, "not been observed"),
]
EACH = [
    pytest.param(judge, item, subject, change, expected, text, id=f"{subject.split()[0]}-{name}")
    for judge, item, subject, rows in (
        (source, SOURCE, "OCIRepository flux-system/aicr-bundle", [*COMMON, *OBSERVED]),
        (tree, TREE, "Kustomization flux-system/aicr-demo", [*COMMON, *OBSERVED]),
        (
            lambda item: makers(item, external("web")),
            MAKER,
            "ArtifactGenerator flux-system/web-chart",
            COMMON,
        ),
    )
    for name, change, expected, text in rows
]


@pytest.mark.parametrize(("judge", "item", "subject", "change", "expected", "text"), EACH)
def test_ready_is_what_holds_for_the_present_generation(
    judge: Any, item: Object, subject: str, change: Any, expected: Any, text: str
) -> None:
    """The same rows for every kind of Flux; the verdict names object, reason and message."""
    verdict = judge(change(item))
    assert is_like(verdict, expected)
    assert text in verdict.reason
    if expected is not Passed:
        assert verdict.subject == subject


def test_conditions_are_found_by_type() -> None:
    """Their order means nothing."""
    both = [condition("Stalled", "False", "Fine", "no"), condition("Healthy", "False", "No", "no"), READY]
    for conditions in (both, both[::-1]):
        assert isinstance(source(changed(SOURCE, "status.conditions", conditions)), Passed)


def test_what_is_not_there_is_waited_for() -> None:
    """Its name is told."""
    assert source() == Waiting("is not there", "OCIRepository flux-system/aicr-bundle")
    assert tree() == Waiting("is not there", "Kustomization flux-system/aicr-demo")
    assert is_like(makers(), DOOMED)
    assert makers().subject == "ArtifactGenerator flux-system/web-chart"


def test_the_grace_asks_for_existence_only() -> None:
    """A Kustomization without any status is there."""
    gate = KustomizationThere(ROOT)
    assert isinstance(gate(objects_of([])), Waiting)
    assert isinstance(gate(objects_of([changed(TREE, "status", None)])), Passed)


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        (f"v1@{DIGEST}", Passed),
        (DIGEST, Passed),
        (f"v1@{OLD}", DOOMED),
        (f"{DIGEST}@{OLD}", DOOMED),
        (f"v1@{DIGEST}0", DOOMED),
        (None, DOOMED),
    ],
    ids=["tag", "digest", "old", "misleading-tag", "longer", "none"],
)
def test_the_source_holds_the_pushed_digest_itself(revision: str | None, expected: Any) -> None:
    """Not one like it, and not a tag of that name."""
    assert is_like(source(changed(SOURCE, "status.artifact.revision", revision)), expected)


@pytest.mark.parametrize(("handled", "expected"), [("1", HOPEFUL), (None, HOPEFUL), ("2", DOOMED)])
def test_another_artifact_dooms_once_the_source_has_looked(handled: str | None, expected: Any) -> None:
    """While it has not handled the request to look, the old artifact is what is to be expected."""
    item = changed(repository(OLD), "metadata.annotations", {"reconcile.fluxcd.io/requestedAt": "2"})
    assert is_like(source(changed(item, "status.lastHandledReconcileAt", handled)), expected)


@pytest.mark.parametrize(
    ("revision", "expected"),
    [(f"v1@{DIGEST}", Passed), (DIGEST, Passed), (f"v1@{OLD}", HOPEFUL), (None, HOPEFUL), (f"{DIGEST}@{OLD}", HOPEFUL)],
    ids=["tag", "digest", "old", "none", "misleading-tag"],
)
def test_the_kustomization_has_applied_the_pushed_digest(revision: str | None, expected: Any) -> None:
    """What it attempted does not count."""
    assert is_like(tree(changed(TREE, "status.lastAppliedRevision", revision)), expected)


@pytest.mark.parametrize(
    ("reason", "attempted", "expected"),
    [
        ("BuildFailed", DIGEST, Failed),
        ("BuildFailed", OLD, HOPEFUL),
        ("ReconciliationFailed", DIGEST, DOOMED),
        ("HealthCheckFailed", DIGEST, DOOMED),
        ("PruneFailed", DIGEST, DOOMED),
        ("ArtifactFailed", DIGEST, DOOMED),
        ("HealthCheckCanceled", DIGEST, HOPEFUL),
        ("Progressing", DIGEST, HOPEFUL),
    ],
)
def test_why_the_kustomization_is_not_ready_decides(reason: str, attempted: str, expected: Any) -> None:
    """The same artifact cannot be built the next time either; everything else may go well when it is tried again."""
    item = changed(unready(TREE, reason, "why"), "status.lastAttemptedRevision", f"v1@{attempted}")
    verdict = tree(item)
    assert is_like(verdict, expected)
    assert f"{reason}: why" in verdict.reason


OTHER = {"alias": "more", "kind": "OCIRepository", "name": "other"}


@pytest.mark.parametrize(
    ("items", "expected", "text"),
    [
        ([generator("web", OLD), external("web", OLD)], HOPEFUL, "has not seen"),
        ([changed(MAKER, "status.observedSourcesDigest", None), external("web")], HOPEFUL, "has not seen"),
        ([changed(MAKER, "spec.sources.0.alias", "b"), external("web")], HOPEFUL, "has not seen"),
        ([changed(MAKER, "spec.sources.0.kind", "Bucket"), external("web")], Passed, ""),
        ([changed(MAKER, "spec.sources", [*MAKER["spec"]["sources"], OTHER]), external("web")], HOPEFUL, "not seen"),
        ([changed(MAKER, "status.inventory", []), external("web")], HOPEFUL, "has not made web-chart"),
        ([MAKER], HOPEFUL, "not there as it was made"),
        ([MAKER, external("web", OLD)], HOPEFUL, "not there as it was made"),
        ([MAKER, changed(external("web"), "status", None)], HOPEFUL, "not there as it was made"),
        ([MAKER, external("web"), unready(generator("db"), "BuildFailed", "no files")], DOOMED, "no files"),
        ([MAKER, external("web"), generator("db"), external("db")], Passed, "2 ArtifactGenerators"),
    ],
    ids=[
        "old-source",
        "nothing-observed",
        "other-alias",
        "other-kind",
        "another-source",
        "nothing-made",
        "nothing-there",
        "older-there",
        "no-artifact",
        "unexpected-fails",
        "unexpected-passes",
    ],
)
def test_a_generator_has_made_its_artifacts_of_what_its_sources_hold(items: Any, expected: Any, text: str) -> None:
    """Also one that the bundle does not name; Ready alone may be of an older artifact."""
    verdict = makers(*items)
    assert is_like(verdict, expected)
    assert text in verdict.reason


def test_two_sources_are_told_to_source_watcher_in_the_order_of_their_aliases() -> None:
    """The checksum is over both, sorted, as source-watcher 2.2 computes it."""
    second = changed(repository(OLD), "metadata.name", "other")
    sources = [{"alias": "z", "kind": "OCIRepository", "name": "aicr-bundle"}, {**OTHER, "alias": "a"}]
    item = changed(changed(MAKER, "spec.sources", sources), "status.observedSourcesDigest", TWO)
    assert isinstance(generators_ready([CHART])(objects_of([SOURCE, second, item, external("web")])), Passed)


# sha256 of "a=[digest=sha256:bbbbbbbb,revision=v1@OLD,url=http://localhost/bbbbbbbb.tar.gz]|z=[...]", by sha256sum(1)
TWO = "sha256:77c8b6a902e811b9a0ea2c7f5577190511b746e7284a8e26cf260024c7a3c66c"


def test_no_generator_needed_is_a_pass() -> None:
    """Most bundles have no chart of their own."""
    assert isinstance(generators_ready([])(objects_of([])), Passed)
