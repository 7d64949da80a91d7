"""The verdict on Applications whose sources are in Git: bound to the commit, whatever the branch is at."""

from typing import Any

from harness.gates import catalog
from harness.gates.argocd.synced import Synced
from harness.objects import Object
from harness.verdict import CauseKind, Passed, Verdict, Waiting
from tests.fakes.gitops import COMMIT, FOREIGN, GIT_URL, OLD_COMMIT, application, objects_of, root

ASKED = {"repoURL": GIT_URL, "targetRevision": "main", "path": "001-web/chart"}
CHART = {"repoURL": "https://charts.example", "chart": "web", "targetRevision": "1.20.2"}
VALUES = {"repoURL": GIT_URL, "targetRevision": "main", "ref": "values"}


def top(revision: str = COMMIT) -> Object:
    found = root("web", revision=revision)
    for part in (found["spec"], found["status"]["sync"]["comparedTo"], found["status"]["operationState"]["syncResult"]):
        part["source"] = {"repoURL": GIT_URL, "targetRevision": "main", "path": "."}
    return found


def web(revision: str = COMMIT) -> Object:
    return application("web", source=ASKED, revision=revision)


def two_sources(*revisions: str) -> Object:
    """A chart at a repository, with its values in Git."""
    found = application("web", source=ASKED)
    operation: dict[str, Any] = found["status"]["operationState"]["syncResult"]
    for part in (found["spec"], found["status"]["sync"]["comparedTo"], operation):
        del part["source"]
        part["sources"] = [CHART, VALUES]
    for part in (found["status"]["sync"], operation):
        del part["revision"]
        part["revisions"] = list(revisions)
    return found


def judge(*items: Object, before: str = "") -> Verdict:
    return Synced("root", ("web",), COMMIT, before)(objects_of(items))


def test_the_pushed_commit_passes() -> None:
    """Root and child were compared with it, and their operations were of it."""
    assert judge(top(), web()) == Passed(f"root and its 1 Applications are synced, at {COMMIT}")


def test_the_commit_before_is_waited_out() -> None:
    """It says nothing of this one, and Argo CD is about to look: synced to it is no pass."""
    for items in ((top(OLD_COMMIT), web()), (top(), web(OLD_COMMIT))):
        verdict = judge(*items, before=OLD_COMMIT)
        assert isinstance(verdict, Waiting)
        assert not verdict.doomed
        assert OLD_COMMIT in verdict.reason


def test_a_commit_of_somebody_else_is_named_and_does_not_wait_for_the_deadline() -> None:
    """It will not go away by itself; which commit it is says whom to ask."""
    verdict = judge(top(), web(FOREIGN), before=OLD_COMMIT)
    assert isinstance(verdict, Waiting)
    assert verdict.doomed
    assert f"another client has pushed {FOREIGN}" in verdict.reason
    assert verdict.kind is CauseKind.PULL


def test_values_from_the_repository_are_of_the_commit_too() -> None:
    """Of two sources, the chart is at its version and the values at the commit."""
    assert isinstance(judge(top(), two_sources("1.20.2", COMMIT)), Passed)
    stale = judge(top(), two_sources("1.20.2", OLD_COMMIT), before=OLD_COMMIT)
    assert isinstance(stale, Waiting)
    assert not stale.doomed
    assert isinstance(judge(top(), two_sources("1.20.1", COMMIT)), Waiting)
    foreign = judge(top(), two_sources("1.20.2", FOREIGN))
    assert isinstance(foreign, Waiting)
    assert foreign.doomed


def test_a_recording_without_the_commit_before_is_read() -> None:
    """Those that were made before there were branches."""
    written = {"gate": "applications.synced", "parameters": {"root": "root", "children": ["web"], "digest": COMMIT}}
    assert catalog.built(written) == Synced("root", ("web",), COMMIT)
    gate = Synced("root", ("web",), COMMIT, OLD_COMMIT)
    assert catalog.built(catalog.data(gate) or {}) == gate
