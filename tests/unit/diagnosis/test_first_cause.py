"""Each way to fail has one class, one object and one sentence."""

from pathlib import Path

import pytest

from harness.bundles.contract.check import ContractBroken, Violation
from harness.cluster.wire import ApiError, Unreachable
from harness.diagnosis.first_cause import first_cause
from harness.errors import (
    ArgocdCrdMissing,
    ArgocdInstallFailed,
    ClusterError,
    DataError,
    FluxCrdMissing,
    FluxInstallFailed,
    FluxRolloutFailed,
    GitNotReady,
    GitRefused,
    GitUnreachable,
    HarnessError,
    NotOurs,
    RegistryNotReady,
    RegistryUnreachable,
    RepositorySecretRefused,
    RootMissing,
    SettingsError,
    SyncDeadline,
    Terminated,
    ToolError,
    UsageError,
    VerdictFailed,
)
from harness.evidence.redaction import Redactor
from harness.gates.flux.sources import OCIREPOSITORIES
from harness.helm.client import InstallFailed, RenderFailed
from harness.installers.in_cluster.infrastructure import PartDied
from harness.objects import PODS
from harness.parity.check import ParityBroken
from harness.processes.commands import CommandFailed, Completed
from harness.processes.service import ServiceDied, ServiceFailed
from harness.publishing.git.errors import GitError
from harness.publishing.oci.registry import DigestMismatch
from harness.results.outcome import Cause, Phase
from harness.verdict import CauseKind, Failed, Passed, Verdict, Waiting
from harness.waiting.loop import Cancelled, Change, Expired, GateFailed

SOURCE = "OCIRepository flux-system/aicr-bundle"


def cause(error: BaseException | None, phase: str = "sync", secret: str = "") -> Cause | None:
    detail = "" if error is None else str(error).partition("\n")[0]
    phases = (Phase("cluster", 1.0, "failed", "something else"), Phase(phase, 1.0, "failed", detail))
    return first_cause(error, phases, Redactor([secret]))


def late(verdict: Verdict | None, late: type[VerdictFailed] = SyncDeadline) -> VerdictFailed:
    """What a lane raises where time was up."""
    expired = Expired(verdict, {} if verdict is not None else {OCIREPOSITORIES: "not listed yet: no answer"}, None, 7.9)
    error = late(expired.what, where=expired.where, do=expired.do)
    error.__cause__ = expired
    return error


def helm_failed(message: str, *, timed_out: bool = False) -> InstallFailed:
    completed = Completed(("helm", "upgrade"), 1, "", message, 1.0)
    error = InstallFailed(message, where="003-web (component web)", do="", completed=completed)
    error.__cause__ = CommandFailed(completed, timeout=300.0 if timed_out else None)
    return error


def broken() -> ContractBroken:
    return ContractBroken([Violation("one layer", "manifest.json", "has two", "pack it again")], where="localhost/x:1")


