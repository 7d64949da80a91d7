"""One piece of work beside the main line: a cluster that boots while a bundle is made.

A daemon thread, not an executor: executors join their threads at the end of the program, so that one stuck call would
keep an interrupted harness from ending.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """Starts `work` at once; `result` waits for it and gives what it returned or raised."""

    def __init__(self, work: Callable[[], T], name: str) -> None:
        self._work = work
        self._done = threading.Event()
        self._value: T
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def result(self, timeout: float | None = None) -> T:
        """Raises TimeoutError after `timeout` seconds, and what the work raised."""
        if not self._done.wait(timeout):
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._value

    def wait(self, timeout: float) -> bool:
        """Whether the work has ended, well or not, within `timeout` seconds."""
        return self._done.wait(timeout)

    def _run(self) -> None:
        try:
            self._value = self._work()
        except BaseException as error:  # noqa: BLE001 - handed to whoever asks for the result
            self._error = error
        finally:
            self._done.set()
