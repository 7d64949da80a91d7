"""What goes wrong between a push to Git and the controllers that pull: each for real, told by who saw it, and early."""

import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.cells.run import Run
from harness.exits import Exit
from harness.installers.git.configuration import NAME
from harness.objects import CONFIGMAPS
from harness.processes.services import Services
from harness.publishing.git.address import Access, Credentials
from harness.publishing.git.tree import Tree
from harness.publishing.publication import Packed
from harness.publishing.transport import Published
from kwok.platforms import HostPlatform
from lanes import find
from tests.e2e.failing import Plane, in_bundle, tapped
from tests.fakes.git_server import git

pytestmark = pytest.mark.e2e

LANES = ("argocd-git", "flux-git")
SYNC = {"argocd_sync": 60.0, "flux_sync": 60.0}
WRONG = "wrong-password-of-nobody"


@pytest.fixture(scope="module")
def plane(tools: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """One control plane, on which all controllers are ready to run."""
    for name in (NAME, "argocd", "redis", "kustomize", "helm", "source-controller", "kustomize-controller"):
        tools(name)
    with Plane.up(tools, tmp_path_factory.mktemp("g")) as plane:
        yield plane


@pytest.fixture(autouse=True)
def cleared(plane: Plane) -> Iterator[None]:
    yield
    plane.clear()


def kill(run: Run, _: Published | None = None) -> None:
    """The Git server, as the kernel would."""
    identity = Services(run_directory(run)).identity(NAME)
    assert identity is not None
    os.kill(identity.pid, signal.SIGKILL)


def run_directory(run: Run) -> Path:
    site = run.services.site  # type: ignore[attr-defined]  # of the host runtime
    directory: Path = site.running.directory
    return directory


def kill_soon(run: Run, _: Published | None = None) -> None:
    threading.Timer(1.5, kill, [run]).start()


def push_of_another(run: Run, published: Published | None) -> None:
    """By somebody who may, on top of what was pushed."""
    assert published is not None
    assert isinstance(run.publication, Packed)
    directory = run.publication.directory
    copy = directory.with_name("theirs")
    shutil.copytree(directory, copy)
    (copy / "theirs.txt").write_text("x\n")
    theirs = run.access_as(Access).client(retries=run.settings.retries)
    theirs.deliver(Tree(copy, "theirs\n"), run.publication.target)


def bare(run: Run) -> Path:
    return run_directory(run) / "services" / NAME / "data" / "repositories" / "aicr" / "eks.git"


def no_branch(run: Run, _: Published | None) -> None:
    """What was pushed is on another branch."""
    git("update-ref", "refs/heads/trunk", "refs/heads/main", cwd=bare(run))
    git("update-ref", "-d", "refs/heads/main", cwd=bare(run))


def no_chart(directory: Path) -> None:
    for chart in directory.glob("*/chart"):
        shutil.rmtree(chart)


def link_outside(directory: Path) -> None:
    (directory / "out").symlink_to("../../../../etc/hostname")


def submodule(directory: Path) -> None:
    (directory / ".gitmodules").write_text('[submodule "x"]\n\tpath = x\n\turl = http://127.0.0.1:1/x.git\n')


def awkward(directory: Path) -> None:
    """Nothing of which is wrong: all of it has to arrive."""
    for chart in directory.glob("*/chart"):
        (chart / "files").mkdir()
        (chart / "files" / "with space.txt").write_text("a\n")
        (chart / "files" / "größe.txt").write_text("b\n")
        (chart / "files" / "crlf.txt").write_bytes(b"one\r\ntwo\r\n")
        (chart / "files" / "archive.zip").write_bytes(b"PK")  # which Flux leaves out by default
        (chart / "templates" / "arrived.yaml").write_text(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: arrived}\ndata:\n"
            '  crlf: {{ .Files.Get "files/crlf.txt" | b64enc | quote }}\n'
            '  names: {{ printf "%s%s%s" (.Files.Get "files/with space.txt") (.Files.Get "files/größe.txt")'
            ' (.Files.Get "files/archive.zip") | b64enc | quote }}\n'
        )


def large(directory: Path) -> None:
    """60 MB that do not compress, beside what is delivered."""
    (directory / "large.bin").write_bytes(os.urandom(60_000_000))


@dataclass(frozen=True)
class Case:
    """What is done before the push or after it, and what is said of it."""

    name: str
    says: str
    before: Callable[[Run, Published | None], None] | None = None
    after: Callable[[Run, Published | None], None] | None = None
    lanes: Sequence[str] = LANES
    exit: Exit = Exit.FAILURE


