"""The Kind runtime's decisions, with an engine in memory: what is ours, what is refused, what is asked of whom."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from harness.errors import ClusterError, HarnessError, ImageMissing, NotOurs, RegistryNotReady, UsageError
from harness.processes import commands
from harness.processes.commands import CommandFailed, Completed
from harness.progress import Silent
from harness.settings import Settings, load
from kwok import record as state
from kwok.engine.client import Container, Engine, EngineMissing
from kwok.kind.node_images import load as load_images
from kwok.kind.runtime import KindRuntime
from tests.fakes.engine import FakeEngine as SocketEngine
from tests.fakes.engine import Stored
from tests.fakes.engine_in_memory import NODE, FakeEngine


@pytest.fixture
def settings() -> Settings:
    return load(environment={})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def no_tools(name: str) -> Path:
    raise AssertionError(f"{name} was asked for")


def runtime_on(
    engine: FakeEngine, settings: Settings, home: Path, tools: Callable[[str], Path] = no_tools
) -> KindRuntime:
    return KindRuntime(settings, tools, home, connect=lambda: cast(Engine, engine), environment={})


def owned(home: Path, name: str = "one") -> Container:
    """A node that sees the directory of its cluster."""
    owner = home / "kind" / "clusters" / name / "owner"
    return replace(NODE, name=f"{name}-control-plane", mounts=("/lib/modules", str(owner)))


def recorded(runtime: KindRuntime, *, container: str = NODE.id, ready: bool = True, node: str = "") -> state.Record:
    """A cluster that was made earlier, with these settings or the ones of now."""
    clusters = runtime._clusters
    record = clusters.reserve(
        "one", runtime._made_with() | ({"images.node": node} if node else {}), lambda _: {"registry": 5500}
    )
    record = record.contained(container, context="kind-one", server="https://127.0.0.1:1")
    record = record.seen_ready({}) if ready else record
    state.write(clusters.directory("one"), record)
    return record


# --- get and names ---


def test_get_asks_the_engine(home: Path, settings: Settings) -> None:
    """By the id that was written down, with what is needed to reach and to recognise the cluster."""
    engine = FakeEngine(containers={"node": NODE})
    runtime = runtime_on(engine, settings, home)
    record = recorded(runtime)
    found = runtime.get("one")
    assert found is not None
    assert (found.name, found.runtime, found.identity) == ("one", "kind", record.identity)
    assert found.kubeconfig == home / "kind" / "clusters" / "one" / "kubeconfig.yaml"
    assert runtime.names() == ["one"]


@pytest.mark.parametrize(
    ("containers", "ready"),
    [
        ({}, True),
        ({"node": replace(NODE, running=False)}, True),
        ({"node": replace(NODE, id="another")}, True),
        ({"node": NODE}, False),
    ],
)
def test_what_does_not_run_is_not_found(
    containers: dict[str, Container], ready: bool, home: Path, settings: Settings
) -> None:
    """Gone, stopped, somebody else's by the same name, or never finished."""
    runtime = runtime_on(FakeEngine(containers=containers), settings, home)
    recorded(runtime, ready=ready)
    assert runtime.get("one") is None


def test_without_an_engine_nothing_runs(home: Path, settings: Settings) -> None:
    """What there is is still listed; a `down` of nothing needs none."""

    def missing() -> Any:
        raise EngineMissing("nobody answers")

    runtime = KindRuntime(settings, no_tools, home, connect=missing)
    recorded(runtime)
    assert (runtime.get("one"), runtime.names()) == (None, ["one"])
    runtime.down("another")
    with pytest.raises(EngineMissing):
        runtime.down("one")
    with pytest.raises(EngineMissing):
        runtime.up("one", Silent())
    assert runtime.names() == ["one"]


# --- what is ours ---


