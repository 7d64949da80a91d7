"""Errors that a user can act on: what went wrong, where, and what to do; each class names its exit code.

Anything that is not a HarnessError is a defect of the harness itself and keeps its traceback.
"""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from harness.exits import Exit


class HarnessError(Exception):
    """One clear message: `what` is a clause, `where` a file:line or an object, `do` the remedy."""

    exit: Exit = Exit.FAILURE

    def __init__(self, what: str, *, where: str = "", do: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.do = do

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        remedy = f"\n  {self.do}" if self.do else ""
        return f"{where}{self.what}{remedy}"


class UsageError(HarnessError):
    """A wrong word on the command line: an unknown recipe, lane or option."""

    exit = Exit.USAGE


class SettingsError(HarnessError):
    """settings.yaml, an environment variable or an option `-o` is wrong."""

    exit = Exit.SETTINGS


class ToolError(HarnessError):
    """A tool cannot be had; the message names each place that was tried and why it failed."""

    exit = Exit.SETTINGS


class DataError(HarnessError):
    """Recipe data or a node profile is wrong: seen before anything is created."""

    exit = Exit.SETTINGS


class ClusterError(HarnessError):
    """The simulated cluster could not be brought up, reached or taken down."""


class KubeconfigInvalid(ClusterError):
    """A kubeconfig file that cannot be read, or does not have the context; nothing was connected to."""

    exit = Exit.SETTINGS


class ImageMissing(ClusterError):
    """Images that could not be had; the message names each, and why."""

    exit = Exit.SETTINGS


@contextmanager
def coming_up() -> Iterator[None]:
    """Bring the cluster up in the block: an error that has no code of its own ends with 11. It keeps its class, which
    says more of the cause than the code does.
    """
    try:
        yield
    except HarnessError as error:
        if error.exit is Exit.FAILURE:
            error.exit = Exit.CLUSTER_NOT_READY
        raise


class NotOurs(ClusterError):
    """The cluster, process or file does not belong to the harness; it was left alone."""


class InfrastructureError(HarnessError):
    """What a lane delivers through could not be installed: nothing is known about the recipe."""


class RegistryNotReady(InfrastructureError):
    """The registry does not run, or does not answer at its own address."""

    exit = Exit.REGISTRY_NOT_READY


class RegistryUnreachable(InfrastructureError):
    """The registry runs, but those who push and pull would not find it, or would find another one."""

    exit = Exit.REGISTRY_UNREACHABLE


class GitNotReady(InfrastructureError):
    """The Git server does not run, or does not answer at its own address."""

    exit = Exit.GIT_NOT_READY


class GitUnreachable(InfrastructureError):
    """The Git server runs, but those who push would not find it, or would find another one."""

    exit = Exit.GIT_UNREACHABLE


class GitRefused(InfrastructureError):
    """The Git server has no user or no repository for what is pushed, or did not take the credentials."""

    exit = Exit.GIT_REFUSED


class ArgocdInstallFailed(InfrastructureError):
    """Argo CD's configuration was not accepted, or its processes are not healthy."""

    exit = Exit.ARGOCD_INSTALL


class ArgocdCrdMissing(InfrastructureError):
    """The API server does not serve Argo CD's kinds."""

    exit = Exit.ARGOCD_CRD


class RepositorySecretRefused(InfrastructureError):
    """Argo CD could not be told how to reach the registry."""

    exit = Exit.ARGOCD_SECRET


class FluxInstallFailed(InfrastructureError):
    """Flux's manifests were not accepted, at any attempt."""

    exit = Exit.FLUX_INSTALL


class FluxRolloutFailed(InfrastructureError):
    """A controller of Flux does not run, or is not healthy."""

    exit = Exit.FLUX_ROLLOUT


class FluxCrdMissing(InfrastructureError):
    """The API server does not serve Flux's kinds."""

    exit = Exit.FLUX_CRD


class VerdictFailed(HarnessError):
    """What the harness exists to find: the recipe does not work under this lane."""


class RootMissing(VerdictFailed):
    """What was applied made no root object within its grace: it silently produced nothing."""


class SyncDeadline(VerdictFailed):
    """The controllers did not bring the bundle to its state in time."""

    exit = Exit.SYNC_DEADLINE


class Terminated(BaseException):
    """SIGTERM reached the harness: like KeyboardInterrupt, it passes every handler that is meant for errors."""


def did_you_mean(name: str, known: Iterable[str], most: int = 3) -> str:
    """The nearest known names as a remedy, or the whole list where nothing is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=most, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"known: {', '.join(names)}" if names else "none are known"
