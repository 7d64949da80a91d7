"""Starting by kwokctl: what it is given, what it is believed, and what its failures say."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import ClusterError
from harness.processes import daemons as pids
from harness.processes.service import last_lines
from kwok.host import launch
from kwok.host.components import PROGRAMS


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "clusters" / "one" / "logs").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def sleepers(home: Path) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Processes that mention the cluster's directory, as components do; one for each."""
    argv = ["sh", "-c", "sleep 60; :", str(home / "clusters" / "one" / "bin")]
    children = [subprocess.Popen(argv, start_new_session=True) for _ in PROGRAMS]
    yield children
    for child in children:
        os.killpg(child.pid, 9)
        child.wait()


def stand_in(home: Path, *lines: str) -> Path:
    """A kwokctl that does what kwokctl leaves behind, then the given lines of shell."""
    script = home / "kwokctl"
    script.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
    script.chmod(0o700)
    return script


def making(home: Path, pids: list[int]) -> list[str]:
    directory = home / "clusters" / "one"
    made = [f"/bin/mkdir -p {directory}/pki {directory}/pids", f"echo k > {directory}/kubeconfig.yaml"]
    made += [f"echo k > {directory}/pki/{name}" for name in ("admin.key", "ca.key", "admin.crt")]
    return made + [f"printf %s {pid} > {directory}/pids/{name}.pid" for name, pid in zip(PROGRAMS, pids, strict=True)]


def test_the_processes_that_kwokctl_started_are_identified(
    home: Path, sleepers: list["subprocess.Popen[bytes]"]
) -> None:
    """By pid and start time, each under its component's name; the plan's files are there before."""
    kwokctl = stand_in(home, *making(home, [child.pid for child in sleepers]), f"/bin/cat {home}/clusters/one/plan")
    started = launch.start(kwokctl, home, "one", {"plan": "text"})
    assert started == {name: pids.identify(child.pid) for name, child in zip(PROGRAMS, sleepers, strict=True)}


def test_a_component_whose_words_are_not_there_yet_is_no_stranger(
    home: Path, sleepers: list["subprocess.Popen[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between exec and its first instruction a program has none; it was taken for one that had ended at start."""
    seen: set[int] = set()
    known = pids.command_line

    def late(pid: int) -> tuple[str, ...]:
        first = pid not in seen
        seen.add(pid)
        return () if first else known(pid)

    monkeypatch.setattr(pids, "command_line", late)
    started = launch.start(stand_in(home, *making(home, [child.pid for child in sleepers])), home, "one", {})
    assert all(pids.alive(identity) for identity in started.values())
    assert len(seen) == len(PROGRAMS)


def test_keys_and_kubeconfig_are_for_their_owner_only(home: Path, sleepers: list["subprocess.Popen[bytes]"]) -> None:
    """kwokctl writes them readable by all."""
    launch.start(stand_in(home, *making(home, [child.pid for child in sleepers])), home, "one", {})
    directory = home / "clusters" / "one"
    for file in ("kubeconfig.yaml", "pki/admin.key", "pki/ca.key"):
        assert (directory / file).stat().st_mode & 0o777 == 0o600, file


def test_kwokctl_sees_no_environment_of_the_user(
    home: Path, sleepers: list["subprocess.Popen[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """KWOK_* would change the plan, KUBECONFIG and HOME would name the user's own kubeconfig."""
    monkeypatch.setenv("KWOK_KUBE_APISERVER_BINARY", "http://example.com/evil")
    monkeypatch.setenv("KUBECONFIG", "/home/user/.kube/config")
    kwokctl = stand_in(
        home,
        f"/usr/bin/env > {home}/environment",
        f'echo "$@" > {home}/words',
        *making(home, [c.pid for c in sleepers]),
    )
    launch.start(kwokctl, home, "one", {})
    lines = (line.partition("=") for line in (home / "environment").read_text().splitlines())
    environment = {name: value for name, _, value in lines if name not in ("PWD", "SHLVL", "_", "OLDPWD")}
    directory = str(home / "clusters" / "one")
    assert environment == {"KWOK_WORKDIR": str(home), "HOME": directory, "PATH": directory}
    words = (home / "words").read_text().split(" ")
    assert words[words.index("--kubeconfig") + 1] == ""  # no file is written beyond kwokctl's own


@pytest.mark.parametrize("pid", [2**22 + 1, os.getpid()], ids=["gone", "a stranger's"])
def test_a_component_that_has_ended_already_is_no_process(
    home: Path, sleepers: list["subprocess.Popen[bytes]"], pid: int
) -> None:
    """Nor is a stranger with its pid, who does not mention the cluster's directory."""
    found = [pid, *(child.pid for child in sleepers[1:])]
    started = launch.start(stand_in(home, *making(home, found)), home, "one", {})
    assert [name for name, identity in started.items() if not pids.alive(identity)] == ["etcd"]


def test_the_errors_of_kwokctl_are_told_without_its_log_format(home: Path) -> None:
    """Its log is JSON; its errors are two fields of that."""
    said = [
        {"level": "INFO", "msg": "Cluster is creating"},
        {"level": "ERROR", "msg": "Failed to setup config", "err": "stat /tools/etcd: no such file or directory"},
    ]
    kwokctl = stand_in(home, *(f"echo '{json.dumps(each)}' >&2" for each in said), "exit 1")
    with pytest.raises(ClusterError) as failed:
        launch.start(kwokctl, home, "one", {})
    assert failed.value.what == (
        "kwokctl cannot start the control plane: Failed to setup config: stat /tools/etcd: no such file or directory"
    )


def test_last_lines_of_a_log_are_few_and_short(tmp_path: Path) -> None:
    """An API server may write a line of megabytes before it dies."""
    log = tmp_path / "log"
    log.write_bytes(b"old\n" * 10_000 + b"x" * 9_000 + b"\n\xff the end\n")
    lines = last_lines(log).splitlines()
    assert len(lines) <= 12
    assert max(map(len, lines)) <= 500
    assert lines[-1].endswith("the end")
    assert last_lines(tmp_path / "nothing") == ""