def test_down_removes_our_node_and_our_directory(home: Path, settings: Settings) -> None:
    """By its id; the neighbour stays. Without kind, which would be built first."""
    other = replace(NODE, id="0dd", name="dev-control-plane")
    engine = FakeEngine(containers={"node": owned(home), "other": other})
    runtime = runtime_on(engine, settings, home)
    recorded(runtime)
    runtime.down("one")
    assert engine.removed == [NODE.id]
    assert runtime.names() == []
    runtime.down("one")
    assert list(engine.containers) == ["other"]


def test_a_node_of_ours_is_known_without_its_record(home: Path, settings: Settings) -> None:
    """A harness that was killed may have written nothing yet, and somebody may have cleaned the state directory."""
    engine = FakeEngine(containers={"node": owned(home)})
    runtime_on(engine, settings, home).down("one")
    assert engine.removed == [NODE.id]


def test_a_state_directory_behind_a_link_is_the_same(home: Path, settings: Settings, tmp_path: Path) -> None:
    """Engines write down where a link leads to."""
    (real := tmp_path / "real").mkdir()
    home.symlink_to(real)
    engine = FakeEngine(containers={"node": owned(real)})
    runtime_on(engine, settings, home).down("one")
    assert engine.removed == [NODE.id]


@pytest.mark.parametrize("has_directory", [False, True])
def test_a_node_that_we_have_not_made_is_left_alone(has_directory: bool, home: Path, settings: Settings) -> None:
    """By its name it would be ours, even with a record of one of ours."""
    engine = FakeEngine(containers={"node": replace(owned(home), mounts=("/lib/modules",))})
    runtime = runtime_on(engine, settings, home)
    if has_directory:
        recorded(runtime)
    for act in (runtime.down, lambda name: runtime.up(name, Silent())):
        with pytest.raises(NotOurs, match="one-control-plane that the harness did not create"):
            act("one")
    assert engine.removed == []
    assert runtime._clusters.exists("one") == has_directory


# --- up, before anything is made ---


def test_a_name_that_no_host_may_have_is_refused(home: Path, settings: Settings) -> None:
    """The node is called after its cluster, with fourteen characters more."""
    with pytest.raises(UsageError, match="too long"):
        runtime_on(FakeEngine(), settings, home).up("x" * 51, Silent())


