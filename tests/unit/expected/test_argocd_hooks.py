"""Argo CD's own hooks: which of a chart's objects are there after a sync."""

from typing import Any

import pytest

from harness.expected.argocd_hooks import HOOK, POLICY, standing
from lanes import LANES


def job(**annotations: str) -> dict[str, Any]:
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "annotations": annotations}}


@pytest.mark.parametrize(
    ("annotations", "stands"),
    [
        ({}, True),
        ({HOOK: "Sync"}, True),
        ({HOOK: "PreSync", POLICY: "BeforeHookCreation"}, True),
        ({HOOK: "PostSync", POLICY: "HookFailed"}, True),
        ({HOOK: "Sync", POLICY: "HookSucceeded"}, False),
        ({HOOK: "Sync", POLICY: "BeforeHookCreation, HookSucceeded"}, False),
        ({HOOK: "Skip"}, False),
        ({HOOK: "SyncFail"}, False),
        ({HOOK: "PostDelete"}, False),
        ({HOOK: "PostDelete,PostSync"}, True),
        ({"helm.sh/hook": "post-install", "helm.sh/hook-delete-policy": "hook-succeeded"}, True),
    ],
)
def test_what_stands_after_a_sync(annotations: dict[str, str], stands: bool) -> None:
    """By phase and delete policy, as Argo CD's documentation has them; helm's own hooks are judged elsewhere."""
    item = job(**annotations)
    assert standing([item]) == ([item] if stands else [])


def test_only_argo_cd_knows_its_hooks() -> None:
    """To helm and Flux such a Job is one like any other, and has to be there."""
    item = job(**{HOOK: "Sync", POLICY: "HookSucceeded"})
    left = {lane.name: lane.left([item]) for lane in LANES}
    assert {name for name, found in left.items() if not found} == {"argocd-oci", "argocd-helm-oci"}
