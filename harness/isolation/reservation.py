"""Who uses which cluster, and how it is given back: one cell's failure never leaks into the next.

A new control plane for each cell needs no cleaning: it is thrown away. A cluster that is reused is cleaned and
compared with what it was; what cannot be brought back means a new cluster. A mark (a file beside the clusters) says
whose cell is on a cluster: a mark whose owner is gone tells the next run what a killed one left behind.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from filelock import FileLock, Timeout

from harness.cluster.api import Cluster
from harness.cluster.ownership import require_ours
from harness.deadline import Deadline
from harness.errors import ClusterError, HarnessError
from harness.helm.client import Helm
from harness.isolation import restore
from harness.isolation.inventory import Inventory, take
from harness.isolation.marks import Mark, Marks
from harness.isolation.nodes import apply_nodes
from harness.objects import Object
from harness.processes import daemons
from harness.results.journal import Journal
from harness.runtime import RunningCluster, Runtime
from harness.settings import Deadlines

HelmFor = Callable[[RunningCluster], Helm]


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
            report = restore.restore(
                self.cluster,
                helm_for(self.running),
                self._before,
                Deadline.after(self._deadlines.cleanup),
                self._journal.progress,
            )
            if report.clean:
                return True
            left = "; ".join(report.remaining[:3])
            self._journal.note(f"cluster {self.name} was deleted: objects of the cell could not be removed: {left}")
        return False
