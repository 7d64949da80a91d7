"""One piece of work beside the main line: a cluster that boots while a bundle is made.

A daemon thread, not an executor: executors join their threads at the end of the program, so that one stuck call would
keep an interrupted harness from ending.
"""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """Starts `work` at once; `result` waits for it and gives what it returned or raised."""

    def __init__(self, work: Callable[[], T], name: str) -> None:
        self._work = work
        self.future: Future[T] = Future()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def result(self, timeout: float | None = None) -> T:
        """Raises TimeoutError after `timeout` seconds, and what the work raised."""
        return self.future.result(timeout)

    def wait(self, timeout: float) -> bool:
        """Whether the work has ended, well or not, within `timeout` seconds."""
        return bool(wait([self.future], timeout).done)

    def _run(self) -> None:
        try:
            self.future.set_result(self._work())
        except BaseException as error:  # noqa: BLE001 - handed to whoever asks for the result
            self.future.set_exception(error)


def all_done(*works: Background[Any]) -> None:
    """Return when all have ended well; raise the first error as soon as it is there, whatever the others still do."""
    done, _ = wait([work.future for work in works], return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()
