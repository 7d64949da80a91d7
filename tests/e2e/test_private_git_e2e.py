"""A real Git server with TLS and private repositories, in the place of the run's own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from harness.exits import Exit
from harness.installers.git.configuration import NAME
from harness.processes.ports import free_ports
from harness.publishing.git.address import PASSWORD, USER, Access, Credentials, Repositories
from tests.e2e.machine import Machine
from tests.e2e.own_git_server import ME, PrivateGit
from tests.e2e.short_recipes import shorten
from tests.fakes.git_server import git

pytestmark = pytest.mark.e2e

LANES = ("flux-git", "argocd-git")
WRONG = Credentials(ME.username, "wrong-password-of-nobody")


@pytest.fixture
def private(tools: Callable[[str], Path], tmp_path: Path) -> Iterator[PrivateGit]:
    """On a free port, gone after the test."""
    directory = tmp_path / "git"
    directory.mkdir()
    private = PrivateGit(tools(NAME), directory, free_ports(1, [])[0])
    private.start()
    private.add_user()
    yield private
    private.kill()


@pytest.fixture
def deliverer(machine: Machine, private: PrivateGit, data: Path, tools: Callable[[str], Path]) -> Machine:
    """A machine that delivers a short recipe from this server, all controllers being ready."""
    for name in ("redis", "kustomize", "argocd", "source-controller", "kustomize-controller", "helm-controller"):
        tools(name)
    tools("source-watcher")
    shorten(data, {"base": ("nfd", "cert-manager", "prometheus-operator-crds"), "eks": ()})
    machine.environment |= {
        "KWOK_RECIPES": str(data),
        "KWOK_GIT_REMOTE": private.remote,
        "KWOK_GIT_CA": str(private.certificate),
        USER: ME.username,
        PASSWORD: ME.password,
        "RUNTIME": "host",
    }
    return machine


def secrets(credentials: Credentials) -> frozenset[str]:
    return Access(Repositories("https://localhost/x.git"), credentials).secrets


@pytest.mark.parametrize("lane", LANES)
def test_lanes_deliver_from_it(deliverer: Machine, private: PrivateGit, lane: str) -> None:
    """Every controller gets there with the password and the authority, and neither a recording nor a bundle has it."""
    done = deliverer.run("run", "eks", "--deployer", lane, "--json")
    assert done.returncode == Exit.OK, done.stdout + done.stderr
    commit = git("rev-parse", "main", cwd=private.repository("eks"))
    assert json.loads(done.stdout)["facts"]["digest"] == commit
    assert ME.username not in git("show", "--no-patch", "--format=fuller", commit, cwd=private.repository("eks"))
    assert deliverer.left_with(secrets(ME)) == []


@pytest.mark.parametrize("remote", ["{recipe}", "eks"])
def test_wrong_credentials_are_72_and_stay_secret(deliverer: Machine, private: PrivateGit, remote: str) -> None:
    """Told by the check before the delivery, or where the name depends on the recipe by the push."""
    deliverer.environment |= {PASSWORD: WRONG.password, "KWOK_GIT_REMOTE": private.remote.replace("{recipe}", remote)}
    done = deliverer.run("run", "eks", "--deployer", "flux-git")
    said = done.stdout + done.stderr
    assert done.returncode == Exit.GIT_REFUSED, said
    assert f"check {USER} and {PASSWORD}" in said
    assert deliverer.evidence().is_dir()
    assert deliverer.left_with(secrets(WRONG)) == []
    assert not any(secret in said for secret in secrets(WRONG))


@pytest.mark.parametrize("remote", ["{recipe}", "eks"])
def test_an_unknown_authority_is_71_and_says_what_to_set(
    deliverer: Machine, private: PrivateGit, remote: str, tmp_path: Path
) -> None:
    """Whether none is named or another one."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    deliverer.environment |= {
        "KWOK_GIT_CA": str(other) if remote == "eks" else "",
        "KWOK_GIT_REMOTE": private.remote.replace("{recipe}", remote),
    }
    done = deliverer.run("run", "eks", "--deployer", "flux-git")
    said = done.stdout + done.stderr
    assert done.returncode == Exit.GIT_UNREACHABLE, said
    assert "the certificate of the server could not be verified" in said
    assert "set git.ca (KWOK_GIT_CA)" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("lane", LANES)
def test_evidence_does_not_have_the_password(deliverer: Machine, lane: str) -> None:
    """Of a cell that fails, with the Secret in its cluster."""
    deadline = "argocd_sync" if lane == "argocd-git" else "flux_sync"
    done = deliverer.run("-o", f"deadlines.{deadline}=1s", "run", "eks", "--deployer", lane)
    assert done.returncode == Exit.SYNC_DEADLINE, done.stdout + done.stderr
    assert deliverer.evidence().is_dir()
    assert deliverer.left_with(secrets(ME)) == []
    assert not any(secret in done.stdout + done.stderr for secret in secrets(ME))
