"""The whole path of a cell, through its phases and what they consist of."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.diagnosis.critical_path import argocd, flux
from harness.diagnosis.critical_path.backward import Backward
from harness.diagnosis.critical_path.seen import Seen
from harness.evidence.replay import Replay, Told, Wait
from harness.gates.argocd.application import APPLICATIONS
from harness.gates.flux.releases import HELMRELEASES
from harness.results.critical_path import CriticalPath, Hop, Whose

TIMERS = "timers"  # a fact of a recording: how long controllers pause, in seconds, by name
RELEASES = "releases"  # a fact: of each release its name, its namespace, and those that it comes after
WAVE_DELAY = "wave delay"
READINESS_POLL = "readiness poll"

_RELEASE = re.compile(r"release (\S+)")
_IMAGES = "images into the node"
_OURS = "the harness"
_BOOT = "our boot"
_CAUSES = {
    **dict.fromkeys(("tools", "cluster", "control plane", "nodes", "infrastructure", "infrastructure again"), _BOOT),
    **dict.fromkeys(("bundle", "pack", "push"), "our bundle"),
    **dict.fromkeys(("render", "render on cluster"), "our rendering"),
    "verify": "our verdict",
    "parity": "our parity check",
    "evidence": "our evidence",
}
_SETTLES = "our settle: the verdict has to stand"


@dataclass(frozen=True)
class _Span:
    """A task, from its beginning to its end; `thread` is the one that it ran in, empty where that is not recorded. One
    that a thread "a" starts for a part of its work is called "a: b".
    """

    name: str
    begun: float
    ended: float
    thread: str

    @property
    def phase(self) -> str:
        """Without the stage of an upgrade."""
        return self.name.rpartition(": ")[2]

    def holds(self, other: "_Span") -> bool:
        """Whether another task is a part of this one."""
        if self == other or not self.begun <= other.begun <= other.ended <= self.ended:
            return False
        releases = self.phase == "install" and _RELEASE.fullmatch(other.name)  # side by side, each in its thread
        return bool(releases) or (bool(self.thread) and f"{other.thread}: ".startswith(f"{self.thread}: "))


def critical_path(recording: Replay) -> CriticalPath:
    """The path from the beginning of a recording to the last thing in it. Raises nothing: what is not known is told as
    a piece of the phase that it lies in.
    """
    spans = _spans(recording)
    path = Backward(0.0, _end(recording))
    _walk(path, recording, spans, _outermost(spans), "between phases", _OURS)
    return CriticalPath(path.hops("the start", _OURS, Whose.OURS))


def _walk(
    path: Backward, recording: Replay, spans: Sequence[_Span], parts: Sequence[_Span], what: str, cause: str
) -> None:
    """Back through `parts`: each time the one that ended last, of those that ended by then; `what` is between them."""
    while before := [part for part in parts if part.ended <= path.at and part.begun < path.at]:
        part = max(before, key=lambda each: (each.ended, each.begun))
        path.back(part.ended, what, cause, Whose.OURS)
        path.extend(_within(recording, spans, part))


def _outermost(spans: Sequence[_Span]) -> list[_Span]:
    return [span for span in spans if not any(other.holds(span) for other in spans)]


def _spans(recording: Replay) -> list[_Span]:
    """All tasks that ended, and those that were under way when the recording did, up to its end."""
    open_tasks: dict[str, Told] = {}
    found = []
    for told in recording.story:
        if not isinstance(told, Told):
            continue
        if told.state == "started":
            open_tasks[told.task] = told
        elif told.state in ("finished", "failed") and (begun := open_tasks.pop(told.task, None)):
            found.append(_Span(told.task, begun.at, told.at, begun.thread))
    ended = _end(recording)
    return found + [_Span(told.task, told.at, ended, told.thread) for told in open_tasks.values()]


def _end(recording: Replay) -> float:
    ends = [told.at if isinstance(told, Told) else _over(told) for told in recording.story]
    return max(ends, default=0.0)


def _over(wait: Wait) -> float:
    """When a wait ended, or what is known of it does."""
    if wait.how:
        return wait.at + wait.seconds
    return wait.steps[-1].at if wait.steps else wait.at


def _within(recording: Replay, spans: Sequence[_Span], span: _Span) -> list[Hop]:
    """What a task consists of."""
    if span.phase == "sync":
        return _delivery(recording, span)
    if found := _RELEASE.fullmatch(span.name):
        return _release(recording, span, found[1])
    path = Backward(span.begun, span.ended)
    parts = _outermost([other for other in spans if span.holds(other)])
    _walk(path, recording, spans, parts, span.name, _cause(span))
    for wait in reversed(_waits(recording, span)):
        _wait(path, span, wait)
    return path.hops(span.name, _cause(span), Whose.OURS)


def _wait(path: Backward, span: _Span, wait: Wait) -> None:
    """A wait of which nobody delivers anything: until its verdict came, and while that had to stand."""
    path.back(_over(wait), span.name, _cause(span), Whose.OURS)
    if completed := wait.completed:
        path.back(completed.at, span.name, _SETTLES, Whose.OURS)
    if wait.steps:
        path.back(wait.steps[0].at, span.name, "what it waits for comes about", Whose.DEPLOYER)
    path.back(wait.at, span.name, "the harness lists what it judges", Whose.OURS)


def _waits(recording: Replay, span: _Span) -> list[Wait]:
    return [wait for wait in recording.waits if span.begun <= wait.at < span.ended]


def _cause(span: _Span) -> str:
    if span.phase == _IMAGES:
        return "image layer"
    return _CAUSES.get(span.phase, _BOOT if span.thread.partition(": ")[0] == "cluster" else _OURS)


def _delivery(recording: Replay, span: _Span) -> list[Hop]:
    """What controllers did between the beginning and the end of a sync."""
    path = Backward(span.begun, span.ended)
    waits = _waits(recording, span)
    seen = Seen.of(waits, recording.story)
    completed = waits[-1].completed if waits else None
    if completed is not None:
        path.back(_over(waits[-1]), span.name, _OURS, Whose.OURS)
        path.back(completed.at, span.name, _SETTLES, Whose.OURS)
    steps = waits[-1].steps if waits and waits[-1].how != "passed" else []
    blamed = steps[-1].verdict.subject if steps else ""
    timers = recording.facts.get(TIMERS) or {}
    if any(True for _ in seen.all(HELMRELEASES)):
        flux.deliver(path, seen, completed, blamed, float(timers.get(READINESS_POLL, 5.0)))
    elif any(True for _ in seen.all(APPLICATIONS)):
        argocd.deliver(path, seen, completed, blamed, float(timers.get(WAVE_DELAY, 0.0)))
    return path.hops(span.name, "the root object is applied and seen", Whose.DEPLOYER)


def _release(recording: Replay, span: _Span, name: str) -> list[Hop]:
    """A release that helm installs: what it waited for is known by the one before it on the path."""
    path, namespace = Backward(span.begun, span.ended), _namespace_of(recording, name)
    what = f"{span.name}{_after(recording, name)}"
    waits = [wait for wait in recording.waits if wait.at <= span.begun and span.ended <= _over(wait)]
    for hook, made, done in reversed(Seen.of(waits, ()).hooks(namespace, span.begun, span.ended)):
        path.back(done, what, "helm ends it", Whose.DEPLOYER)
        path.back(made, what, f"helm's hook wait: Job {hook}", Whose.DEPLOYER)
    return path.hops(what, "helm renders and applies it", Whose.DEPLOYER)


def _entries(recording: Replay) -> Iterator[dict[str, Any]]:
    yield from (each for each in recording.facts.get(RELEASES) or () if isinstance(each, dict))


def _namespace_of(recording: Replay, release: str) -> str:
    return next((str(each.get("namespace", "")) for each in _entries(recording) if each.get("name") == release), "")


def _after(recording: Replay, release: str) -> str:
    """Of those that a release comes after, the one that ended last before it began: what it waited for."""
    found = next((each for each in _entries(recording) if each.get("name") == release), {})
    after = {f"release {other}" for other in found.get("after") or ()}
    spans = {each.name: each.ended for each in _spans(recording) if each.name in after}
    return f", after {max(spans, key=lambda each: spans[each]).removeprefix('release ')}" if spans else ""
