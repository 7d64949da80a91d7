"""The path of a delivery by Flux: releases that wait for others, each for its chart, and all of them for the source.

Within an installation helm-controller is at work until the last thing in the release's namespace moves. After that it
looks whether all is ready at intervals of its own, and only then runs hooks or calls the release ready.
"""

from collections.abc import Iterator
from typing import Any

from harness.diagnosis.critical_path.backward import Backward
from harness.diagnosis.critical_path.seen import Seen
from harness.evidence.replay import Step
from harness.gates.findings import named
from harness.gates.flux import releases, sources
from harness.objects import Key, Kind, Object, condition, holds
from harness.results.critical_path import Whose

QUIET = 1.0  # seconds without any movement, before a timer is held to be what is waited for
_WAITS = ("DependencyNotReady",)
_NO_CHART = ("SourceNotReady", "ArtifactFailed")
_SOURCES = (sources.OCIREPOSITORIES, sources.GITREPOSITORIES)
_CHARTS = (sources.EXTERNALARTIFACTS, sources.HELMCHARTS)


def deliver(path: Backward, seen: Seen, completed: Step | None, blamed: str, poll: float) -> None:
    """Lead the path from where it is back to where the source was fetched, or as far as is known. `blamed` is the
    subject of the last verdict of a wait that did not pass, `poll` how often helm-controller looks at readiness, in
    seconds.
    """
    key = _last_of(seen, completed, blamed, path.at)
    told: set[Key] = set()
    while key is not None and key not in told:
        told.add(key)
        key = _release(path, seen, key, poll)
    _source(path, seen)


def _last_of(seen: Seen, completed: Step | None, blamed: str, at: float) -> Key | None:
    """The release that the wait ended with: the one that is blamed, or that moved last, before `at`."""
    moved = [move.key for move in completed.moves if move.kind == releases.HELMRELEASES] if completed else []
    if blamed_for := [key for key, _ in seen.all(releases.HELMRELEASES) if named(releases.HELMRELEASES, key) == blamed]:
        return blamed_for[0]
    if moved:
        return moved[-1]
    latest = [
        (ready, key) for key, _ in seen.all(releases.HELMRELEASES) if (ready := _ready(seen, key, at)) is not None
    ]
    return max(latest)[1] if latest else None


def _ready(seen: Seen, key: Key, before: float) -> float | None:
    """When a release became ready for the last time before a moment."""
    since = None
    for state in seen.of_object(releases.HELMRELEASES, key):
        if state.begun > before:
            break
        if state.item is not None and holds(state.item, "Ready"):
            since = state.begun if since is None else since
        else:
            since = None
    return since


def _release(path: Backward, seen: Seen, key: Key, poll: float) -> Key | None:
    """From where the path is back to where the release stopped to wait for another one, which is returned; None where
    it waited for none, and the path leads back to its beginning.
    """
    subject, states = named(releases.HELMRELEASES, key), seen.of_object(releases.HELMRELEASES, key)
    if (ready := _ready(seen, key, path.at)) is not None:
        path.back(ready, subject, "helm-controller writes its status", Whose.DEPLOYER)
    for state in reversed([each for each in states if each.begun < path.at and each.item is not None]):
        item = state.item or {}
        ready_condition = condition(item, "Ready")
        reason, message = str(ready_condition.get("reason", "")), str(ready_condition.get("message", ""))
        if reason in _WAITS:
            other = _latest_dependency(seen, item, path.at)
            if other is not None and other[0] >= states[0].begun:
                _looked_at_again(path, seen, subject, other[0], f"after {other[1][1]}")
                return other[1]
            path.back(state.begun, subject, "waits for another release", Whose.DEPLOYER)
        elif reason in _NO_CHART:
            made = _chart_ready(seen, item, path.at)
            if made is not None and made >= states[0].begun:
                _looked_at_again(path, seen, subject, made, "after its chart")
                break
            path.back(state.begun, subject, "waits for its chart", Whose.DEPLOYER)
        elif message.startswith("Running '"):
            _installation(path, seen, subject, item, state.begun, poll)
        elif ready_condition.get("status") == "False":
            path.back(state.begun, subject, f"pause before another attempt, after {reason}", Whose.IDLE)
        else:
            path.back(state.begun, subject, "helm-controller takes it up", Whose.DEPLOYER)
    _chart(path, seen, key)
    return None


