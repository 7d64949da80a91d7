"""Reads a recording and judges it again: the same gates, on the objects that they saw.

A verdict that is not the recorded one is a defect of the harness (a gate that is not pure, a recording that lacks
something), as is a wait that ended otherwise than its last verdict says; a Replay lists both as differences.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import DataError, UsageError
from harness.evidence.recorder import FILE, FORMAT, verdict_data
from harness.evidence.redaction import REDACTED
from harness.gates.catalog import built
from harness.objects import Key, Kind, Object, Objects, key_of
from harness.regular_files import require_regular
from harness.verdict import Failed, Passed, Verdict, Waiting

_TYPES: Mapping[str, Callable[..., Verdict]] = {kind.__name__: kind for kind in (Waiting, Passed, Failed)}


@dataclass(frozen=True)
class Move:
    """An object that appeared or changed; `item` is None where it has gone."""

    kind: Kind
    key: Key
    item: Object | None


@dataclass(frozen=True)
class Step:
    """One judgement of a wait: what moved, the verdict as recorded, and how that of now differs (empty: it does not).

    `seconds` count from the beginning of the wait, `at` from that of the recording, `lag` from the arrival of the first
    news.
    """

    line: int
    at: float
    seconds: float
    lag: float
    moves: tuple[Move, ...]
    verdict: Verdict
    difference: str


@dataclass
class Wait:
    """One wait: `how` it ended is empty where the recording ends first; `gate` is as recorded, None if unnamed."""

    number: int
    at: float
    gate: Mapping[str, Any] | None
    kinds: tuple[Kind, ...]
    within: float
    unjudged: str = ""  # why nothing of it could be judged again
    steps: list[Step] = field(default_factory=list)
    cut: bool = False  # not all of what it saw was recorded
    how: str = ""
    why: str = ""
    seconds: float = math.nan

    @property
    def name(self) -> str:
        return str(self.gate["gate"]) if self.gate else "an unnamed gate"

    @property
    def completed(self) -> Step | None:
        """The step that brought the verdict with which the wait ended; None where it came to none."""
        if self.how not in ("passed", "failed"):
            return None
        found = None
        for step in reversed(self.steps):
            if found is not None and step.verdict != found.verdict:
                break
            found = step
        return found

    @property
    def differences(self) -> tuple[str, ...]:
        """Sentences, each with its line."""
        found = [f"line {step.line}, {step.seconds:.1f} s: {step.difference}" for step in self.steps if step.difference]
        last = self.steps[-1].verdict if self.steps else None
        doomed = isinstance(last, Failed) or (isinstance(last, Waiting) and last.doomed != "")
        if self.cut:
            return tuple(f"wait {self.number}: {text}" for text in ([self.unjudged] if self.unjudged else []) + found)
        if (self.how == "passed" and not isinstance(last, Passed)) or (self.how == "failed" and not doomed):
            found.append(f"it {self.how}, but its last verdict is {_told(last)}")
        return tuple(f"wait {self.number}: {text}" for text in ([self.unjudged] if self.unjudged else []) + found)


@dataclass(frozen=True)
class Told:
    """A task that started, finished or failed, or (with that state) a note or a nudge.

    `thread` is the one that a task began in, so that parts of it are told from what went on beside it; empty in
    recordings that do not say.
    """

    at: float
    task: str
    state: str
    text: str
    thread: str = ""


@dataclass
class Replay:
    """A recording that was judged again. `story` has tasks and waits in the order in which they began.

    `truncated`: the last line was cut off; `closed`: the recording was brought to its end; `cut`: since when, in
    seconds, nothing that was seen is in it, as it had become too large.
    """

    header: Mapping[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)
    story: list[Told | Wait] = field(default_factory=list)
    truncated: bool = False
    closed: bool = False
    cut: float | None = None

    @property
    def waits(self) -> tuple[Wait, ...]:
        return tuple(each for each in self.story if isinstance(each, Wait))

    @property
    def differences(self) -> tuple[str, ...]:
        return tuple(text for wait in self.waits for text in wait.differences)


def replay(path: Path, *, judge: bool = True) -> Replay:
    """Judge again the recording at `path`, or in the directory `path`; without `judge` only read what happened.

    UsageError where there is no such file, DataError where it is no recording, or not one of this format. A last line
    without its end is what a harness that was killed leaves behind, and no error.
    """
    file = path / FILE if path.is_dir() else path
    try:
        require_regular(file)
        lines = file.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise UsageError(
            f"no recording found: {error.strerror}",
            where=str(file),
            do=f"Name a {FILE}, or a kwok-debug directory that holds one.",
        ) from error
    truncated = bool(lines) and not lines[-1].endswith(b"\n")
    if truncated:
        lines.pop()
    reading = _Reading(file, judge=judge)
    for number, line in enumerate(lines, start=1):
        reading.line(number, line)
    if reading.replay is None:
        raise DataError("this is not a recording: it has no complete line", where=str(file))
    reading.replay.truncated = truncated
    return reading.replay


class _Reading:
    """The lines read so far, and what each wait has seen by then."""

    def __init__(self, file: Path, *, judge: bool) -> None:
        self._file = file
        self._judge = judge
        self.replay: Replay | None = None
        self._open: dict[int, _Judging] = {}

    def line(self, number: int, line: bytes) -> None:
        try:
            event = json.loads(line)
            if self.replay is None:
                self.replay = Replay(_header(event))
            else:
                self._take(self.replay, number, event)
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            what = "this is not a recording" if self.replay is None else "the recording is broken"
            raise DataError(f"{what}: {type(error).__name__}: {error}", where=f"{self._file}:{number}") from error

    def _take(self, replay: Replay, number: int, event: Mapping[str, Any]) -> None:
        at = float(event["at"])
        match event["event"]:
            case "fact":
                replay.facts.update(event["facts"])
            case "task":
                thread = str(event.get("thread", ""))
                replay.story.append(Told(at, str(event["task"]), str(event["state"]), str(event["detail"]), thread))
            case "note":
                replay.story.append(Told(at, "", "note", str(event["text"])))
            case "nudge":
                why = "; ".join(filter(None, (str(event["why"]), str(event["problem"]))))
                replay.story.append(Told(at, str(event["object"]), "nudged", why))
            case "wait":
                kinds = tuple(Kind(**kind) for kind in event["kinds"])
                wait = Wait(int(event["wait"]), at, event["gate"], kinds, float(event["within"]))
                if wait.number in self._open:
                    raise ValueError(f"wait {wait.number} begins twice")
                wait.cut = replay.cut is not None
                self._open[wait.number] = _Judging(wait, judge=self._judge)
                replay.story.append(wait)
            case "seen":
                self._open[event["wait"]].seen(number, event)
            case "ended":
                wait = self._open.pop(event["wait"]).wait
                wait.how, wait.why, wait.seconds = str(event["how"]), str(event["why"]), float(event["seconds"])
            case "cut":
                replay.cut = at
                for judging in self._open.values():
                    judging.wait.cut = True
            case "closed":
                replay.closed = True
            case other:
                raise ValueError(f"an event {other!r} is not known")


class _Judging:
    """One wait as it is told again: its objects, brought forward by each difference."""

    def __init__(self, wait: Wait, *, judge: bool) -> None:
        self.wait = wait
        self._kinds = {str(kind): kind for kind in wait.kinds}
        self._objects: dict[Kind, dict[Key, Object]] = {kind: {} for kind in wait.kinds}
        self._gate = None
        if not judge:
            return
        try:
            self._gate = built(wait.gate) if wait.gate else None
        except DataError as error:
            wait.unjudged = f"cannot be judged again: {error}"
        if wait.gate is None:
            wait.unjudged = "cannot be judged again: its gate has no registered name"

    def seen(self, number: int, event: Mapping[str, Any]) -> None:
        moves = [
            Move(self._kinds[name], key_of(item), item) for name, items in event["changed"].items() for item in items
        ]
        moves += [
            Move(self._kinds[name], (key[0], key[1]), None) for name, keys in event["gone"].items() for key in keys
        ]
        for move in moves:
            if move.item is None:
                del self._objects[move.kind][move.key]
            else:
                self._objects[move.kind][move.key] = move.item
        fields = dict(event["verdict"])
        recorded = _TYPES[fields.pop("type")](**fields)
        at, seconds, lag = float(event["at"]), float(event["seconds"]), float(event["lag"])
        self.wait.steps.append(Step(number, at, seconds, lag, tuple(moves), recorded, self._judge(recorded)))

    def _judge(self, recorded: Verdict) -> str:
        """How the gate's verdict differs from the recorded one; empty where it does not, or there is no gate."""
        if self._gate is None:
            return ""
        try:
            verdict = self._gate(Objects(self._objects))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            return f"recorded is {_told(recorded)}; now the gate raises {type(error).__name__}: {error}"
        if agree(recorded, verdict):
            return ""
        return f"recorded is {_told(recorded)}; now it is {_told(verdict)}"


def agree(recorded: Verdict, verdict: Verdict) -> bool:
    """Whether a verdict on what was recorded is the recorded one.

    Gates judge before redaction and shorten long messages; so where something was redacted, the texts may differ, but
    not the type, the subject, or whether there is doom.
    """
    before, now = verdict_data(recorded), verdict_data(verdict)
    if before == now:
        return True
    redacted = any(REDACTED in text for text in (*before.values(), *now.values()))
    return redacted and _outline(before) == _outline(now)


def _outline(data: Mapping[str, str]) -> tuple[str, str, bool]:
    return data["type"], data["subject"], bool(data.get("doomed"))


def _header(event: Mapping[str, Any]) -> Mapping[str, Any]:
    if event["event"] != "header" or event["format"] != FORMAT:
        raise ValueError(f"its first line is not a header of format {FORMAT}")
    return {name: str(event[name]) for name in ("run", "recipe", "deployer", "cluster", "started")}


def _told(verdict: Verdict | None) -> str:
    return "none" if verdict is None else f"{type(verdict).__name__} ({verdict})"
