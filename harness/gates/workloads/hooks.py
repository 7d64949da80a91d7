"""Hooks, of helm and of Argo CD: which of them need not be there once a release is installed."""

from harness.gates import typed
from harness.objects import Object

_HOOK, _POLICY = "helm.sh/hook", "helm.sh/hook-delete-policy"
_ARGOCD_HOOK, _ARGOCD_POLICY = "argocd.argoproj.io/hook", "argocd.argoproj.io/hook-delete-policy"
_SYNC_HOOKS = {"PreSync", "Sync", "PostSync"}
_INSTALL_HOOKS = {"pre-install", "post-install", "pre-upgrade", "post-upgrade", "crd-install"}


def passes(item: Object) -> bool:
    """Whether it is a hook that does not stand: it has its time during install and need not be there afterwards."""
    annotations = typed.annotations(item)
    if _HOOK not in annotations:
        return False
    events = {word.strip() for word in annotations[_HOOK].split(",")}
    policy = {word.strip() for word in annotations.get(_POLICY, "").split(",")}
    return item.get("kind") in ("Job", "Pod") or not events & _INSTALL_HOOKS or "hook-succeeded" in policy


def passes_by_argocd(item: Object) -> bool:
    """Whether it is a hook of Argo CD's own that need not be there afterwards. Whether one is waited for is Argo CD's
    business, as with hooks of helm. Source: argo-cd.readthedocs.io, "Sync Phases and Waves".
    """
    annotations = typed.annotations(item)
    if _ARGOCD_HOOK not in annotations:
        return False
    types = {word.strip() for word in annotations[_ARGOCD_HOOK].split(",")}
    policy = {word.strip() for word in annotations.get(_ARGOCD_POLICY, "").split(",")}
    return item.get("kind") in ("Job", "Pod") or not types & _SYNC_HOOKS or "HookSucceeded" in policy
