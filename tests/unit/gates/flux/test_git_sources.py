"""The verdict on a Flux bundle in Git: GitRepository, Kustomization and charts by path, each bound to the commit."""

import pytest

from harness.gates.flux.releases import Reconciled, unblocked
from harness.gates.flux.sources import REQUESTED
from harness.objects import Object
from harness.verdict import Passed, Verdict, Waiting
from tests.fakes.gitops import (
    COMMIT,
    FLUX,
    FOREIGN,
    OLD_COMMIT,
    WEB_KEY,
    changed,
    git_kustomization,
    git_release,
    git_repository,
    helm_chart,
    objects_of,
    unready,
)

GATE = Reconciled(f"sha1:{COMMIT}", (FLUX, "aicr-bundle"), (FLUX, "aicr-demo"), (WEB_KEY,), ())
SOURCE, TREE, CHART, WEB = git_repository(), git_kustomization(), helm_chart("web"), git_release("web")


def judge(*items: Object) -> Verdict:
    return GATE(objects_of(items))


def waits(verdict: Verdict, *, doomed: bool) -> str:
    assert isinstance(verdict, Waiting), verdict
    assert bool(verdict.doomed) is doomed, verdict
    return f"{verdict.subject}: {verdict.reason}"


def test_every_step_at_the_commit_passes() -> None:
    """The pass says which."""
    passed = Passed(f"1 HelmReleases and 0 ArtifactGenerators are ready, at sha1:{COMMIT}")
    assert judge(SOURCE, TREE, CHART, WEB) == passed


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ((git_kustomization(OLD_COMMIT), CHART, WEB), f"has applied main@sha1:{OLD_COMMIT}, not yet sha1:{COMMIT}"),
        (
            (TREE, helm_chart("web", OLD_COMMIT), WEB),
            f"has a chart of main@sha1:{OLD_COMMIT}, not yet of main@sha1:{COMMIT}",
        ),
        (
            (TREE, CHART, git_release("web", commit=OLD_COMMIT)),
            "has attempted 1.0.0+bbbbbbbbbbbb, not yet 1.0.0+aaaaaaa",
        ),
        ((TREE, WEB), "has no HelmChart yet"),
        ((TREE, changed(CHART, "status.observedSourceArtifactRevision", None), WEB), "has a chart of no revision"),
        ((TREE, changed(CHART, "metadata.generation", 2), WEB), "has a chart of"),
    ],
    ids=["tree", "chart", "release", "no-chart", "chart-unseen", "chart-of-an-older-spec"],
)
def test_what_is_of_an_earlier_commit_is_no_pass(items: tuple[Object, ...], says: str) -> None:
    """It looks ready, and is: of something else."""
    assert says in waits(judge(SOURCE, *items), doomed=False)


def test_a_chart_whose_version_stays_is_bound_by_the_revision_that_was_observed() -> None:
    """As the aicr command line has it: the version is the same in every commit."""
    release = git_release("web", version="1.0.0")
    assert isinstance(judge(SOURCE, TREE, helm_chart("web", version="1.0.0"), release), Passed)
    waits(judge(SOURCE, TREE, helm_chart("web", OLD_COMMIT, "1.0.0"), release), doomed=False)


def test_a_commit_of_somebody_else_is_named() -> None:
    """Once Flux has looked as it was asked to; before, it may be about to."""
    theirs = git_repository(FOREIGN)
    text = waits(judge(theirs, TREE, CHART, WEB), doomed=True)
    assert f"holds main@sha1:{FOREIGN}, not sha1:{COMMIT}" in text
    asked = changed(theirs, "metadata.annotations", {REQUESTED: "now"})
    waits(judge(asked, TREE, CHART, WEB), doomed=False)


def test_other_sources_of_the_same_repository_hold_the_commit_too() -> None:
    """Those that a bundle brings itself; one of another repository is its own business."""
    behind = git_repository(OLD_COMMIT, "own")
    waits(judge(SOURCE, behind, TREE, CHART, WEB), doomed=True)
    elsewhere = git_repository(OLD_COMMIT, "other", "https://git.example/other.git")
    assert isinstance(judge(SOURCE, elsewhere, TREE, CHART, WEB), Passed)


def test_a_chart_that_is_not_there_is_told_by_who_looked_for_it() -> None:
    """Not by the release that waits for it."""
    broken = unready(CHART, "InvalidChartReference", "no chart found at 'web/chart'")
    release = unready(WEB, "SourceNotReady", "HelmChart 'flux-system/flux-system-web' is not ready")
    text = waits(judge(SOURCE, TREE, broken, release), doomed=True)
    assert "HelmChart flux-system/flux-system-web" in text
    assert "no chart found" in text


def test_a_release_that_waits_for_another_is_told_when_that_is_ready() -> None:
    """At the commit, and not at the one before."""
    waiting = unready(git_release("web", "base"), "DependencyNotReady", "dependency is not ready")
    base = git_release("base")
    there = objects_of([SOURCE, TREE, CHART, waiting, base, helm_chart("base")])
    assert len(unblocked(there)) == 1
    stale = objects_of([SOURCE, TREE, CHART, waiting, base, helm_chart("base", OLD_COMMIT)])
    assert unblocked(stale) == {}
