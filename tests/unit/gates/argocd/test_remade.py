"""A Job that is gone because it is done is no reason for an Application to be out of sync."""

from typing import Any

import pytest

from harness.gates.argocd.remade import MadeAgain
from harness.gates.argocd.synced import Synced
from harness.objects import Object
from harness.verdict import Passed, Verdict
from tests.fakes.gitops import DIGEST, application, changed, objects_of, root


def job(name: str = "cleanup", **fields: Any) -> dict[str, Any]:
    """As Argo CD 3 lists it: without a health of its own."""
    return {"group": "batch", "kind": "Job", "namespace": "apps", "name": name, "status": "OutOfSync", **fields}


def with_resources(*resources: Object, phase: str = "Succeeded", health: str = "Missing") -> Object:
    return changed(application("web", "OutOfSync", health, phase), "status.resources", list(resources))


def judge(app: Object) -> Verdict:
    return MadeAgain(Synced("root", ("web",), DIGEST), frozenset({("apps", "cleanup")}))(objects_of([root("web"), app]))


def test_a_job_that_took_itself_away_is_in_sync() -> None:
    """What is beside it is as it should be."""
    assert isinstance(judge(with_resources(job(), job("other", status="Synced"))), Passed)


@pytest.mark.parametrize(
    "resource",
    [
        job("other"),
        job(namespace="other"),
        job(kind="ConfigMap", group=""),
        job(group="batch.volcano.sh"),
    ],
)
def test_anything_else_that_is_out_of_sync_counts(resource: Object) -> None:
    """Another object, or one of the same name in another place."""
    assert not isinstance(judge(with_resources(resource)), Passed)
    assert not isinstance(judge(with_resources(job(), resource)), Passed)


def test_an_application_that_says_nothing_of_its_resources_is_judged_by_its_word() -> None:
    """OutOfSync without a reason is OutOfSync."""
    assert not isinstance(judge(with_resources()), Passed)


def test_a_job_that_is_there_and_is_not_as_it_should_be_counts() -> None:
    """Nothing is missing then."""
    assert not isinstance(judge(with_resources(job(), health="Progressing")), Passed)


def test_an_operation_that_failed_is_one() -> None:
    """Nothing of it is forgiven."""
    assert not isinstance(judge(with_resources(job(), phase="Failed")), Passed)
