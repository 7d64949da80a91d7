"""What is left of a chart's manifests once Argo CD has applied them: its own hooks come and go.

helm does not know these annotations and makes such an object like any other. Argo CD never makes what it is to skip,
makes some hooks on other occasions than a sync, and takes others away as soon as they have succeeded; all other hooks
are there afterwards. https://argo-cd.readthedocs.io/en/stable/user-guide/resource_hooks/
"""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.gates import typed

HOOK, POLICY = "argocd.argoproj.io/hook", "argocd.argoproj.io/hook-delete-policy"
_OF_A_SYNC = frozenset({"PreSync", "Sync", "PostSync"})


def standing(objects: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The objects that are there after a sync that went well."""
    return [item for item in objects if _stands(typed.annotations(item))]


def _stands(annotations: Mapping[str, str]) -> bool:
    if HOOK not in annotations:
        return True
    phases, policies = (_words(annotations.get(name, "")) for name in (HOOK, POLICY))
    return "Skip" not in phases and bool(phases & _OF_A_SYNC) and "HookSucceeded" not in policies


def _words(text: str) -> set[str]:
    return {word.strip() for word in text.split(",")}
