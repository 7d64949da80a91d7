"""When each component began to be applied and when it was ready: for reports, never for decisions."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from harness.objects import Objects
from harness.waiting.loop import Judged, Observe

Progress = Callable[[Objects], Mapping[str, bool]]  # by name, whether it is ready; who has not begun is not in it


class Timeline:
    """`rows` is {"name", "applied", "ready"} of each component, in seconds of `clock`, None for what has not happened.

    May be told from several threads, of different components.
    """

    def __init__(self, names: Iterable[str], clock: Callable[[], float]) -> None:
        self.rows: list[dict[str, Any]] = [{"name": name, "applied": None, "ready": None} for name in names]
        self._clock = clock

    @contextmanager
    def applying(self, name: str) -> Iterator[None]:
        """The component is applied in the block, and ready when that has ended well."""
        self._saw({name: False})
        yield
        self._saw({name: True})

    def observing(self, progress: Progress) -> Observe:
        """An observer of a wait in which components make progress; who gets unready again is ready later.

        What is no component, such as a root Application, has no row.
        """

        def observe(judged: Judged) -> None:
            self._saw(progress(judged.objects))

        return observe

    def _saw(self, progress: Mapping[str, bool]) -> None:
        now = round(self._clock(), 3)
        for row in self.rows:
            if (ready := progress.get(row["name"])) is None:
                continue
            if row["applied"] is None:
                row["applied"] = now
            row["ready"] = (now if row["ready"] is None else row["ready"]) if ready else None
