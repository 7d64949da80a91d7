"""The first cause of a failed cell: what kind of failure it is, of which object, in whose words.

The error's own class decides where it names one place to look. What the controllers did not do is classified by their
verdict, which knows the kind; a deadline that came first is `deadline` only where the last verdict knows none.
"""

from collections.abc import Sequence
from pathlib import Path

from harness.bundles.contract.check import ContractBroken
from harness.cluster.wire import ApiError
from harness.errors import (
    ClusterError,
    DataError,
    GitNotReady,
    GitRefused,
    GitUnreachable,
    HarnessError,
    InfrastructureError,
    RegistryNotReady,
    RegistryUnreachable,
    RootMissing,
    SettingsError,
    Terminated,
    ToolError,
    UsageError,
    VerdictFailed,
)
from harness.evidence.redaction import Redactor
from harness.excerpts import first_line
from harness.gates.findings import shortened
from harness.gates.messages import said
from harness.helm.client import InstallFailed, RenderFailed
from harness.installers.in_cluster.infrastructure import PartDied
from harness.parity.check import ParityBroken
from harness.processes.commands import CommandFailed
from harness.processes.service import ServiceDied
from harness.publishing.git.errors import GitError
from harness.publishing.oci.errors import RegistryError
from harness.results.outcome import Cause, Phase
from harness.verdict import CauseKind, Waiting
from harness.waiting.loop import Cancelled, Expired, GateFailed

_BEFORE_THE_RECIPE = ("tools", "cluster", "infrastructure")  # phases in which nothing of the recipe can fail
_PUSHED_TO = ("registry", "gitea")
_REFUSED = (400, 403, 404, 409, 413, 415, 422)  # answers of an API server that is well, and wants no such object


def first_cause(error: BaseException | None, phases: Sequence[Phase], redactor: Redactor) -> Cause | None:
    """The cause of `error`, without secrets; None where nothing failed or somebody ended the cell."""
    if error is None or isinstance(error, KeyboardInterrupt | Terminated | Cancelled):
        return None
    cause = _cause(error, _phase(error, phases))
    return Cause(cause.kind, redactor.text(cause.subject), redactor.text(cause.message))


def _phase(error: BaseException, phases: Sequence[Phase]) -> str:
    """The phase that ended with the error; two that ran side by side may both have failed."""
    failed = [phase for phase in phases if phase.verdict == "failed"]
    name = next((phase.name for phase in failed if phase.detail == first_line(error)), failed[0].name if failed else "")
    return name.rpartition(": ")[2]  # without the stage of an upgrade


def _cause(error: BaseException, phase: str) -> Cause:
    if not isinstance(error, HarnessError):
        return Cause(CauseKind.HARNESS, "", f"{type(error).__name__}: {first_line(error)}")
    expired = error if isinstance(error, Expired) else error.__cause__
    if isinstance(expired, Expired):
        return _of_deadline(expired, error, phase)
    match error:
        case GateFailed(verdict=verdict):
            kind = CauseKind.INFRASTRUCTURE if phase in _BEFORE_THE_RECIPE else verdict.kind
            return Cause(kind or CauseKind.RECONCILE, verdict.subject, _sentence(verdict.reason))
        case ServiceDied(name=name) | PartDied(name=name):
            kind = CauseKind.REGISTRY if name in _PUSHED_TO else CauseKind.INFRASTRUCTURE
            return Cause(kind, name, first_line(error).partition(": ")[2].removesuffix(" Its last words:"))
        case CommandFailed(completed=completed):
            *_, last = error.what.splitlines()  # what it said last, or else how it ended
            return Cause(_kind(error, phase), Path(completed.argv[0]).name, shortened(last))
    said_first = [line.strip().rstrip(":") for line in error.what.splitlines()[:2]]
    return Cause(_kind(error, phase), error.where, shortened(": ".join(said_first)))


def _of_deadline(expired: Expired, error: HarnessError, phase: str) -> Cause:
    verdict, subject = expired.verdict, expired.where
    # Without how long it was waited for, which differs from run to run.
    text = verdict.doomed if isinstance(verdict, Waiting) and verdict.doomed else expired.what.partition(": ")[2]
    if phase in _BEFORE_THE_RECIPE or verdict is None:
        missing = "; ".join(f"{kind}: {why}" for kind, why in expired.missing.items())
        return Cause(CauseKind.INFRASTRUCTURE, subject, ": ".join(filter(None, (_sentence(text), missing))))
    nothing_more = CauseKind.RENDER if isinstance(error, RootMissing) else CauseKind.DEADLINE
    return Cause(verdict.kind or nothing_more, subject, _sentence(text))


def _kind(error: HarnessError, phase: str) -> CauseKind:
    """By the class of the error; the classes of a family before the family."""
    match error:
        case SettingsError() | DataError() | UsageError():
            return CauseKind.SETTINGS
        case ToolError():
            return CauseKind.TOOLS
        case RegistryNotReady() | RegistryUnreachable() | RegistryError():
            return CauseKind.REGISTRY
        case GitNotReady() | GitUnreachable() | GitRefused() | GitError():
            return CauseKind.REGISTRY
        case InfrastructureError():
            return CauseKind.INFRASTRUCTURE
        case ApiError(status=status) if status in _REFUSED and phase == "sync":
            return CauseKind.APPLY
        case ClusterError():
            return CauseKind.INFRASTRUCTURE
        case ContractBroken():
            return CauseKind.RENDER
        case RenderFailed():
            return CauseKind.PULL if said(error.what) is CauseKind.PULL else CauseKind.RENDER
        case InstallFailed():
            late = isinstance(error.__cause__, CommandFailed) and error.__cause__.timed_out
            return said(error.what) or (CauseKind.DEADLINE if late else CauseKind.RECONCILE)
        case ParityBroken() | VerdictFailed():
            return CauseKind.RECONCILE
        case CommandFailed() if phase == "bundle":
            return CauseKind.RENDER  # a bundler of the user's
    return {"tools": CauseKind.TOOLS, "push": CauseKind.REGISTRY}.get(phase, CauseKind.INFRASTRUCTURE)


def _sentence(text: str) -> str:
    """The first finding of a verdict on one line, with the lines that explain it; the other findings are left out."""
    first, *rest = text.strip().splitlines() or [""]
    explained = []
    for line in rest:
        if not line.startswith(" "):
            break
        explained.append(line.strip())
    return shortened(": ".join(filter(None, (first, "; ".join(explained)))))
