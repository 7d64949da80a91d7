"""Recordings as `replay` gives them, of tasks and of what a wait saw, without a file."""

from collections.abc import Iterable, Mapping
from typing import Any

from harness.evidence.replay import Move, Replay, Step, Told, Wait
from harness.gates.argocd.application import APPLICATIONS
from harness.gates.flux.releases import HELMRELEASES
from harness.gates.flux.sources import EXTERNALARTIFACTS, HELMCHARTS, KUSTOMIZATIONS, OCIREPOSITORIES
from harness.objects import JOBS, PODS, Kind, Object, key_of
from harness.verdict import Failed, Passed, Verdict, Waiting

Event = tuple[float, Kind, Object | None]
KINDS = (APPLICATIONS, HELMRELEASES, EXTERNALARTIFACTS, HELMCHARTS, KUSTOMIZATIONS, OCIREPOSITORIES, PODS, JOBS)


def recording(*parts: Iterable[Told | Wait], **facts: Any) -> Replay:
    """The parts in the order of their beginnings."""
    header = {"run": "r1", "recipe": "demo", "deployer": "any", "cluster": "k", "started": "2026-01-01T00:00:00+00:00"}
    story = sorted((each for part in parts for each in part), key=lambda each: each.at)
    return Replay(header, facts=facts, story=story, closed=True)


def task(name: str, begun: float, ended: float, thread: str = "MainThread") -> list[Told]:
    return [Told(begun, name, "started", "", thread), Told(ended, name, "finished", "", thread)]


def nudge(at: float, subject: str) -> list[Told]:
    return [Told(at, subject, "nudged", "what it depends on is ready")]


def wait(at: float, ended: float, events: Iterable[Event], *, how: str = "passed", blamed: str = "") -> list[Wait]:
    """What a wait saw, at seconds of the recording; where it passed, the last event is what completed it, and else
    `blamed` is what it waited for.
    """
    seen = sorted(events, key=lambda event: event[0])
    steps = []
    for number, (when, kind, item) in enumerate(seen):
        verdict: Verdict = Waiting("not yet", blamed)
        if number == len(seen) - 1 and how in ("passed", "failed"):
            verdict = Passed("all is well") if how == "passed" else Failed("it gave up", blamed)
        move = Move(kind, key_of(item) if item is not None else ("", ""), item)
        steps.append(Step(number, when, when - at, 0.0, (move,), verdict, ""))
    return [Wait(1, at, None, KINDS, 60.0, steps=steps, how=how, why="", seconds=ended - at)]


def helm_release(
    name: str, status: str = "", reason: str = "", message: str = "", *, after: Iterable[str] = ()
) -> dict[str, Any]:
    """A HelmRelease that deploys to a namespace of its own name; `status` is that of its condition Ready."""
    conditions = [{"type": "Ready", "status": status, "reason": reason, "message": message}] if status else []
    return {
        "metadata": {"name": name, "namespace": "flux-system"},
        "spec": {
            "targetNamespace": name,
            "chartRef": {"kind": "ExternalArtifact", "name": f"{name}-chart", "namespace": "flux-system"},
            "dependsOn": [{"name": other} for other in after],
        },
        "status": {"conditions": conditions},
    }


def ready(name: str, status: str = "True") -> dict[str, Any]:
    """An object of Flux in its namespace."""
    conditions = [{"type": "Ready", "status": status, "reason": "Succeeded" if status == "True" else "Progressing"}]
    return {"metadata": {"name": name, "namespace": "flux-system"}, "status": {"conditions": conditions}}


def application(
    name: str, *, wave: int | None = None, compared: bool = False, phase: str = "", message: str = "", health: str = ""
) -> dict[str, Any]:
    """An Application that deploys to a namespace of its own name."""
    annotations = {} if wave is None else {"argocd.argoproj.io/sync-wave": str(wave)}
    status: dict[str, Any] = {"reconciledAt": "2026-01-01T00:00:00Z"} if compared else {}
    if phase:
        status["operationState"] = {"phase": phase, "message": message}
    if health:
        status["health"] = {"status": health}
    return {
        "metadata": {"name": name, "namespace": "argocd", "annotations": annotations},
        "spec": {"destination": {"namespace": name}},
        "status": status,
    }


def job(namespace: str, name: str, *, complete: bool = False, hook: bool = True) -> dict[str, Any]:
    annotations: Mapping[str, str] = {"helm.sh/hook": "post-install"} if hook else {}
    conditions = [{"type": "Complete", "status": "True"}] if complete else []
    return {
        "metadata": {"name": name, "namespace": namespace, "annotations": dict(annotations)},
        "status": {"conditions": conditions},
    }
