"""The processes of a suite where they are pods: reached through forwarded ports, ended and started by their number.

What a process is in the cluster its declaration says: `names` are its Services, `standsFor` its workloads. The harness
reaches them from outside through `kubectl port-forward`, a connection for each port, on loopback.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.endtoend.model import StandsFor
from harness.endtoend.object_store import ObjectStoreClient, client_of
from harness.endtoend.processes.declared import CONTROL, HttpStub, Process
from harness.endtoend.stand_ins.http_stub import CONTROL_PORT
from harness.errors import DataError, HarnessError
from harness.objects import DEPLOYMENTS, PODS, STATEFULSETS, Object, Objects
from harness.processes.service import Ports, Probe, Service
from harness.processes.services import Services
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import wait
from harness.waiting.reflector import Narrow

_SECONDS = 30.0  # until pods are gone, or a port is forwarded
KINDS = {kind.kind: kind for kind in (DEPLOYMENTS, STATEFULSETS)}


@dataclass(frozen=True)
class Workloads:
    """Does for pods what Processes does for processes; `services` are those of this run, which end with it."""

    cluster: Cluster
    kubectl: Path
    kubeconfig: Path
    services: Services
    declared: Sequence[Process]
    stands_for: Mapping[str, tuple[StandsFor, ...]]
    _replicas: dict[StandsFor, int] = field(default_factory=dict)  # before they were stopped

    def check(self) -> None:
        """A pod that ends is started again by its kubelet: its workload says what became of it."""

    def ports(self, name: str) -> Mapping[str, int]:
        """The ports of a process by purpose, as they are reached from here. Raises HarnessError where they are not."""
        targets = self._targets(name)
        if not targets:
            raise DataError("has no name and no workload in the cluster", where=f"processes.{name}", do="add names")
        return self._forwarded(name, targets)

    def store(self, name: str) -> ObjectStoreClient:
        """A client of a stand-in for S3. Raises DataError for a process that is none."""
        return client_of(self._process(name), self.ports)

    def stop(self, *names: str) -> None:
        """No replica, and no pod any more. Raises HarnessError where some are left."""
        for workload in [each for name in names for each in self._workloads(name)]:
            item = self._item(workload)
            self._replicas.setdefault(workload, int(item["spec"].get("replicas", 1)) or 1)
            self._scale(workload, 0)
            wait(
                self.cluster,
                (PODS,),
                _gone,
                Deadline.after(_SECONDS + _grace(item)),
                settle=0.0,
                narrow={PODS: Narrow(namespace=workload.namespace, labels=_selector(item))},
            )

    def start(self, *names: str) -> None:
        """As many replicas as there were, all of them available."""
        for name in names:
            for workload in self._workloads(name):
                self._scale(workload, self._replicas.pop(workload, 1))
                kind = KINDS[workload.kind]
                wait(
                    self.cluster,
                    (kind,),
                    lambda objects, kind=kind: _available(objects.all(kind)),  # type: ignore[misc]
                    Deadline.after(self._process(name).within),
                    settle=0.0,
                    narrow={kind: Narrow(namespace=workload.namespace, name=workload.name)},
                )

    def restart(self, name: str) -> None:
        """Ended and started again; returns when it is available."""
        self.stop(name)
        self.start(name)

    def kill(self, name: str) -> None:
        """Its pods end at once, and the workload makes others."""
        for workload in self._workloads(name):
            pods = self.cluster.list(
                PODS, namespace=workload.namespace, label_selector=_selector(self._item(workload))
            ).items
            for pod in pods:
                self.cluster.delete(PODS, workload.namespace, pod["metadata"]["name"], grace=0)

    def close(self) -> None:
        """End what forwards ports."""
        self.services.close()
        self.services.stop(*self.services.logs())

    def _process(self, name: str) -> Process:
        return next(process for process in self.declared if process.name == name)

    def _workloads(self, name: str) -> tuple[StandsFor, ...]:
        found = tuple(each for each in self.stands_for.get(name, ()) if each.kind in KINDS)
        if not found:
            what = "stands for no Deployment and no StatefulSet"
            raise DataError(what, where=f"processes.{name}", do="name its workload in standsFor")
        return found

    def _targets(self, name: str) -> dict[str, tuple[str, str, int]]:
        """By purpose, whom kubectl is to reach: namespace, Service or workload, port."""
        process = self._process(name)
        found = {
            purpose: (service.namespace, f"service/{service.name}", service.port)
            for service, purpose in process.names.items()
        }
        if isinstance(process.run, HttpStub):
            workload = self._workloads(name)[0]
            found[CONTROL] = (workload.namespace, f"{workload.kind.lower()}/{workload.name}", CONTROL_PORT)
        return found

    def _forwarded(self, name: str, targets: Mapping[str, tuple[str, str, int]]) -> Mapping[str, int]:
        purposes = {purpose: f"{name}-{purpose}" for purpose in targets}

        def forwards(ports: Ports) -> Iterator[Service]:
            for purpose, (namespace, target, port) in targets.items():
                here = ports[purposes[purpose]]
                words = ["port-forward", f"--kubeconfig={self.kubeconfig}", f"--namespace={namespace}"]
                words += ["--address=127.0.0.1", target, f"{here}:{port}"]
                yield Service(f"forward-{name}-{purpose}", self.kubectl, tuple(words), (Probe(here),))

        self.services.ensure(lambda ports: tuple(forwards(ports)), _SECONDS, ports=tuple(purposes.values()))
        known = self.services.ports(list(purposes.values()))
        return {purpose: known[each] for purpose, each in purposes.items()}

    def _item(self, workload: StandsFor) -> Object:
        item = self.cluster.get(KINDS[workload.kind], workload.namespace, workload.name)
        if item is None:
            raise HarnessError(f"{workload.kind} {workload.namespace}/{workload.name} not found")
        return item

    def _scale(self, workload: StandsFor, replicas: int) -> None:
        self.cluster.patch_merge(
            KINDS[workload.kind], workload.namespace, workload.name, {"spec": {"replicas": replicas}}
        )


def _selector(item: Object) -> str:
    labels = item["spec"]["selector"].get("matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _grace(item: Object) -> float:
    """Seconds that a pod has to end by itself."""
    return float(item["spec"]["template"]["spec"].get("terminationGracePeriodSeconds", 30))


def _gone(objects: Objects) -> Verdict:
    left = [pod["metadata"]["name"] for pod in objects.all(PODS)]
    return Waiting(f"pods are still there: {', '.join(left)}") if left else Passed("no pod is left")


def _available(items: Sequence[Object]) -> Verdict:
    for item in items:
        status, wanted = item.get("status") or {}, item["spec"].get("replicas", 1)
        fresh = status.get("observedGeneration", 0) >= item["metadata"].get("generation", 0)
        if not fresh or status.get("availableReplicas", 0) < wanted:
            name = item["metadata"]["name"]
            return Waiting(f"{name} has {status.get('availableReplicas', 0)} of {wanted} replicas available")
    return Passed("available") if items else Waiting("it is not there")