OTHERS = [
    (SettingsError("x"), "", CauseKind.SETTINGS),
    (DataError("x"), "bundle", CauseKind.SETTINGS),
    (UsageError("x"), "", CauseKind.SETTINGS),
    (ToolError("x"), "cluster", CauseKind.TOOLS),
    (RegistryNotReady("x"), "infrastructure", CauseKind.REGISTRY),
    (GitNotReady("x"), "infrastructure", CauseKind.REGISTRY),
    (GitUnreachable("x"), "infrastructure", CauseKind.REGISTRY),
    (GitRefused("x"), "infrastructure", CauseKind.REGISTRY),
    (GitError("x", where="y"), "push", CauseKind.REGISTRY),
    (RegistryUnreachable("x"), "infrastructure", CauseKind.REGISTRY),
    (DigestMismatch("x", where="y"), "push", CauseKind.REGISTRY),
    (HarnessError("x"), "push", CauseKind.REGISTRY),
    (HarnessError("x"), "before: push", CauseKind.REGISTRY),
    (ArgocdInstallFailed("x"), "infrastructure", CauseKind.INFRASTRUCTURE),
    (ArgocdCrdMissing("x"), "infrastructure", CauseKind.INFRASTRUCTURE),
    (RepositorySecretRefused("x"), "infrastructure", CauseKind.INFRASTRUCTURE),
    (FluxInstallFailed("x"), "infrastructure", CauseKind.INFRASTRUCTURE),
    (FluxRolloutFailed("x"), "infrastructure", CauseKind.INFRASTRUCTURE),
    (FluxCrdMissing("x"), "infrastructure", CauseKind.INFRASTRUCTURE),
    (ClusterError("x"), "cluster", CauseKind.INFRASTRUCTURE),
    (NotOurs("x"), "teardown", CauseKind.INFRASTRUCTURE),
    (ServiceFailed("x"), "infrastructure", CauseKind.INFRASTRUCTURE),
    (Unreachable("x"), "verify", CauseKind.INFRASTRUCTURE),
    (ApiError(422, "Invalid", "spec.url"), "sync", CauseKind.APPLY),
    (ApiError(403, "Forbidden", "no"), "verify", CauseKind.INFRASTRUCTURE),
    (ApiError(503, "Unavailable", "no"), "sync", CauseKind.INFRASTRUCTURE),
    (HarnessError("cannot be written: disk full"), "bundle", CauseKind.INFRASTRUCTURE),
    (broken(), "pack", CauseKind.RENDER),
    (RenderFailed("the chart does not render: execution error at (a.yaml:1:2): no"), "render", CauseKind.RENDER),
    (RenderFailed("the chart renders to invalid YAML: dial it"), "render", CauseKind.RENDER),
    (RenderFailed('the chart does not render: no matches for kind "A"'), "render", CauseKind.RENDER),
    (RenderFailed("the chart does not render: the chart could not be fetched\nfailed to fetch https://x"), "render",
     CauseKind.PULL),
    (ParityBroken("2 differences to what helm installs"), "parity", CauseKind.RECONCILE),
    (helm_failed("helm could not install release web: a hook failed\nfailed pre-install: no"), "install",
     CauseKind.RECONCILE),
    (helm_failed("helm could not install release web: x"), "install", CauseKind.RECONCILE),
    (helm_failed("helm could not install release web: helm was not done in time", timed_out=True), "install",
     CauseKind.DEADLINE),
    (helm_failed('helm could not install release web: no matches for kind "A"'), "install", CauseKind.APPLY),
    (CommandFailed(Completed(("/opt/aicr", "bundle"), 1, "", "first\nno such recipe", 1.0)), "bundle",
     CauseKind.RENDER),
    (ZeroDivisionError("division by zero"), "sync", CauseKind.HARNESS),
]  # fmt: skip


@pytest.mark.parametrize(("error", "phase", "kind"), OTHERS, ids=lambda x: type(x).__name__ if x is not None else None)
def test_an_error_that_names_one_place_to_look(error: BaseException, phase: str, kind: CauseKind) -> None:
    """The class of the error decides, and the phase where the class says little."""
    found = cause(error, phase)
    assert found is not None
    assert found.kind is kind
    assert found.message
    assert "\n" not in found.message


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), Terminated(), Cancelled("the wait was cancelled")])
def test_what_somebody_ended_has_no_cause(error: BaseException | None) -> None:
    """Nothing is known about the recipe."""
    assert cause(error) is None


@pytest.mark.parametrize("kind", [None, *CauseKind])
def test_a_failed_verdict_knows_its_kind(kind: CauseKind | None) -> None:
    """What the gate made of the controllers' words; without a kind it is what a controller made of the bundle."""
    failed = GateFailed(Failed("is stalled: RetriesExceeded: no", "HelmRelease a/b", kind=kind), 3.0)
    wanted = kind or CauseKind.RECONCILE
    assert cause(failed) == Cause(wanted, "HelmRelease a/b", "is stalled: RetriesExceeded: no")


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        (Waiting("is not ready: x", SOURCE, kind=CauseKind.PULL, doomed="is not ready: x"), CauseKind.PULL),
        (Waiting("is not ready: x", SOURCE, kind=CauseKind.PULL), CauseKind.PULL),
        (Waiting("is not ready: x", SOURCE), CauseKind.DEADLINE),
        (Failed("is not ready: x", SOURCE), CauseKind.DEADLINE),
        (Failed("is not ready: x", SOURCE, kind=CauseKind.PULL), CauseKind.PULL),
    ],
)
def test_a_deadline_says_what_was_waited_for(verdict: Verdict, kind: CauseKind) -> None:
    """A source that could not be pulled until the end is a pull; the seconds, which vary, are not in the message."""
    found = cause(late(verdict))
    assert found is not None
    assert (found.kind, found.subject) == (kind, SOURCE)
    assert "is not ready: x" in found.message
    assert "7.9" not in found.message


def test_a_pass_that_did_not_settle_is_a_deadline() -> None:
    """It had passed once: nothing more particular is known than that time was up."""
    found = cause(late(Passed("46 pods")))
    assert found is not None
    assert found.kind is CauseKind.DEADLINE
    assert "the check passed (46 pods)" in found.message


def test_what_kept_changing_is_the_subject_of_a_pass_that_did_not_settle() -> None:
    """The pass was of many objects; the last one that changed is what to look at."""
    change = Change(PODS, ("default", "web"), 0.2)
    found = cause(Expired(Passed("46 pods"), {}, change, 300.0))
    assert found is not None
    assert found.subject == "Pod default/web"
    assert "Pod default/web kept changing" in found.message


