"""How long-running work tells a person what it does. The console draws it; tests record it; nothing here prints."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from harness.excerpts import first_line


class Progress(Protocol):
    """Receives events from any thread. A `task` is a short stable name: "cluster", "tool etcd", "release nfd"."""

    def started(self, task: str, detail: str = "") -> None: ...

    def step(self, task: str, detail: str) -> None: ...

    def finished(self, task: str, detail: str = "") -> None: ...

    def failed(self, task: str, detail: str) -> None: ...

    def note(self, text: str) -> None:
        """A sentence that stands by itself, for people."""
        ...


class Silent:
    """A Progress that nobody watches."""

    def started(self, task: str, detail: str = "") -> None: ...

    def step(self, task: str, detail: str) -> None: ...

    def finished(self, task: str, detail: str = "") -> None: ...

    def failed(self, task: str, detail: str) -> None: ...

    def note(self, text: str) -> None: ...


@contextmanager
def task(progress: Progress, name: str, detail: str = "") -> Iterator[None]:
    """Report the block as one task; an exception is its failure and goes on."""
    progress.started(name, detail)
    try:
        yield
    except BaseException as error:
        progress.failed(name, first_line(error))
        raise
    progress.finished(name)