CASES = (
    Case("before", "gitea was killed by SIGKILL", before=kill),
    Case("between", "gitea was killed by SIGKILL", after=kill),
    Case("during", "gitea was killed by SIGKILL", after=kill_soon),
    Case("foreign", "another client has pushed", after=push_of_another, lanes=("argocd-git",)),
    Case("foreign", "not sha1:", after=push_of_another, lanes=("flux-git",)),
    Case("branch", "unable to resolve", after=no_branch, lanes=("argocd-git",)),
    Case("branch", "couldn't find remote ref", after=no_branch, lanes=("flux-git",)),
    Case("path", "app path does not exist", before=in_bundle(no_chart), lanes=("argocd-git",)),
    Case("path", "HelmChart flux-system/flux-system-path", before=in_bundle(no_chart), lanes=("flux-git",)),
    Case("link", "out-of-bounds symlink", before=in_bundle(link_outside), lanes=("argocd-git",)),
)
TOLD = [(case, lane) for case in CASES for lane in case.lanes]


@pytest.mark.parametrize("lane", LANES)
def test_what_is_only_awkward_arrives(plane: Plane, lane: str, tmp_path: Path) -> None:
    """Names with spaces and letters of other languages, line endings, archives: as they were."""
    outcome = plane.cell("awkward", tapped(find(lane), before=in_bundle(awkward)), tmp_path)
    assert outcome.exit is Exit.OK, outcome.reason
    found = plane.cluster.get(CONFIGMAPS, "awkward", "arrived")
    assert found is not None
    assert found["data"] == {"crlf": "b25lDQp0d28NCg==", "names": "YQpiClBL"}
    assert len(outcome.facts["digest"]) == 40


@pytest.mark.parametrize("lane", LANES)
def test_a_file_of_60_mb_goes_through(plane: Plane, lane: str, tmp_path: Path) -> None:
    """It is pushed, and neither consumer minds."""
    outcome = plane.cell("large", tapped(find(lane), before=in_bundle(large)), tmp_path)
    assert outcome.exit is Exit.OK, outcome.reason


@pytest.mark.parametrize(("case", "lane"), TOLD, ids=[f"{case.name}-{lane}" for case, lane in TOLD])
def test_each_is_told_by_who_saw_it_before_the_deadline(plane: Plane, case: Case, lane: str, tmp_path: Path) -> None:
    """Not that time is up."""
    told = tapped(find(lane), before=case.before, after=case.after)
    outcome = plane.cell(case.name, told, tmp_path, deadlines=SYNC)
    assert outcome.exit is case.exit, outcome.reason
    assert case.says in outcome.reason
    log = next(Path(outcome.evidence).glob("*-gitea.log")).read_text()
    assert 0 < len(log.splitlines()) <= 200


def test_flux_does_not_ask_for_submodules(plane: Plane, tmp_path: Path) -> None:
    """What they would bring is silently not there: hence the contract's rule."""
    outcome = plane.cell("modules", tapped(find("flux-git"), before=in_bundle(submodule)), tmp_path, deadlines=SYNC)
    assert outcome.exit is Exit.OK, outcome.reason


def test_wrong_credentials_are_72_and_stay_secret(plane: Plane, tmp_path: Path) -> None:
    """In no file of the evidence, in no message."""
    wrong = Credentials("aicr", WRONG)

    def deny(run: Run, _: Published | None) -> None:
        run.access = replace(run.access_as(Access), credentials=wrong)
        run.client = None

    outcome = plane.cell("denied", tapped(find("flux-git"), before=deny), tmp_path)
    assert outcome.exit is Exit.GIT_REFUSED, outcome.reason
    assert "the server rejected the user" in outcome.reason
    files = [each for each in Path(outcome.evidence).rglob("*") if each.is_file()]
    assert len(files) > 5
    token = (plane.running.directory / "gitea-token").read_text()
    for each in files:
        text = each.read_text(errors="replace")
        assert WRONG not in text, each
        assert wrong.basic not in text, each
        assert token not in text, each


def test_a_taken_port_is_70_and_says_by_whom(plane: Plane, tmp_path: Path) -> None:
    """Before anything is pushed."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        ports = plane.settings.ports.model_copy(update={"git": port})
        other = replace(plane, settings=plane.settings.model_copy(update={"ports": ports}))
        platform = HostPlatform(other.settings, plane.tools, plane.platform.state)
        outcome = replace(other, platform=platform).cell("taken", "flux-git", tmp_path)
    assert outcome.exit is Exit.GIT_NOT_READY, outcome.reason
    assert f"127.0.0.1:{port}: the port is taken by process {os.getpid()}" in outcome.reason
    assert "KWOK_GITEA_HOST_PORT" in outcome.reason