def test_a_server_that_never_answered_is_infrastructure() -> None:
    """No verdict at all: the recipe was not looked at."""
    assert cause(late(None)) == Cause(
        CauseKind.INFRASTRUCTURE,
        "",
        "nothing could be judged: ocirepositories.source.toolkit.fluxcd.io: not listed yet: no answer",
    )


def test_a_root_that_never_came_was_not_rendered() -> None:
    """What was applied silently produced nothing."""
    found = cause(late(Waiting("is not there", "Application argocd/nvidia-stack"), RootMissing))
    assert found == Cause(CauseKind.RENDER, "Application argocd/nvidia-stack", "is not there")


@pytest.mark.parametrize(
    "error", [GateFailed(Failed("no", "Node a"), 1.0), late(Waiting("no", "Node a"), VerdictFailed)]
)
def test_before_the_recipe_nothing_is_its_fault(error: VerdictFailed) -> None:
    """Nodes that do not become ready while the cluster boots say nothing about what is to run on them."""
    assert cause(error, "cluster") == Cause(CauseKind.INFRASTRUCTURE, "Node a", "no")


@pytest.mark.parametrize(
    ("name", "kind"), [("registry", "registry"), ("gitea", "registry"), ("source-watcher", "infrastructure")]
)
def test_a_dead_service_is_named(name: str, kind: str, tmp_path: Path) -> None:
    """The object is the service, and not a log file of this machine; its last words are in the evidence."""
    (tmp_path / "log").write_text("Bearer abc\n")
    error = ServiceDied(name, -9, tmp_path / "log")
    assert cause(error) == Cause(CauseKind(kind), name, f"{name} was killed by SIGKILL.")


@pytest.mark.parametrize(
    ("name", "kind"), [("registry", "registry"), ("gitea", "registry"), ("argocd-redis", "infrastructure")]
)
def test_a_dead_pod_is_named_as_a_dead_process_is(name: str, kind: str) -> None:
    """The same cause on both runtimes, whichever it is that the part runs as."""
    error = PartDied(
        name, f"{name} (pod {name}-1) ended with status 137", where=f"Deployment a/{name}", words="Bearer x"
    )
    assert cause(error) == Cause(CauseKind(kind), name, f"{name} (pod {name}-1) ended with status 137.")


def test_an_unschedulable_pod_is_explained_on_one_line() -> None:
    """The explanation belongs to the first finding; findings about other objects do not."""
    reason = (
        "pod web-0 is not scheduled\n  none of 2 nodes will do\n  the scheduler: 0/2 nodes are available\n"
        "DaemonSet a/b: matches no node"
    )
    found = cause(GateFailed(Failed(reason, "Deployment a/web", kind=CauseKind.SCHEDULE), 30.0), "verify")
    assert found == Cause(
        CauseKind.SCHEDULE,
        "Deployment a/web",
        "pod web-0 is not scheduled: none of 2 nodes will do; the scheduler: 0/2 nodes are available",
    )


def test_helm_is_quoted_after_what_it_means() -> None:
    """Its own sentence is on the second line."""
    found = cause(helm_failed("helm could not install release web: a hook failed\nfailed pre-install: 1 error"))
    assert found is not None
    assert found.message == "helm could not install release web: a hook failed: failed pre-install: 1 error"


def test_the_first_of_many_differences_is_named() -> None:
    """How many there are, and one of them; the others are in the reason."""
    found = cause(ParityBroken("2 differences to what helm installs\n  missing: Pod a/b\n  missing: Pod a/c"), "parity")
    assert found is not None
    assert found.message == "2 differences to what helm installs: missing: Pod a/b"


def test_a_command_is_quoted_by_what_it_said_last() -> None:
    """Its words, with paths of this machine, are in the reason."""
    error = CommandFailed(Completed(("/opt/aicr", "bundle", "/tmp/x"), 1, "", "first\nno such recipe", 1.0))
    assert cause(error, "bundle") == Cause(CauseKind.RENDER, "aicr", "no such recipe")


def test_the_phase_is_the_one_that_the_error_ended() -> None:
    """Boot and bundle run side by side, and both may fail."""
    phases = [Phase("bundle", 1.0, "failed", "y"), Phase("push", 1.0, "failed", "x")]
    found = first_cause(HarnessError("x"), phases, Redactor())
    assert found is not None
    assert found.kind is CauseKind.REGISTRY


def test_no_secret_is_told() -> None:
    """As in evidence: what the cluster holds in Secrets, and what looks like one."""
    found = cause(
        GateFailed(Failed("denied: hunter22 https://u:p4ssw0rd@x/", "Secret a/hunter22"), 1.0), secret="hunter22"
    )
    assert found is not None
    assert "hunter22" not in f"{found}"
    assert "p4ssw0rd" not in f"{found}"
