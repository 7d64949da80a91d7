"""What a provider's own controllers do for a cluster, for a simulated one: a process beside the control plane.

It makes volumes for claims, gives addresses to Services of type LoadBalancer and to Ingresses, and publishes the GPUs
of nodes once a recipe brings a DRA driver. It lives as long as its cluster, so that charts that are installed by hand
find it too; it keeps nothing, and does what is due whenever something changes.

    python -m kwok.cloud KUBECONFIG
"""

import json
import queue
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.cluster.api import ApiError, Cluster
from harness.errors import HarnessError
from harness.objects import NODES, PERSISTENT_VOLUMES, Kind, Object, Objects
from harness.processes import daemons
from harness.processes.daemons import Identity
from harness.processes.service import MARK
from harness.settings import ROOT
from harness.waiting.reflector import Changed, Listed, Message, Refused, Watching
from harness.waiting.store import Mirror
from kwok import devices, storage
from kwok.devices import DEVICE_CLASSES, RESOURCE_SLICES

SERVICES = Kind("v1", "services", "Service")
INGRESSES = Kind("networking.k8s.io/v1", "ingresses", "Ingress")
KINDS = (*storage.KINDS, SERVICES, INGRESSES, DEVICE_CLASSES)
ADDRESS = "192.0.2.1"  # of every load balancer: set aside for documentation (RFC 5737), so it leads nowhere

LOG = "simulated-cloud.log"
RECORD = "simulated-cloud.json"
_AGAIN_SECONDS = 2.0  # until what did not show yet is done once more
_IDLE_SECONDS = 5.0  # between two looks at whether the cluster is still there


@dataclass(frozen=True)
class Deed:
    """One request: `create` of an object, `delete` of a name, or `status`, a merge patch of it."""

    verb: Literal["create", "delete", "status"]
    kind: Kind
    namespace: str
    name: str
    body: Object = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return f"{self.verb} {self.kind.kind} {'/'.join(filter(None, (self.namespace, self.name)))}"


def due(objects: Objects) -> Iterator[Deed]:
    """What is to be done now. `objects` is over KINDS."""
    for volume in storage.volumes_due(objects):
        yield Deed("create", PERSISTENT_VOLUMES, "", volume["metadata"]["name"], volume)
    for name in storage.volumes_spent(objects):
        yield Deed("delete", PERSISTENT_VOLUMES, "", name)
    balanced = [(SERVICES, each) for each in objects.all(SERVICES) if each["spec"].get("type") == "LoadBalancer"]
    for kind, item in (*balanced, *((INGRESSES, each) for each in objects.all(INGRESSES))):
        if not ((item.get("status") or {}).get("loadBalancer") or {}).get("ingress"):
            metadata = item["metadata"]
            yield Deed("status", kind, metadata["namespace"], metadata["name"], _addressed())


def published(nodes: Iterable[Object], there: Iterable[Object], *, wanted: bool) -> Iterator[Deed]:
    """What is to be done about ResourceSlices: `there` are ours, `wanted` says whether there is a class for them."""
    planned = {each["metadata"]["name"]: each for each in devices.slices(nodes)} if wanted else {}
    names = {each["metadata"]["name"] for each in there}
    for name in sorted(names - planned.keys()):
        yield Deed("delete", RESOURCE_SLICES, "", name)
    for name in sorted(planned.keys() - names):
        yield Deed("create", RESOURCE_SLICES, "", name, planned[name])


def ensure(directory: Path, kubeconfig: Path) -> None:
    """Have the process of the cluster in `directory` running. Whoever ends the cluster finds it by its environment."""
    record = directory / RECORD
    if record.exists() and daemons.alive(Identity(**json.loads(record.read_text(encoding="utf-8")))):
        return
    argv: list[str | Path] = [sys.executable, "-m", "kwok.cloud", kubeconfig]
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(directory), MARK: str(directory)}
    identity = daemons.start(argv, env=environment, cwd=directory, log=directory / LOG)
    record.write_text(json.dumps(asdict(identity)), encoding="utf-8")


class Cloud:
    """The controllers of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._mirrors = {kind: Mirror() for kind in KINDS}
        self._unlisted = set(KINDS)
        self._done: dict[Deed, float] = {}  # when: until it shows, it is not done again

    def take(self, message: Message) -> None:
        match message:
            case Refused(error=error):
                raise error
            case Listed(kind, listing, _):
                self._unlisted.discard(kind)
                self._mirrors[kind].listed(listing.items, listing.resource_version)
            case Changed(kind, event, item, _):
                self._mirrors[kind].changed(event, item)

    def work(self) -> bool:
        """Do what is due; whether all of it shows already."""
        if self._unlisted:
            return True
        objects = Objects({kind: mirror.items for kind, mirror in self._mirrors.items()})
        deeds = list(due(objects))
        now = time.monotonic()
        self._done = {deed: at for deed, at in self._done.items() if deed in deeds and now - at < _AGAIN_SECONDS}
        for deed in deeds:
            if deed not in self._done:
                self._done[deed] = now
                self._do(deed)
        return not deeds

    def publish(self) -> None:
        """Have the slices that the classes ask for; asked of the server, since both change a few times in a cluster's
        life.
        """
        if self._unlisted:
            return
        wanted = devices.wanted(self._mirrors[DEVICE_CLASSES].items.values())
        nodes = self._cluster.list(NODES, label_selector=devices.GPU_NODES).items if wanted else []
        there = self._cluster.list(RESOURCE_SLICES, label_selector="=".join(devices.SLICE_LABEL)).items
        for deed in published(nodes, there, wanted=wanted):
            self._do(deed)

    def _do(self, deed: Deed) -> None:
        try:
            match deed.verb:
                case "create":
                    self._cluster.create(deed.kind, deed.body)
                case "delete":
                    self._cluster.delete(deed.kind, deed.namespace, deed.name)
                case "status":
                    self._cluster.patch_merge(deed.kind, deed.namespace, deed.name, deed.body, "status")
        except ApiError as error:
            if error.status not in (404, 409):  # gone meanwhile, or there already
                _say(f"{deed}: {error}")
        else:
            _say(str(deed))


def serve(kubeconfig: Path) -> None:
    """Work until the cluster is gone."""
    while kubeconfig.exists():
        try:
            cluster = Cluster(kubeconfig)
            with Watching(cluster, KINDS) as watching:
                _attend(Cloud(cluster), watching, kubeconfig)
        except HarnessError as error:
            _say(str(error))
            time.sleep(_AGAIN_SECONDS)


def _attend(cloud: Cloud, watching: Watching, kubeconfig: Path) -> None:
    settled, devices_changed = True, False
    while kubeconfig.exists():
        try:
            messages = [watching.messages.get(timeout=_IDLE_SECONDS if settled else _AGAIN_SECONDS)]
        except queue.Empty:
            messages, devices_changed = [], settled  # nodes may have come
        messages += [watching.messages.get() for _ in range(watching.messages.qsize())]
        for message in messages:
            cloud.take(message)
            devices_changed |= getattr(message, "kind", None) == DEVICE_CLASSES
        settled = cloud.work()
        if devices_changed:
            cloud.publish()
            devices_changed = False


def _addressed() -> dict[str, Any]:
    return {"status": {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}}


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
