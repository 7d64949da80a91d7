"""Which runtime is used, and what follows from it."""

from pathlib import Path

import pytest

from harness.errors import ImageMissing
from harness.exits import Exit
from harness.installers.registry.store import STORE
from harness.publishing.oci.address import Address
from harness.settings import Settings, load
from kwok import platforms
from kwok.engine.client import EngineMissing
from kwok.platforms import HostPlatform, KindPlatform, choose
from lanes import LANES, find


class Docker:
    """An engine that answers."""

    name = "Docker 28.0.1"

    @classmethod
    def connect(cls, environment: object, timeout: float) -> "Docker":
        return cls()


class Nobody:
    """No engine."""

    @classmethod
    def connect(cls, environment: object = None, timeout: float = 5.0) -> "Docker":
        raise EngineMissing("no container engine answers")


def settings(runtime: str) -> Settings:
    return load(environment={"RUNTIME": runtime})


@pytest.mark.parametrize(
    ("engine", "runtime", "why"), [(Docker, "kind", "Docker 28"), (Nobody, "host", "no container")]
)
def test_an_engine_that_answers_makes_it_kind(
    engine: object, runtime: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the settings leave it open; the reason is told."""
    monkeypatch.setattr(platforms, "Engine", engine)
    chosen = choose(settings("auto"), {})
    assert chosen.runtime == runtime
    assert why in chosen.why


@pytest.mark.parametrize("runtime", ["host", "kind"])
def test_what_the_settings_say_is_taken_without_asking(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine is looked for."""
    monkeypatch.setattr(platforms, "Engine", None)
    assert choose(settings(runtime), {}).runtime == runtime


def test_the_tools_of_a_lane_are_those_of_its_cluster_and_of_what_it_delivers_through(tmp_path: Path) -> None:
    """Each once, the cluster's first: those are waited for first."""
    platform = HostPlatform(settings("host"), Path, tmp_path)
    tools = platform.tools(find("argocd-oci").infrastructure)
    assert tools[: len(platform.runtime.tools)] == platform.runtime.tools
    assert {"registry", "argocd", "redis"} <= set(tools)
    everything = [installer for lane in LANES for installer in lane.infrastructure]
    assert len(set(platform.tools(everything))) == len(platform.tools(everything))
    assert STORE.place(settings("host"), here=True) == Address("localhost:5500", "aicr", plain_http=True)


def test_a_machine_without_what_kind_needs_is_told_before_anything_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code 10: nothing was tested. The host runtime has nothing to ask for."""
    monkeypatch.setattr(platforms, "Engine", Nobody)
    HostPlatform(settings("host"), Path, tmp_path).require()
    with pytest.raises(EngineMissing) as caught:
        KindPlatform(settings("kind"), Path, tmp_path).require()
    assert caught.value.exit is ImageMissing.exit is Exit.SETTINGS


def test_cells_of_kind_share_a_cluster_and_have_files_of_their_own(tmp_path: Path) -> None:
    """Nothing of either runtime is mistaken for the other's; what is compiled for the host is not needed there."""
    host, kind = HostPlatform(settings("host"), Path, tmp_path), KindPlatform(settings("kind"), Path, tmp_path)
    assert (host.shared, kind.shared) == (False, True)
    assert host.state != kind.state
    there = Address("registry.aicr-registry.svc.cluster.local:5000", "aicr", plain_http=True)
    assert STORE.place(settings("kind"), here=False) == there
    infrastructure = [installer for lane in LANES for installer in lane.infrastructure]
    assert {"argocd", "registry", "kube-apiserver"} <= set(host.tools(infrastructure))
    assert not {"argocd", "registry", "kube-apiserver"} & set(kind.tools(infrastructure))
