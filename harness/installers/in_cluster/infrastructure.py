"""The infrastructure of the Kind runtime: pods on the real node, looked after while a cell needs them.

Nothing here restarts anything, the kubelet does. But a controller that ended and came back has forgotten what it was
about, so what it says afterwards is no verdict: each ending is noticed when it happens, as on the host runtime.
"""

import threading
from dataclasses import dataclass, field
from functools import partial

from harness.deadline import Deadline
from harness.errors import ClusterError, HarnessError
from harness.gates import rollouts
from harness.gates.rollouts import Workload
from harness.installers.in_cluster import rollout
from harness.installers.installer import Installer, KindSite
from harness.objects import PODS, Object
from harness.waiting.reflector import Changed, Listed, Refused, Stopped, Watching
from harness.waiting.store import Mirror

_STOP_SECONDS = 30.0  # until the pods of what is stopped are gone: they are killed after three


class PartDied(ClusterError):
    """A part of the infrastructure, or the node, ended without being told to; the message carries its last words."""

    def __init__(self, name: str, how: str, *, where: str, words: str | None = None) -> None:
        said = "" if words is None else f". Its last words:\n{words or '(none)'}"
        super().__init__(f"{how}{said}", where=where)
        self.name = name


@dataclass
class _Attended:
    """The pods of a workload as they were when it was ready: how often each container had been started again."""

    workload: Workload
    pods: dict[str, Object]  # by uid
    death: PartDied | None = None


@dataclass
class KindInfrastructure:
    """An Infrastructure, of workloads in the cluster of a site."""

    site: KindSite
    died: threading.Event = field(default_factory=threading.Event)
    _attended: dict[str, _Attended] = field(default_factory=dict)  # by the workload's name
    _known: dict[str, Workload] = field(default_factory=dict)
    _node: PartDied | None = None
    _watching: Watching | None = None
    _closed: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        threading.Thread(target=self._follow_node, name="the node", daemon=True).start()

    def install(self, installer: Installer) -> None:
        names = [workload.name for workload in installer.kind.workloads]
        self._known |= {workload.name: workload for workload in installer.kind.workloads}
        self._begin()
        self._unattend(*names)  # whatever becomes of them now is meant
        try:
            installer.kind.install(self.site)
        except HarnessError:
            if self._node is not None:  # then that is the news
                raise self._node from None
            raise
        self._attend(installer.kind.workloads)

    def check(self, *names: str) -> None:
        with self._lock:
            if self._node is not None:
                raise self._node
            for name, attended in self._attended.items():
                if attended.death is not None and (name in names or not names):
                    raise attended.death

    def stop(self, *names: str) -> None:
        self._unattend(*names)
        workloads = [self._known[name] for name in names if name in self._known]
        rollout.stop(self.site.cluster, workloads, Deadline.after(_STOP_SECONDS))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._attended.clear()
            self._node = None
            self._tell()
            if self._watching is not None:
                self._watching.messages.put(Stopped())
                self._watching.__exit__(None, None, None)

    def log(self, name: str, lines: int) -> str:
        if name not in self._known:
            raise HarnessError(f"{name} was never installed")
        return rollout.log(self.site.cluster, self._known[name], lines)

    # What is looked after

    def _begin(self) -> None:
        """Follow the pods, from the first installation on."""
        with self._lock:
            if self._watching is not None or self._closed:
                return
            watching = self._watching = Watching(self.site.cluster, (PODS,))
            watching.__enter__()
        following = partial(self._follow_pods, watching)
        threading.Thread(target=following, name="infrastructure pods", daemon=True).start()

    def _attend(self, workloads: tuple[Workload, ...]) -> None:
        """From now on each ending of one of their containers is a death."""
        # Listed under the lock: no event of a pod can be judged between the list and what it is held against.
        with self._lock:
            for workload in () if self._closed else workloads:
                pods = rollout.pods(self.site.cluster, workload)
                by_uid = {pod["metadata"]["uid"]: pod for pod in pods}
                self._attended[workload.name] = _Attended(workload, by_uid)

    def _unattend(self, *names: str) -> None:
        with self._lock:
            for name in names:
                self._attended.pop(name, None)
            self._tell()

    def _tell(self) -> None:
        if self._node is not None or any(attended.death is not None for attended in self._attended.values()):
            self.died.set()
        else:
            self.died.clear()

    def _follow_pods(self, watching: Watching) -> None:
        """The thread that sees each change of a pod; a server that does not answer is the node's thread's business."""
        mirror = Mirror()
        while True:
            match watching.messages.get():
                case Stopped():
                    return
                case Refused(error):
                    self._lost(f"the pods of the infrastructure cannot be watched: {error}")
                case Listed(_, listing):
                    mirror.listed(listing.items, listing.resource_version)
                    present = {pod["metadata"]["uid"] for pod in listing.items}
                    for pod in listing.items:
                        self._seen(pod)
                    self._missing(present)
                case Changed(_, event, pod):
                    if mirror.changed(event, pod):
                        self._seen(pod, gone=event == "DELETED")

    def _seen(self, pod: Object, *, gone: bool = False) -> None:
        with self._lock:
            attended = self._attending(pod["metadata"]["uid"])
        if attended is None:
            return
        before = attended.pods[pod["metadata"]["uid"]]
        ending = rollouts.ended_since(before, pod)
        if ending:
            crash = next(rollouts.crashes(pod), None)
            words = rollout.words_of(self.site.cluster, crash) if crash is not None else ""
            self._dead(attended, pod, ending, words)
        elif gone or "deletionTimestamp" in pod["metadata"]:
            self._dead(attended, pod, "was deleted")

    def _missing(self, present: set[str]) -> None:
        """What went while nobody watched."""
        with self._lock:
            lost = [
                (each, pod) for each in self._attended.values() for uid, pod in each.pods.items() if uid not in present
            ]
        for attended, pod in lost:
            self._dead(attended, pod, "was deleted")

    def _attending(self, uid: str) -> _Attended | None:
        return next((each for each in self._attended.values() if uid in each.pods and each.death is None), None)

    def _dead(self, attended: _Attended, pod: Object, how: str, words: str = "") -> None:
        name = attended.workload.name
        told = f"{name} (pod {pod['metadata']['name']}) {how}"
        death = PartDied(name, told, where=str(attended.workload), words=words)
        with self._lock:
            if self._attended.get(name) is attended and attended.death is None:  # and was not told to, meanwhile
                attended.death = death
                self._tell()

    def _follow_node(self) -> None:
        """The thread that blocks until the node has stopped."""
        try:
            how = f"stopped with exit code {self.site.until_stopped()}"
        except ClusterError as error:
            how = f"is gone: {error.what}"
        self._lost(f"the node {how}")

    def _lost(self, what: str) -> None:
        with self._lock:
            if not self._closed:
                self._node = PartDied("node", what, where=f"cluster {self.site.running.name}")
                self._tell()
                self.site.lost.set()
