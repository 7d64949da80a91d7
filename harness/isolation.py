"""Who uses which cluster, and how it is given back: one cell's failure never leaks into the next.

A new control plane for each cell needs no cleaning: it is thrown away. A cluster that is reused is cleaned and
compared with what it was; what cannot be brought back means a new cluster. A mark (a file beside the clusters) says
whose cell is on a cluster: a mark whose owner is gone tells the next run what a killed one left behind.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from harness import cleanup
from harness.cluster.api import Cluster
from harness.cluster.ownership import require_ours
from harness.deadline import Deadline
from harness.errors import ClusterError, HarnessError
from harness.helm.client import Helm
from harness.inventory import Inventory, take
from harness.objects import Object
from harness.processes import daemons
from harness.processes.daemons import Identity
from harness.results.journal import Journal
from harness.runtime import RunningCluster, Runtime
from harness.settings import Deadlines
from kwok.nodes import apply_nodes

HelmFor = Callable[[RunningCluster], Helm]


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
        fresh = self._file(name).with_suffix(".new")
        fresh.write_text(json.dumps(asdict(mark)), encoding="utf-8")
        fresh.replace(self._file(name))

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


class Stay:
    """One cell on one cluster: `begin` gives the cluster with its nodes, `end` gives it back."""

    def __init__(
        self,
        runtime: Runtime,
        marks: Marks,
        journal: Journal,
        deadlines: Deadlines,
        *,
        cell: str,
        name: str,
        reuse: bool,
    ) -> None:
        self._runtime = runtime
        self._marks = marks
        self._journal = journal
        self._deadlines = deadlines
        self._cell = cell
        self._reuse = reuse
        self._lock: FileLock | None = None
        self._before: Inventory | None = None
        self.name = name
        self.open = False  # begun, and not given back yet
        self.cleaned = False  # given back as it was
        self.running: RunningCluster | None = None
        self.cluster: Cluster | None = None

    def begin(self, nodes: Sequence[Object]) -> tuple[RunningCluster, Cluster]:
        """Bring the cluster up, with exactly these nodes, all Ready. Raises ClusterError."""
        if self._reuse:
            self._claim()
        self.open = True
        self._marks.write(self.name, Mark(daemons.this(), self._cell, throwaway=not self._reuse))
        running = self.running = self._runtime.up(self.name, self._journal.progress)
        cluster = self.cluster = Cluster(running.kubeconfig, context=running.context)
        require_ours(cluster, running)
        apply_nodes(cluster, nodes, Deadline.after(self._deadlines.nodes_ready), self._journal.progress)
        return running, cluster

    def remember(self) -> None:
        """Take note of what is there: what a reused cluster is to be again after the cell. To be called when it has
        all that is to stay.
        """
        if self._reuse and self.cluster is not None:
            self._before = take(self.cluster)

    @property
    def restorable(self) -> bool:
        """Whether it is known what a reused cluster is to be again."""
        return self._before is not None

    def end(self, helm_for: HelmFor, *, keep: bool, hurried: bool) -> str:
        """Give the cluster back and say in a few words how: taken down, cleaned, replaced or kept.

        `hurried`: there is no time to clean a reused cluster, it is taken down. May be called again where it failed.
        """
        if not self.open:
            return "nothing to give back"
        how = self._end(helm_for, keep=keep, hurried=hurried)
        self.open = False
        if self._lock is not None:
            self._lock.release()
        return how

    def _end(self, helm_for: HelmFor, *, keep: bool, hurried: bool) -> str:
        mark = self._marks.read(self.name)
        if keep and self.running is not None and mark is not None:
            self._marks.write(self.name, replace(mark, kept=True))
            return f"kept: export KUBECONFIG={self.running.kubeconfig}; remove it with: kwok-harness down {self.name}"
        if self._reuse and not hurried and self._clean(helm_for):
            self._marks.remove(self.name)
            self.cleaned = True
            return "cleaned: the same objects as before"
        self._runtime.down(self.name)
        self._marks.remove(self.name)
        return "taken down"

    def _claim(self) -> None:
        """Nobody else may be on the cluster; what an earlier cell left on it is not trusted."""
        self._lock = self._marks.lock(self.name)
        try:
            self._lock.acquire()
        except Timeout:
            self._lock = None
            mark = self._marks.read(self.name)
            who = f"{mark.cell}, process {mark.owner.pid}" if mark else "another run"
            raise ClusterError(
                f"cluster {self.name} is in use ({who})",
                do="wait for it, or run without --reuse, on a control plane of its own",
            ) from None
        mark = self._marks.read(self.name)
        if mark is not None:
            why = "was kept as it was" if mark.kept else "did not end"
            self._journal.note(f"cluster {self.name} is replaced: an earlier cell on it ({mark.cell}) {why}")
            self._runtime.down(self.name)
            self._marks.remove(self.name)

    def _clean(self, helm_for: HelmFor) -> bool:
        """Whether the cluster is again what it was before the cell."""
        if self.running is None or self.cluster is None or self._before is None:
            return False
        with suppress(HarnessError):
            require_ours(self.cluster, self.running)
            report = cleanup.restore(
                self.cluster,
                helm_for(self.running),
                self._before,
                Deadline.after(self._deadlines.cleanup),
                self._journal.progress,
            )
            if report.clean:
                return True
            left = "; ".join(report.remaining[:3])
            self._journal.note(f"cluster {self.name} is taken down: what the cell left could not be removed: {left}")
        return False
