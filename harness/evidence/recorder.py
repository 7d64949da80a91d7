"""Writes down what the gates of a cell saw and said, as it happens: run.jsonl, one event in a line.

| event  | holds                                                                                             |
|--------|---------------------------------------------------------------------------------------------------|
| header | the format, the run, when it began (UTC); always the first line                                   |
| fact   | something that became known later, such as the digest                                             |
| task   | a phase, or a piece of work within one, that started, finished or failed, and in which thread     |
| note   | what the verdict does not cover                                                                   |
| nudge  | an object that a controller was told to look at, and why                                          |
| wait   | a gate as data (harness.gates.catalog), the kinds that it watches, and for how many seconds     |
| seen   | the objects, as what differs from those seen before in that wait (from none, at first), their verdict, |
|        | and how long after the first news of them arrived (`lag`)                                           |
| ended  | how a wait ended (passed, failed, expired, cancelled, broken) and why                             |
| cut    | `limit`, in bytes: the file has become as large, and nothing of what is seen is recorded any more; tasks, |
|        | notes, and how waits end still are                                                                  |
| closed | nothing: that the recording is whole                                                              |

`at` is seconds since the header. A thread of its own compares, redacts and writes, because the one that waits has a
verdict to give: it only hands over objects, which never change. A recording that cannot be written is a problem to be
told, and never one of the cell.
"""

import itertools
import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from harness.evidence.redaction import Redactor
from harness.excerpts import first_line
from harness.gates import catalog
from harness.gates.combining import Step
from harness.objects import Key, Kind, Object, Objects, key_of
from harness.processes.threads import Background
from harness.progress import Progress
from harness.verdict import Verdict, Waiting
from harness.waiting.loop import Cancelled, Expired, GateFailed, Judged, Observe

FORMAT = 1
FILE = "run.jsonl"
CLOSING = 5.0  # seconds for what is still to be written

Event = Mapping[str, Any]

_ENDS: tuple[tuple[type[BaseException], str], ...] = (
    (GateFailed, "failed"),
    (Expired, "expired"),
    (Cancelled, "cancelled"),
    (BaseException, "broken"),
)


@dataclass
class _Watched:
    """A wait under way; `last` belongs to the thread that writes."""

    number: int
    kinds: tuple[Kind, ...]
    last: Objects
    verdict: Verdict | None = None


@dataclass(frozen=True)
class _Seen:
    at: float
    watched: _Watched
    judged: Judged


class Recorder:
    """Appends to a new file that only its owner may read. May be called from any thread.

    A file that cannot be written raises nothing: `close` tells.
    """

    def __init__(
        self,
        path: Path,
        *,
        run_id: str,
        recipe: str,
        deployer: str,
        cluster: str,
        clock: Callable[[], float] = time.monotonic,
        limit: float = math.inf,
    ) -> None:
        self.path = path
        self.cut = False  # whether the limit, in bytes, was reached
        self._limit = limit
        self.problem = ""  # why the file lacks something, if it does
        self._clock = clock
        self._begun = clock()
        self._numbers = itertools.count(1)
        self._redactor = Redactor()
        self._queue: SimpleQueue[Event | _Seen | None] = SimpleQueue()
        self._closed = False
        header = {"format": FORMAT, "run": run_id, "recipe": recipe, "deployer": deployer, "cluster": cluster}
        self._put("header", **header, started=datetime.now(UTC).isoformat(timespec="milliseconds"))
        self._writing = Background(self._write, "recording")

    def fact(self, **facts: Any) -> None:
        """Something about the run that was not known at its beginning, such as `digest`."""
        self._put("fact", facts=facts)

    def telling(self, progress: Progress) -> Progress:
        """A Progress that tells `progress`, and has the beginning and end of each task recorded."""
        return _Telling(self, progress)

    def task(self, name: str, state: str, detail: str = "") -> None:
        """`state` is started, finished or failed."""
        self._put("task", task=name, state=state, detail=detail, thread=threading.current_thread().name)

    def note(self, text: str) -> None:
        self._put("note", text=text)

    def nudge(self, kind: Kind, key: Key, why: str, problem: str = "") -> None:
        """A controller was told to look at an object now; `problem` is why that did not work, if it did not."""
        self._put("nudge", object=f"{kind.kind} {'/'.join(filter(None, key))}", why=why, problem=problem)

    @contextmanager
    def wait(
        self, kinds: Iterable[Kind], gate: Step, *, within: float, observe: Observe | None = None
    ) -> Iterator[Observe]:
        """Record the wait in the block, which has to give what it gets here to harness.waiting.loop.wait as `observe`.

        A gate without a name in harness.gates.catalog is recorded too, but nobody can judge again what it saw.
        `observe` is called as well. Of Secrets nothing is recorded.
        """
        kinds = tuple(kind for kind in kinds if kind.kind != "Secret")
        watched = _Watched(next(self._numbers), kinds, Objects({kind: {} for kind in kinds}))
        begun = self._clock()
        self._put(
            "wait",
            wait=watched.number,
            gate=catalog.data(gate),
            kinds=[asdict(kind) for kind in kinds],
            within=within,
        )

        def seen(judged: Judged) -> None:
            watched.verdict = judged.verdict
            self._hand_over(_Seen(self._at(), watched, judged))
            if observe is not None:
                observe(judged)

        how, why = "passed", ""
        try:
            yield seen
            why = str(watched.verdict)
        except BaseException as error:
            how = next(how for kind, how in _ENDS if isinstance(error, kind))
            why = first_line(error) if how == "broken" else str(error)
            raise
        finally:
            self._put("ended", wait=watched.number, how=how, why=why, seconds=_rounded(self._clock() - begun))

    def close(self, within: float = CLOSING) -> str:
        """Write what is left, for at most `within` seconds. Returns what the file lacks and why, or an empty text.

        What happens afterwards is not recorded. To be called before the file is copied.
        """
        if not self._closed:
            self._put("closed")
            self._closed = True
            self._queue.put(None)
        if not self._writing.wait(within):
            return f"{self.path}: not everything was written within {within:.0f} s"
        self._writing.result()
        return self.problem

    def _at(self) -> float:
        return _rounded(self._clock() - self._begun)

    def _put(self, event: str, **fields: Any) -> None:
        self._hand_over({"event": event, "at": self._at(), **fields})

    def _hand_over(self, item: Event | _Seen) -> None:
        if not self._closed:
            self._queue.put(item)

    # In the thread that writes

    def _write(self) -> None:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(self.path, flags, 0o600), "wb", buffering=0) as file:
                while (item := self._queue.get()) is not None:
                    if isinstance(item, _Seen) and file.tell() >= self._limit:
                        if self.cut:
                            continue
                        self.cut = True
                        event: Event = {"event": "cut", "at": item.at, "limit": self._limit}
                    else:
                        event = _difference(item) if isinstance(item, _Seen) else item
                    file.write(_line(self._redactor.document(event)))
        except OSError as error:
            self.problem = f"{self.path}: the recording cannot be written: {error.strerror}"
            self._closed = True
            self._queue = SimpleQueue()


