"""Argo CD calls an Application synced, and warns of what that leaves out."""

import pytest

from harness.gates.argocd.synced import Synced
from harness.gates.argocd.warnings import WithoutWarnings
from harness.objects import Object
from harness.verdict import CauseKind, Failed, Passed, Verdict, Waiting
from tests.fakes.gitops import DIGEST, application, changed, objects_of, root

EXCLUDED = "Resource /Endpoints license-server is excluded in the settings"


def warned(item: Object, kind: str, message: str = EXCLUDED) -> Object:
    return changed(item, "status.conditions", [{"type": kind, "message": message}])


def judge(*items: Object) -> Verdict:
    return WithoutWarnings(Synced("root", ("web",), DIGEST))(objects_of(items))


def test_an_object_that_argo_cd_leaves_out_is_a_failure() -> None:
    """In its own words: the chart asks for it, and it never comes."""
    verdict = judge(root("web"), warned(application("web"), "ExcludedResourceWarning"))
    assert verdict == Failed(f"ExcludedResourceWarning: {EXCLUDED}", "Application argocd/web")
    assert verdict.kind is CauseKind.APPLY


def test_an_object_of_two_applications_is_one_if_it_stays_so() -> None:
    """After an upgrade that moved it, the next comparison takes the warning back."""
    verdict = judge(root("web"), warned(application("web"), "SharedResourceWarning"))
    assert isinstance(verdict, Waiting)
    assert verdict.doomed


def test_a_crd_that_is_the_same_in_two_applications_is_no_failure() -> None:
    """One that differs is refused before anything is delivered."""
    shared = "CustomResourceDefinition/queues.example.com is part of applications argocd/web and db"
    assert isinstance(judge(root("web"), warned(application("web"), "SharedResourceWarning", shared)), Passed)


@pytest.mark.parametrize("kind", ["OrphanedResourceWarning", "RepeatedResourceWarning"])
def test_other_warnings_are_left_to_readers(kind: str) -> None:
    """They say nothing of what is in the cluster."""
    assert isinstance(judge(root("web"), warned(application("web"), kind)), Passed)


def test_what_is_not_synced_yet_is_told_first() -> None:
    """Conditions of an Application under way are those of before."""
    pending = warned(application("web", "OutOfSync", "Missing"), "ExcludedResourceWarning")
    assert isinstance(judge(root("web"), pending), Waiting)