def test_the_port_is_looked_at_before_anything_is_made(
    home: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No image, no tool, no directory."""
    monkeypatch.setattr(shutil, "which", lambda name: name)
    engine = FakeEngine(containers={"theirs": replace(NODE, id="beef", name="web")}, root=Path("/nowhere"))
    runtime = KindRuntime(settings, no_tools, home, connect=lambda: cast(Engine, engine))
    with pytest.raises((RegistryNotReady, ClusterError)):
        runtime.up("one", Silent())
    assert runtime.names() == []


def test_a_cluster_made_with_other_settings_is_for_a_person_to_decide(home: Path, settings: Settings) -> None:
    """The message names what differs."""
    engine = FakeEngine(containers={"node": owned(home)})
    runtime = runtime_on(engine, settings, home)
    recorded(runtime, node="kindest/node:old")
    with pytest.raises(ClusterError, match=r"images\.node: kindest/node:old \(settings: kindest/node:v1\.34"):
        runtime.up("one", Silent())
    assert engine.removed == []


# --- making, and failing ---


class Kind:
    """kind, as far as the runtime sees it: makes the node, or fails in its way."""

    def __init__(self, engine: FakeEngine, home: Path, how: BaseException | None) -> None:
        self.engine, self.home, self.how = engine, home, how
        self.removed_before: list[str] = []

    def __call__(self, argv: Sequence[Any], *, timeout: float, env: dict[str, str]) -> None:
        self.removed_before = [*self.engine.removed]
        self.engine.containers["node"] = owned(self.home)
        if self.how is not None:
            raise self.how


def make(engine: FakeEngine, settings: Settings, home: Path) -> None:
    runtime = runtime_on(engine, settings, home)
    tags = {"node": "kindest/node:v1", "kwok": "kwok:v1"}
    runtime._make(cast(Engine, engine), "one", Path("kind"), tags, Silent())


FAILED = CommandFailed(
    Completed(("kind", "create"), 1, "", "Creating cluster\nERROR: failed to create cluster: no\nStack Trace:\nmain", 1)
)


@pytest.mark.parametrize("how", [FAILED, KeyboardInterrupt(), HarnessError("stopped")])
def test_what_fails_or_is_interrupted_leaves_nothing(
    how: BaseException, home: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No container, no directory; the first failure is the one that is told."""
    engine = FakeEngine()
    monkeypatch.setattr(commands, "run", Kind(engine, home, how))
    with pytest.raises((HarnessError, KeyboardInterrupt)):
        make(engine, settings, home)
    assert engine.containers == {}
    assert not (home / "kind" / "clusters" / "one").exists()


def test_the_error_of_kind_comes_before_its_trace(
    home: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand lines of kubeadm are no message."""
    monkeypatch.setattr(commands, "run", Kind(engine := FakeEngine(), home, FAILED))
    with pytest.raises(ClusterError) as told:
        make(engine, settings, home)
    assert told.value.what.startswith("ERROR: failed to create cluster: no\nkind create: exit status 1")


def test_a_stale_node_goes_before_a_new_one_is_made(
    home: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would hold the name and the port."""
    engine = FakeEngine(containers={"node": replace(owned(home), id="stale", running=False)})
    kind = Kind(engine, home, FAILED)
    monkeypatch.setattr(commands, "run", kind)
    with pytest.raises(ClusterError):
        make(engine, settings, home)
    assert kind.removed_before == ["stale"]


# --- images ---


def test_an_image_is_loaded_once_per_id(home: Path, tmp_path: Path) -> None:
    """Another image under the same tag is loaded again; what is there is not."""
    engine = FakeEngine(images={"registry:3": "sha256:a", "redis:8": "sha256:b"})
    ran: list[tuple[str, ...]] = []

    def into(**tags: str) -> None:
        load_images(engine, tmp_path, tags, lambda *words: ran.append(words), Silent())  # type: ignore[arg-type]

    into(registry="registry:3")
    into(registry="registry:3", redis="redis:8")
    into(registry="registry:3", redis="redis:8")
    engine.images["registry:3"] = "sha256:c"
    into(registry="registry:3", redis="redis:8")
    assert [words[2:] for words in ran] == [("registry:3",), ("redis:8",), ("registry:3",)]
    assert json.loads((tmp_path / "images.json").read_text()) == {"registry:3": "sha256:c", "redis:8": "sha256:b"}


def test_an_image_that_could_not_be_loaded_is_not_taken_for_loaded(tmp_path: Path) -> None:
    """The next time tries again."""

    def broken(*words: str) -> None:
        raise ClusterError("no space left")

    engine = FakeEngine(images={"registry:3": "sha256:a"})
    with pytest.raises(ClusterError):
        load_images(engine, tmp_path, {"registry": "registry:3"}, broken, Silent())  # type: ignore[arg-type]
    assert not (tmp_path / "images.json").exists()


def test_images_of_a_suite_are_loaded_under_the_references_of_their_pods(
    home: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no name of the settings is such a reference; both kinds go into the node by the names that pods say."""
    own, registry = "kwok-harness.invalid/platform:1", settings.images["registry"]
    loaded: list[dict[str, str]] = []
    with SocketEngine() as fake:
        fake.images = [Stored("sha256:" + "1" * 64, tags=(own,)), Stored("sha256:" + "2" * 64, tags=(registry,))]
        engine = Engine.connect(fake.environment)
        runtime = KindRuntime(settings, lambda name: Path(name), home, connect=lambda: engine, environment={})
        monkeypatch.setattr(runtime, "_load", lambda engine, name, kind, tags, progress: loaded.append(dict(tags)))
        running = runtime._running(recorded(runtime))
        assert runtime.load(running, [own, "registry"], Silent()) == {own: own, "registry": registry}
        assert loaded == [{own: own, "registry": registry}]
        with pytest.raises(ImageMissing, match=r"kwok-harness\.invalid/other:1"):
            runtime.load(running, ["kwok-harness.invalid/other:1"], Silent())
        assert len(loaded) == 1
