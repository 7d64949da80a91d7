"""What the tests on a real control plane share: the pinned tools, and a state directory that is theirs alone."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from harness.installers.installer import KindSite
from harness.processes.ports import free_ports
from harness.progress import Silent
from harness.settings import ROOT, Settings, load
from harness.tools.toolbox import Toolbox, cache_directory
from kwok.engine.client import Engine, EngineMissing
from kwok.host.runtime import HostRuntime
from kwok.kind.runtime import KindRuntime
from tests.e2e.in_cluster import site_of
from tests.e2e.machine import Machine, all_taken_down
from tests.e2e.own_registry import Running
from tests.e2e.wheel import Installed, install


class Told(Silent):
    """Shows what the toolbox announces: a cold machine builds for minutes before the first test."""

    def note(self, text: str) -> None:
        print(text, flush=True)

    def started(self, task: str, detail: str = "") -> None:
        print(f"{task}: {detail}", flush=True)


@pytest.fixture(scope="session")
def tools(pytestconfig: pytest.Config) -> Iterator[Callable[[str], Path]]:
    """The path of a tool by name, made ready when it is first asked for."""
    settings = load(environment={})
    terminal = pytestconfig.pluginmanager.getplugin("capturemanager")
    with Toolbox(settings.tools, cache_directory(os.environ), Told(), timeout=settings.deadlines.tool_build) as box:

        def path(name: str) -> Path:
            with terminal.global_and_fixture_disabled():
                return box.path(name)

        yield path


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The built wheel in a bare environment: once a session, whatever the number of processes that test."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with FileLock(shared / "wheel.lock"):
        return install(shared / "wheel")


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The machine's container engine. Where none answers, what needs it is skipped, and the reason says why."""
    try:
        return Engine.connect(timeout=30)
    except EngineMissing as error:
        pytest.skip(f"NOT TESTED HERE: {' '.join(str(error).split())}")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory of the test's own, short enough for Unix sockets."""
    return tmp_path / "state"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings as they are in the file, with a place of the test's own for evidence."""
    return load(environment={}, overrides={"artifacts": str(tmp_path / "artifacts")})


@pytest.fixture
def runtime(settings: Settings, tools: Callable[[str], Path], state: Path) -> Iterator[HostRuntime]:
    """A host runtime whose clusters are all gone after the test."""
    with all_taken_down(HostRuntime(settings, tools, state)) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def kind_runtime(
    engine: Engine, kind_settings: Settings, tools: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KindRuntime]:
    """A Kind runtime as a module of tests wants it (its `kind_settings`), whose clusters are gone after them."""
    home = tmp_path_factory.mktemp("kind")
    with all_taken_down(KindRuntime(kind_settings, tools, home, connect=lambda: engine)) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def site(kind_runtime: KindRuntime, kind_settings: Settings, tools: Callable[[str], Path]) -> KindSite:
    """A Kind cluster of that runtime, with nothing in it yet, as installers see it."""
    return site_of(kind_runtime, kind_settings, tools)


@pytest.fixture
def machine(tmp_path: Path, tools: Callable[[str], Path]) -> Iterator[Machine]:
    """All tools are ready, so that the times of a test are the cell's own."""
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kwokctl"):
        tools(name)
    tools("helm"), tools("kubectl")
    made = Machine(tmp_path)
    yield made
    for child in made.children:
        child.kill()
        child.communicate()
    made.run("down", "--all")


@pytest.fixture
def running(tools: Callable[[str], Path], tmp_path: Path) -> Iterator[Running]:
    """A registry on a free port, gone after the test."""
    directory = tmp_path / "registry"
    directory.mkdir()
    running = Running(tools("registry"), directory, free_ports(1, [])[0])
    running.start()
    yield running
    running.kill()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the sample data that a test may break: its `recipes` directory."""
    root = tmp_path / "data"
    for part in ("recipes", "charts", "profiles"):
        shutil.copytree(ROOT / "kwok" / part, root / part)
    return root / "recipes"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Servers are killed here, and what then becomes of a half-open TLS socket is the garbage collector's business."""
    for item in items:
        if item.get_closest_marker("e2e"):
            item.add_marker(
                pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
            )
