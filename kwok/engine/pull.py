"""One image, pulled: again after what passes by itself, not after what does not, with bytes for who watches."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import tenacity

from harness.progress import Progress, task
from harness.retrying import retrying
from harness.settings import Retries
from kwok.engine.client import Engine, EngineError, PullEvent

_TELL = 5.0  # seconds between two lines about one image
_LIMITED = re.compile(r"toomanyrequests|too many requests|\b429\b", re.IGNORECASE)
_LASTING = re.compile(
    r"no such host|server misbehaving|network is unreachable|no route to host|connection refused|unauthorized|denied"
    r"|not found|(?:manifest|name|blob) unknown|x509|certificate|no space left|no matching manifest|invalid reference",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"time-?out|timed out|deadline exceeded|connection reset|broken pipe|\beof\b|internal server error|bad gateway"
    r"|service unavailable|\bstatus(?: code)?:? 5\d\d\b",
    re.IGNORECASE,
)


class Stopped(EngineError):
    """Nobody waits for the pull any more."""


def passes(error: BaseException) -> bool:
    """Whether the same pull may succeed later without anybody changing anything.

    The engine's status says little: Docker answers 500 for a host without a name as for a registry that is busy.
    """
    if not isinstance(error, EngineError) or isinstance(error, Stopped):
        return False
    if error.status == 429 or _LIMITED.search(error.what):
        return True
    return not _LASTING.search(error.what) and bool(_PASSING.search(error.what))


@dataclass
class Bytes:
    """How much of an image is here: the layers' bytes summed, as far as the engine tells them (Podman may not)."""

    _layers: dict[str, tuple[int, int]] = field(default_factory=dict)

    def note(self, event: PullEvent) -> None:
        if event.status == "Downloading" and event.total:
            self._layers[event.layer] = (event.current, event.total)
        elif event.status in ("Download complete", "Pull complete") and event.layer in self._layers:
            total = self._layers[event.layer][1]
            self._layers[event.layer] = (total, total)

    def __str__(self) -> str:
        if not self._layers:
            return "under way"
        here, total = (sum(numbers) for numbers in zip(*self._layers.values(), strict=True))
        return f"{here / 1e6:.0f} of {total / 1e6:.0f} MB"  # of the layers that have begun


class Pull:
    """The pull of one reference under a logical name; `state` says how far it is. `over` ends it, and its pauses."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        reference: str,
        retries: Retries,
        progress: Progress,
        over: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._task = f"image {name}"
        self._reference = reference
        self._retries = retries
        self._progress = progress
        self._over = over
        self._clock = clock
        self.state = "waiting for other pulls"

    def run(self) -> None:
        """Raises EngineError: the last one, where there were several attempts."""
        again = retrying(self._retries, passes, cancelled=self._over, pausing=self._pausing)
        with task(self._progress, self._task, f"pulling {self._reference}"):
            again(self._once)

    def _once(self) -> None:
        here, told = Bytes(), self._clock()
        self.state = str(here)
        if self._over.is_set():
            raise Stopped("stopped")
        for event in self._engine.pull(self._reference):
            if self._over.is_set():
                raise Stopped("stopped")
            here.note(event)
            self.state = str(here)
            if self._clock() - told >= _TELL:
                told = self._clock()
                self._progress.step(self._task, self.state)

    def _pausing(self, attempt: tenacity.RetryCallState) -> None:
        error = attempt.outcome.exception() if attempt.outcome else None
        pause = attempt.upcoming_sleep
        self.state = f"waiting {pause:.0f} s after: {error}"
        number = f"{attempt.attempt_number + 1} of {self._retries.attempts}"
        self._progress.step(self._task, f"{error}; attempt {number} in {pause:.0f} s")
