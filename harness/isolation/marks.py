"""The marks by which a cluster says which run uses it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from harness.errors import ClusterError
from harness.processes import daemons
from harness.processes.daemons import Identity
from harness.replacing import replace
from harness.results.journal import Journal
from harness.runtime import Runtime


@dataclass(frozen=True)
class Mark:
    """What is known of the cell on a cluster. `throwaway`: the cluster was made for it; `kept`: it asked to stay."""

    owner: Identity
    cell: str
    throwaway: bool
    kept: bool = False

    @property
    def abandoned(self) -> bool:
        return not self.kept and not daemons.alive(self.owner)


class Marks:
    """The marks on disk, by cluster name, below the state directory."""

    def __init__(self, state: Path) -> None:
        self._directory = state / "cells"

    def read(self, name: str) -> Mark | None:
        try:
            data = json.loads(self._file(name).read_text(encoding="utf-8"))
            return Mark(Identity(**data["owner"]), data["cell"], data["throwaway"], data["kept"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ClusterError("is not a mark of the harness", where=str(self._file(name)), do="remove it") from error

    def write(self, name: str, mark: Mark) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace(self._file(name), json.dumps(asdict(mark)))

    def remove(self, name: str) -> None:
        self._file(name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        return sorted(file.stem for file in self._directory.glob("*.json"))

    def lock(self, name: str) -> FileLock:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Of the whole process: the thread that boots a cluster takes it, and another one gives it back.
        return FileLock(self._directory / f"{name}.lock", blocking=False, thread_local=False)

    def _file(self, name: str) -> Path:
        return self._directory / f"{name}.json"


def sweep_abandoned(runtime: Runtime, marks: Marks, journal: Journal) -> None:
    """Take down what killed runs have left: throwaway clusters whose owner is gone. Others are left alone."""
    for name in marks.names():
        mark = marks.read(name)
        if mark is not None and mark.throwaway and mark.abandoned:
            journal.note(f"cluster {name} was left by a run that was killed ({mark.cell}): taking it down")
            runtime.down(name)
            marks.remove(name)