class _Telling:
    """A Progress for two: people, and the recording."""

    def __init__(self, recorder: Recorder, progress: Progress) -> None:
        self._recorder = recorder
        self._progress = progress

    def started(self, task: str, detail: str = "") -> None:
        self._recorder.task(task, "started", detail)
        self._progress.started(task, detail)

    def step(self, task: str, detail: str) -> None:
        self._progress.step(task, detail)

    def finished(self, task: str, detail: str = "") -> None:
        self._recorder.task(task, "finished", detail)
        self._progress.finished(task, detail)

    def failed(self, task: str, detail: str) -> None:
        self._recorder.task(task, "failed", detail)
        self._progress.failed(task, detail)

    def note(self, text: str) -> None:
        self._recorder.note(text)
        self._progress.note(text)


def copy(
    source: Path, target: Path, redactor: Redactor, *, told: Callable[[int, int], None] = lambda done, size: None
) -> str:
    """A copy of a closed recording, without what `redactor` knows to be secret (which is known at the end only).

    What merely looks like a secret is not in a recording. So lines in which nothing stands that is known are copied as
    they are, which takes a hundredth of the time of those that are redacted. `told` hears after each how many bytes are
    done, and of how many. Returns why there is no copy, or an empty text. A last line that was cut off is left out.
    """
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with source.open("rb") as old, os.fdopen(os.open(target, flags, 0o600), "wb") as new:
            size, done = os.fstat(old.fileno()).st_size, 0
            for line in old:
                done += len(line)
                if line.endswith(b"\n"):
                    new.write(_line(redactor.document(json.loads(line))) if redactor.concerns(line) else line)
                told(done, size)
    except OSError as error:
        return f"the recording cannot be copied: {error.strerror}"
    return ""


def verdict_data(verdict: Verdict) -> dict[str, str]:
    """JSON-ready: type, subject, reason; of a Waiting also doomed."""
    doomed = {"doomed": verdict.doomed} if isinstance(verdict, Waiting) else {}
    return {"type": type(verdict).__name__, "subject": verdict.subject, "reason": verdict.reason, **doomed}


def _difference(seen: _Seen) -> Event:
    """What is new or different and what is gone, by kind; objects are whole, but for who manages which field."""
    watched, judged, now = seen.watched, seen.judged, seen.judged.objects
    before, watched.last = watched.last, now
    changed: dict[str, list[Object]] = {}
    gone: dict[str, list[list[str]]] = {}
    for kind in watched.kinds:
        for item in now.all(kind):
            known = before.get(kind, *key_of(item))
            if known is not item and (known is None or _bare(known) != _bare(item)):
                changed.setdefault(str(kind), []).append(_bare(item))
        for item in before.all(kind):
            if now.get(kind, *key_of(item)) is None:
                gone.setdefault(str(kind), []).append(list(key_of(item)))
    return {
        "event": "seen",
        "at": seen.at,
        "wait": watched.number,
        "seconds": _rounded(judged.seconds),
        "lag": _rounded(judged.lag),
        "changed": changed,
        "gone": gone,
        "verdict": verdict_data(judged.verdict),
    }


def _bare(item: Object) -> dict[str, Any]:
    metadata = {name: value for name, value in item["metadata"].items() if name != "managedFields"}
    return {**item, "metadata": metadata}


def _line(event: Event) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"), default=str).encode(errors="replace") + b"\n"


def _rounded(seconds: float) -> float:
    return round(seconds, 3)
