"""What the simulated cloud does for a cluster, and that it does it once."""

from pathlib import Path
from typing import Any, cast

import pytest

from harness.cluster.api import ApiError, Cluster, Listing
from harness.objects import CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES, Kind, Objects, key_of
from harness.processes import daemons
from harness.waiting.reflector import Changed, Listed
from kwok import cloud
from kwok.cloud import ADDRESS, INGRESSES, KINDS, SERVICES, Cloud, due


def named(name: str, **parts: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "apps", "name": name, "uid": f"uid-{name}"}, "spec": {}, **parts}


def seen(**objects: dict[str, Any]) -> Objects:
    kinds = {"service": SERVICES, "ingress": INGRESSES}
    found: dict[Kind, dict[Any, Any]] = {kind: {} for kind in KINDS}
    for name, item in objects.items():
        found[kinds[name]][key_of(item)] = item
    return Objects(found)


GIVEN = {"status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}}


@pytest.mark.parametrize(
    ("objects", "deeds"),
    [
        ({"service": named("web", spec={"type": "LoadBalancer"})}, ["status Service apps/web"]),
        ({"service": named("web", spec={"type": "LoadBalancer"}, **GIVEN)}, []),
        ({"service": named("web", spec={"type": "ClusterIP"})}, []),
        ({"ingress": named("web")}, ["status Ingress apps/web"]),
        ({"ingress": named("web", **GIVEN)}, []),
    ],
)
def test_who_waits_for_an_address_gets_one(objects: dict[str, Any], deeds: list[str]) -> None:
    """Services of type LoadBalancer and Ingresses that have none."""
    assert [str(each) for each in due(seen(**objects))] == deeds


class Server:
    """Records what is asked; refuses with `status` where there is one."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.asked: list[str] = []

    def create(self, kind: Kind, obj: dict[str, Any]) -> None:
        self.asked.append(f"create {kind.kind}")
        if self.status:
            raise ApiError(self.status, "no", "")

    def patch_merge(self, kind: Kind, namespace: str, name: str, patch: Any, subresource: str) -> None:
        assert patch == {"status": {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}}
        self.asked.append(f"{subresource} {name}")


def listed(clouds: Cloud, **items: list[dict[str, Any]]) -> None:
    by_name = {kind.plural: kind for kind in KINDS}
    for plural, kind in by_name.items():
        clouds.take(Listed(kind, Listing(items.get(plural, []), "5"), 0.0))


def test_nothing_is_done_before_all_is_known() -> None:
    """A volume that was made already must not be made again for not being listed yet."""
    server = Server()
    clouds = Cloud(cast(Cluster, server))
    clouds.take(Listed(SERVICES, Listing([named("web", spec={"type": "LoadBalancer"})], "5"), 0.0))
    assert clouds.work()
    assert server.asked == []


def test_a_deed_is_done_once_until_it_shows() -> None:
    """The stream of changes is behind: what was just done is not done again for each event."""
    server = Server()
    clouds = Cloud(cast(Cluster, server))
    web = named("web", spec={"type": "LoadBalancer"})
    web["metadata"]["resourceVersion"] = "5"
    listed(clouds, services=[web])
    assert not clouds.work()
    assert not clouds.work()
    assert server.asked == ["status web"]
    given = {**web, **GIVEN, "metadata": {**web["metadata"], "resourceVersion": "6"}}
    clouds.take(Changed(SERVICES, "MODIFIED", given, 0.0))
    assert clouds.work()


@pytest.mark.parametrize("status", [404, 409, 500])
def test_a_refusal_ends_nothing(status: int, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said, unless somebody else was quicker."""
    server = Server(status)
    clouds = Cloud(cast(Cluster, server))
    of = {"metadata": {"name": "fast"}, "provisioner": "x", "volumeBindingMode": "Immediate"}
    spec = {"storageClassName": "fast", "accessModes": ["A"], "resources": {"requests": {"storage": "1"}}}
    listed(clouds, storageclasses=[of], persistentvolumeclaims=[named("data", spec=spec)])
    clouds.work()
    assert server.asked == ["create PersistentVolume"]
    assert bool(capsys.readouterr().out) is (status == 500)


def test_the_kinds_are_those_that_it_acts_for() -> None:
    """Claims, their classes and volumes, what waits for an address, and classes of devices."""
    assert {STORAGE_CLASSES, CLAIMS, PERSISTENT_VOLUMES, SERVICES, INGRESSES} < set(KINDS)


def test_one_process_for_each_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started where none runs, found again where one does, and known by the cluster's directory."""
    started: list[dict[str, str]] = []

    def start(argv: Any, *, env: dict[str, str], cwd: Path, log: Path) -> daemons.Identity:
        started.append(env)
        return daemons.this()

    monkeypatch.setattr(daemons, "start", start)
    cloud.ensure(tmp_path, tmp_path / "kubeconfig.yaml")
    cloud.ensure(tmp_path, tmp_path / "kubeconfig.yaml")
    assert [each["KWOK_HARNESS_CLUSTER"] for each in started] == [str(tmp_path)]