def _looked_at_again(path: Backward, seen: Seen, subject: str, since: float, after: str) -> None:
    """What a release waited for is there since a moment: who had it looked at again."""
    if seen.was_nudged(subject, since, path.at):
        path.back(since, subject, f"looked at again {after}, as it was asked to", Whose.DEPLOYER)
    else:
        whose = Whose.IDLE if path.at - since >= QUIET else Whose.DEPLOYER
        path.back(since, subject, f"looked at again {after}, by helm-controller's own clock", whose)


def _latest_dependency(seen: Seen, item: Object, before: float) -> tuple[float, Key] | None:
    """Of what a release depends on, the one that was ready last, and when."""
    namespace = item["metadata"].get("namespace", "")
    keys = [(each.get("namespace") or namespace, each["name"]) for each in item["spec"].get("dependsOn") or ()]
    return max(((ready, key) for key in keys if (ready := _ready(seen, key, before)) is not None), default=None)


def _installation(path: Backward, seen: Seen, subject: str, item: Object, begun: float, poll: float) -> None:
    """An action of helm from where the path is back to where it began: hooks, looks at readiness, and work."""
    ended, namespace = path.at, _namespace(item)
    hooks = seen.hooks(namespace, begun, ended)
    moved = seen.activity(namespace, begun, ended)
    if not moved:
        path.back(begun, subject, "helm-controller renders and applies it", Whose.DEPLOYER)
        return
    for at in reversed([*moved, ended] if moved[-1] < ended else moved):
        hook = next((name for name, made, done in hooks if made < path.at <= done), "")
        if hook:
            path.back(at, subject, f"helm's hook wait: Job {hook}", Whose.DEPLOYER)
        elif path.at - at >= QUIET:
            path.back(at, subject, f"helm-controller's look at readiness, every {poll:g} s", Whose.IDLE)
        else:
            path.back(at, subject, "its objects become ready", Whose.DEPLOYER)
    path.back(begun, subject, "helm-controller renders and applies it", Whose.DEPLOYER)


def _namespace(item: Object) -> str:
    spec: dict[str, Any] = dict(item["spec"])
    return str(spec.get("targetNamespace") or item["metadata"].get("namespace", ""))


def _charts_of(item: Object) -> Iterator[tuple[Kind, Key]]:
    """The object that holds the chart of a release."""
    if reference := item["spec"].get("chartRef"):
        where = reference.get("namespace") or item["metadata"]["namespace"]
        yield from ((kind, (where, reference["name"])) for kind in _CHARTS if kind.kind == reference["kind"])
    namespace, _, name = str((item.get("status") or {}).get("helmChart") or "").partition("/")
    if name:
        yield sources.HELMCHARTS, (namespace, name)


def _chart_ready(seen: Seen, item: Object, before: float) -> float | None:
    """When the chart of a release was there, the last time before a moment."""
    for kind, key in _charts_of(item):
        for state in reversed(seen.of_object(kind, key)):
            if state.begun > before or state.item is None:
                continue
            if holds(state.item, "Ready"):
                return _first_ready(seen, kind, key)
    return None


def _first_ready(seen: Seen, kind: Kind, key: Key) -> float | None:
    ready = (s.begun for s in seen.of_object(kind, key) if s.item and holds(s.item, "Ready"))
    return next(ready, None)


def _chart(path: Backward, seen: Seen, key: Key) -> None:
    """From where a release found its chart back to where the release was made."""
    states = [state for state in seen.of_object(releases.HELMRELEASES, key) if state.item is not None]
    for kind, chart in _charts_of(states[-1].item or {}) if states else ():
        made = seen.appeared(kind, chart)
        if made is not None:
            path.back(made, named(kind, chart), "the chart is packaged", Whose.DEPLOYER)
    if states:
        path.back(states[0].begun, named(releases.HELMRELEASES, key), "its chart is asked for", Whose.DEPLOYER)


def _source(path: Backward, seen: Seen) -> None:
    """From where the first objects of the bundle were there back to where its source was."""
    for kind in _SOURCES:
        for key, states in seen.all(kind):
            ready = _first_ready(seen, kind, key)
            if ready is not None and ready < path.at and states:
                path.back(ready, "Kustomization", "kustomize-controller builds and applies it", Whose.DEPLOYER)
                path.back(states[0].begun, named(kind, key), "source-controller fetches it", Whose.DEPLOYER)
                return
