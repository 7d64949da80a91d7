"""Tools: where each is looked for, and that runs side by side, killed ones among them, leave whole tools or none.

A shell script stands in for go: it "builds" a program that says its version, after doing what a test asks of it.
"""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import settings
from harness.errors import ToolError
from harness.exits import Exit
from harness.processes import daemons
from harness.progress import Silent
from harness.settings import ROOT, Tools
from harness.tools.probe import mentions
from harness.tools.toolbox import WRAPPERS, Toolbox, cache_directory
from harness.tools.toolchain import PLATFORM, build_environment
from tests.fakes.clock import until

GO = """#!/bin/sh
[ "$1" = version ] && {{ echo "go version go{version} {platform}"; exit; }}
echo "$@" >> "{log}"
for word in "$@"; do [ "$last" = -o ] && out=$word; last=$word; done
{body}
printf '#!/bin/sh\\necho frob v1.2.3\\n' > "$out"
"""


OWN = {"stamps": {"main.own": "x"}}  # so that a tool shares no build with one that has none


class Recorder(Silent):
    """Keeps what progress was told: (event, task or text, detail)."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    def started(self, task: str, detail: str = "") -> None:
        self.events.append(("started", task, detail))

    def step(self, task: str, detail: str) -> None:
        self.events.append(("step", task, detail))

    def finished(self, task: str, detail: str = "") -> None:
        self.events.append(("finished", task, detail))

    def failed(self, task: str, detail: str) -> None:
        self.events.append(("failed", task, detail))

    def note(self, text: str) -> None:
        self.events.append(("note", text, ""))

    def said(self, event: str) -> list[tuple[str, str]]:
        return [(task, detail) for name, task, detail in self.events if name == event]


class Bench:
    """A machine of its own: a PATH, a cache, a wrapper module, and what a test puts there."""

    def __init__(self, directory: Path) -> None:
        self.bin, self.cache, self.wrappers = directory / "bin", directory / "cache", directory / "wrappers"
        self.log = directory / "builds"
        self.progress = Recorder()
        self.bin.mkdir()
        (self.wrappers / "frob").mkdir(parents=True)
        (self.wrappers / "frob" / "go.mod").write_text("module tools/frob\n\ngo 1.24.0\n")
        (self.wrappers / "frob" / "go.sum").write_text("")
        self.environment = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(directory)}
        self.go()

    def program(self, name: str, text: str) -> Path:
        file = self.bin / name
        file.write_text(text)
        file.chmod(0o755)
        return file

    def go(self, body: str = "", version: str = "1.26.8") -> None:
        self.program("go", GO.format(version=version, platform=PLATFORM, log=self.log, body=body))

    def tools(self, **pins: object) -> Tools:
        pin = {"version": "v1.2.3", "wrapper": "frob", "probe": ["--version"], "build": "90s"}
        names = {name: {**pin, "package": f"example.org/{name}", **(change or {})} for name, change in pins.items()}  # type: ignore[dict-item]
        return Tools.model_validate({"go": "", "go_wheel": "1.26.6", "pins": names})

    def toolbox(self, tools: Tools | None = None, timeout: float = 20.0) -> Toolbox:
        return Toolbox(
            tools or self.tools(frob=None),
            self.cache,
            self.progress,
            timeout=timeout,
            wrappers=self.wrappers,
            environment=self.environment,
        )

    @property
    def builds(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def left(self) -> list[str]:
        """What is in the cache's tools directory, but for lock files."""
        return sorted(file.name for file in (self.cache / "tools").iterdir() if file.suffix != ".lock")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# Versions


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        pytest.param("Kubernetes v1.34.1", True, id="as it is"),
        pytest.param("etcd Version: 1.34.1\nGo Version: go1.26.8", True, id="without the v"),
        pytest.param("v1.34.1+g8766e71", True, id="helm's commit"),
        pytest.param('{"gitVersion":"v1.34.1"}', True, id="in JSON"),
        pytest.param("This is 1.34.1.", True, id="ends a sentence"),
        pytest.param("Kubernetes v1.34.10", False, id="longer number"),
        pytest.param("Kubernetes v1.34.1-rc.1", False, id="pre-release"),
        pytest.param("Kubernetes v1.34.1+k3s1", False, id="another distribution"),
        pytest.param("Kubernetes v1.34.1.2", False, id="four numbers"),
        pytest.param("Kubernetes v11.34.1", False, id="longer in front"),
        pytest.param("built with go1.34.1", False, id="Go's own version"),
        pytest.param("Kubernetes v1x34y1", False, id="dots are dots"),
        pytest.param("", False, id="says nothing"),
    ],
)
def test_a_version_must_appear_exactly(text: str, *, matches: bool) -> None:
    """v1.34.1 is neither v1.34.10 nor v1.34.1-rc.1; a missing v and helm's +g<commit> are no difference."""
    assert mentions(text, "v1.34.1") is matches


@given(st.tuples(*[st.integers(0, 40)] * 3), st.tuples(*[st.integers(0, 40)] * 3))
def test_one_version_is_never_taken_for_another(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    """A program that says one release number matches that pin and no other."""
    said, pinned = (f"v{'.'.join(map(str, version))}" for version in (one, other))
    assert mentions(f"tool version {said} linux", pinned) is (one == other)


# Where a tool is looked for


def test_a_tool_on_path_at_the_pinned_version_is_used(bench: Bench) -> None:
    """What PATH has at exactly the pinned version needs neither cache nor build."""
    program = bench.program("frob", "#!/bin/sh\necho frob 1.2.3\n")
    with bench.toolbox() as toolbox:
        toolbox.prepare(["frob"])
        assert toolbox.path("frob") == program
        assert [(state.state, state.origin) for state in toolbox.list()] == [("path", "PATH")]
    assert bench.builds == []
    assert bench.progress.events == [("note", "tools: frob on PATH", "")]


@pytest.mark.parametrize("script", ["echo frob v1.2.30", "echo frob v1.2.3; exit 1", "exec sleep 60"])
def test_a_tool_on_path_that_is_not_the_pinned_one_is_passed_over(
    bench: Bench, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version, a failing program or one that hangs is left where it is, and the pinned tool is built."""
    monkeypatch.setattr("harness.tools.probe.PROBE_SECONDS", 0.2)
    bench.program("frob", f"#!/bin/sh\n{script}\n")
    with bench.toolbox() as toolbox:
        assert toolbox.path("frob").is_relative_to(bench.cache)


def test_a_built_tool_is_found_in_the_cache_by_the_next_run(bench: Bench) -> None:
    """The second run builds nothing, and says so."""
    first = bench.toolbox().path("frob")
    assert os.access(first, os.X_OK)
    bench.progress = Recorder()
    second = bench.toolbox()
    second.prepare(["frob"])
    assert second.path("frob") == first
    assert len(bench.builds) == 1
    assert bench.progress.events == [("note", "tools: frob from cache", "")]


@pytest.mark.parametrize("change", ["stamps", "package", "version", "go.sum", "go.mod", "Go", "flags"])
def test_a_change_of_anything_that_makes_the_program_builds_anew(
    bench: Bench, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pin, stamps, wrapper module, flags and Go version are in the key of the cache."""
    before = bench.toolbox().path("frob")
    pin: dict[str, object] = {}
    if change == "stamps":
        pin = {"stamps": {"main.version": "x"}}
    elif change == "package":
        pin = {"package": "example.org/other"}
    elif change == "version":
        pin = {"version": "v1.2.4"}
        bench.go(body='printf "#!/bin/sh\\necho frob v1.2.4\\n" > "$out"; exit')
    elif change == "Go":
        bench.go(version="1.26.9")
    elif change == "flags":
        monkeypatch.setattr("harness.tools.toolchain.FLAGS", ("-mod=readonly",))
    else:
        with (bench.wrappers / "frob" / change).open("a") as file:
            file.write("// changed\n")
    assert bench.toolbox(bench.tools(frob=pin)).path("frob").parent != before.parent
    assert len(bench.builds) == 2


def test_the_estimate_and_the_probe_are_not_part_of_the_key(bench: Bench) -> None:
    """Changing how a tool is asked, or how long its build is said to take, rebuilds nothing."""
    bench.toolbox().path("frob")
    bench.toolbox(bench.tools(frob={"build": "9s", "probe": ["version"]})).path("frob")
    assert len(bench.builds) == 1


def test_the_build_gets_the_flags_the_stamps_and_a_clean_environment(bench: Bench) -> None:
    """go is told to keep to go.sum and to stamp the version; what would change the build is not inherited."""
    bench.go(body=f'env > "{bench.log}.env"')
    bench.environment |= {
        "GOFLAGS": "-mod=mod",
        "GOROOT": "/nowhere",
        "GOOS": "plan9",
        "GOPROXY": "https://proxy.example",
    }
    bench.toolbox(bench.tools(frob={"stamps": {"main.version": "v1.2.3", "main.commit": "abc"}})).path("frob")
    assert (
        "build -mod=readonly -trimpath -ldflags -s -w -X main.commit=abc -X main.version=v1.2.3 -o " in bench.builds[0]
    )
    assert bench.builds[0].endswith("/frob example.org/frob")
    seen = dict(line.split("=", 1) for line in Path(f"{bench.log}.env").read_text().splitlines())
    assert seen["GOFLAGS"] == "-buildvcs=false"
    assert {seen[name] for name in ("GOTOOLCHAIN", "GOWORK", "CGO_ENABLED")} == {"local", "off", "0"}
    assert f"{seen['GOOS']}/{seen['GOARCH']}" == PLATFORM
    assert seen["GOPROXY"] == "https://proxy.example"
    assert "GOROOT" not in seen


def test_the_build_environment_trusts_no_less_than_the_users(tmp_path: Path) -> None:
    """Nothing is set that would turn checksum verification off."""
    assert not {"GONOSUMDB", "GONOSUMCHECK", "GOINSECURE", "GOSUMDB", "GOPRIVATE"} & set(
        build_environment({}, tmp_path)
    )


# What cannot be had


def test_an_unknown_tool_is_refused_with_near_names(bench: Bench) -> None:
    """Both asking and preparing name the tool that was probably meant."""
    toolbox = bench.toolbox()
    for ask in (lambda: toolbox.path("forb"), lambda: toolbox.prepare(["frob", "forb"])):
        with pytest.raises(ToolError, match=r"unknown tool 'forb'\n  did you mean frob\?"):
            ask()
    assert bench.builds == []


def test_a_tool_that_cannot_be_had_names_every_place_in_order(bench: Bench) -> None:
    """The error (exit 10) says of each place why not, keeps go's own words, and says what to do."""
    bench.program("frob", "#!/bin/sh\necho frob v9.9.9\n")
    bench.go(body='echo "go: downloading x v1" >&2; echo "frob.go:3: undefined: x" >&2; exit 1')
    with pytest.raises(ToolError) as caught:
        bench.toolbox().path("frob")
    text = str(caught.value)
    order = [
        "tool frob: version v1.2.3",
        "PATH: ",
        "says 'frob v9.9.9'",
        "tool cache: ",
        "release archive: ",
        "build: ",
    ]
    places = [text.index(each) for each in [*order, "frob.go:3: undefined: x", "put frob v1.2.3 on PATH"]]
    assert places == sorted(places)
    assert "downloading" not in text
    assert caught.value.exit is Exit.SETTINGS
    assert bench.left() == []


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("write $WORK/b001/_pkg_.a: no space left on device", r"not enough space on the disk: .* MiB free at .*cache"),
        ("open /proc/self/nothing: no space left on device", r"not enough space on the disk: .* free at /proc/self\n"),
        ("x@v1: checksum mismatch\nSECURITY ERROR\nThis download does", r"SECURITY ERROR(.|\n)*trust neither"),
        ("dial tcp: lookup proxy.example: no such host", r"no such host(.|\n)*connect this machine"),
    ],
)
def test_a_failed_build_says_what_to_do(bench: Bench, output: str, says: str) -> None:
    """A full disk, bytes that are not go.sum's, and a missing network each have their own remedy."""
    bench.go(body=f"cat >&2 <<'END'\n{output}\nEND\nexit 1")
    with pytest.raises(ToolError, match=says):
        bench.toolbox().path("frob")


def test_a_full_disk_at_the_end_of_the_build_is_told_and_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENOSPC of our own writes says where and how much is free."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(bench.cache))

    monkeypatch.setattr("harness.tools.cache.write_record", full)
    with pytest.raises(ToolError, match=r"build: not enough space on the disk: [\d,]+ MiB free at "):
        bench.toolbox().path("frob")
    assert bench.left() == []


def test_a_read_only_cache_is_told_with_the_remedy(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cache cannot be written, XDG_CACHE_HOME is the way out; nothing is built in vain."""

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ToolError, match=r"cannot be written \(Read-only file system\)(.|\n)*set XDG_CACHE_HOME"):
        bench.toolbox().path("frob")
    assert bench.builds == []


def test_a_read_only_cache_that_holds_the_tool_is_good_enough(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding a tool writes nothing, not even a lock."""
    program = bench.toolbox().path("frob")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr("harness.tools.cache.FileLock", refuse)
    assert bench.toolbox().path("frob") == program


def test_a_program_that_says_another_version_is_not_installed(bench: Bench) -> None:
    """A build whose result is not the pinned version is a defect of the pin, and never reaches the cache."""
    bench.go(body='printf "#!/bin/sh\\necho frob devel\\n" > "$out"; exit')
    with pytest.raises(ToolError, match=r"says 'frob devel', not v1\.2\.3(.|\n)*correct the pin"):
        bench.toolbox().path("frob")
    assert bench.left() == []


# Several at once


def test_tools_are_prepared_in_order_and_one_failure_stops_no_other(bench: Bench) -> None:
    """The broken tool raises for those who ask for it; those before and after it are there."""
    bench.go(body='case "$out" in */broken) echo boom >&2; exit 1;; esac')
    with bench.toolbox(bench.tools(frob=None, broken=OWN, last={"stamps": {"x": "y"}})) as toolbox:
        toolbox.prepare(["last", "broken", "frob"])
        assert toolbox.path("frob").exists()
        assert toolbox.path("last").exists()
        for _ in range(2):  # the same answer again, and no second attempt
            with pytest.raises(ToolError, match="boom"):
                toolbox.path("broken")
    assert [line.rpartition("/")[2] for line in bench.builds] == ["last", "broken", "frob"]
    assert [task for task, _ in bench.progress.said("failed")] == ["tool broken"]


def test_the_first_line_on_a_cold_machine_says_what_and_how_long(bench: Bench) -> None:
    """Only what is neither on PATH nor in the cache is counted; each tool then tells its steps and its seconds."""
    bench.program("here", "#!/bin/sh\necho here v1.2.3\n")
    with bench.toolbox(bench.tools(frob=None, here=None, other={"build": "40s", **OWN})) as toolbox:
        toolbox.prepare(["frob", "here", "other"])
        toolbox.path("other")
    note = "preparing 2 tools (first time on this machine): frob, other: about 3 min on two cores"
    assert bench.progress.events[0] == ("note", note, "")
    assert ("note", "tools: here on PATH", "") in bench.progress.events
    assert bench.progress.said("step")[:2] == [("tool frob", "building with go 1.26.8"), ("tool frob", "checking")]
    assert bench.progress.said("finished")[-1] == ("tool other", "built in 0 s")


def test_what_is_there_need_not_wait_for_a_build(bench: Bench) -> None:
    """A tool that is found is handed out while one before it is still being built."""
    bench.program("here", "#!/bin/sh\necho here v1.2.3\n")
    bench.go(body="exec sleep 60")
    with bench.toolbox(bench.tools(frob=None, here=None)) as toolbox:
        toolbox.prepare(["frob", "here"])
        assert toolbox.path("here").name == "here"
        until(lambda: len(bench.builds) == 1)


def test_closing_ends_a_build_at_once_and_leaves_nothing(bench: Bench) -> None:
    """Who waits is told that it was stopped; neither process nor half a tool is left, and no further tool is begun."""
    bench.go(body=f'echo half > "$out"; sleep 60; echo over > "{bench.log}.over"')
    toolbox = bench.toolbox(bench.tools(frob=None, other=None))
    toolbox.prepare(["frob", "other"])
    until(lambda: len(bench.builds) == 1)
    toolbox.close()
    for name in ("frob", "other"):
        with pytest.raises(ToolError, match="stopped"):
            toolbox.path(name)
    assert not Path(f"{bench.log}.over").exists()
    assert daemons.mentioning(bench.cache) == []
    assert bench.left() == []
    assert len(bench.builds) == 1


def test_a_build_that_takes_too_long_is_ended(bench: Bench) -> None:
    """The deadline is told with the setting that raises it."""
    bench.go(body="exec sleep 60")
    with pytest.raises(ToolError, match=r"not done after 0\.3 s(.|\n)*deadlines\.tool_build"):
        bench.toolbox(timeout=0.3).path("frob")


def test_two_toolboxes_in_one_process_share_one_build(bench: Bench) -> None:
    """The second waits for the first, says so, and takes what it made."""
    bench.go(body=f'until [ -e "{bench.log}.go" ]; do sleep 0.01; done')
    boxes = [bench.toolbox(), bench.toolbox()]
    for box in boxes:
        box.prepare(["frob"])
    until(lambda: ("tool frob", "waiting for another run that builds it") in bench.progress.said("step"))
    Path(f"{bench.log}.go").touch()
    assert len({box.path("frob") for box in boxes}) == 1
    assert len(bench.builds) == 1
    assert ("tool frob", "waiting for another run that builds it") in bench.progress.said("step")
    assert ("tool frob", "from cache: built by another run") in bench.progress.said("finished")


def test_one_toolbox_builds_one_tool_at_a_time(bench: Bench) -> None:
    """Compiling fills the machine: tools that are asked for at once are built one after another."""
    bench.go(body=f'echo begin >> "{bench.log}.order"; sleep 0.2; echo end >> "{bench.log}.order"')
    with bench.toolbox(bench.tools(frob=None, other=None)) as toolbox:
        toolbox.prepare(["frob"])
        assert toolbox.path("other").exists()
        assert toolbox.path("frob").exists()
    assert Path(f"{bench.log}.order").read_text().split() == ["begin", "end"] * 2


RUN = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from harness.progress import Silent
from harness.settings import Tools
from harness.tools.toolbox import Toolbox
root = Path(sys.argv[2])
toolbox = Toolbox(Tools.model_validate(json.loads(sys.argv[3])), root / "cache", Silent(), timeout=20,
                  wrappers=root / "wrappers", environment=json.loads(sys.argv[4]))
print(toolbox.path("frob"))
"""


def run_beside(bench: Bench) -> "subprocess.Popen[str]":
    """The same preparation in a process of its own."""
    document = bench.tools(frob=None).model_dump(mode="json")
    for pin in document["pins"].values():
        pin["build"] = "90s"
    words = (ROOT, bench.cache.parent, json.dumps(document), json.dumps(bench.environment))
    return subprocess.Popen([sys.executable, "-c", RUN, *map(str, words)], stdout=subprocess.PIPE, text=True)


def test_two_processes_share_one_build(bench: Bench) -> None:
    """Runs side by side compile a tool once."""
    bench.go(body="sleep 0.5")
    with run_beside(bench) as one, run_beside(bench) as other:
        answers = {one.communicate(timeout=20)[0], other.communicate(timeout=20)[0]}
    assert len(answers) == 1
    assert Path(answers.pop().strip()).is_relative_to(bench.cache)
    assert len(bench.builds) == 1


def test_a_run_that_is_killed_leaves_no_half_tool_and_the_next_one_clears_up(bench: Bench) -> None:
    """SIGKILL in the middle of a build: nothing counts as installed, and the next run builds and removes the rest."""
    bench.go(body=f'echo half > "$out"; echo $$ > "{bench.log}.pid"; exec sleep 60')
    with run_beside(bench) as run:
        until(lambda: Path(f"{bench.log}.pid").exists() and Path(f"{bench.log}.pid").read_text().endswith("\n"))
        run.kill()
    os.kill(int(Path(f"{bench.log}.pid").read_text()), signal.SIGKILL)  # SIGKILL let it no time to end its child
    assert bench.left() == ["frob.tmp"]
    assert [state.state for state in bench.toolbox().list()] == ["missing"]
    bench.go()
    program = bench.toolbox().path("frob")
    assert bench.left() == [program.parent.name]
    assert subprocess.check_output([program], text=True) == "frob v1.2.3\n"


def test_waiting_for_another_run_ends_when_closed(bench: Bench) -> None:
    """Ctrl-C while another run holds the lock does not wait for that run."""
    bench.go(body=f'sleep 60; echo over > "{bench.log}.over"')
    with bench.toolbox() as holder:
        holder.prepare(["frob"])
        until(lambda: len(bench.builds) == 1)
        waiter = bench.toolbox()
        waiter.prepare(["frob"])
        until(lambda: ("tool frob", "waiting for another run that builds it") in bench.progress.said("step"))
        waiter.close()
        with pytest.raises(ToolError, match="stopped"):
            waiter.path("frob")
        assert not Path(f"{bench.log}.over").exists()
        assert len(bench.builds) == 1


def test_a_directory_without_a_whole_tool_is_made_again(bench: Bench) -> None:
    """A cache directory whose record or program is missing does not count as the tool."""
    program = bench.toolbox().path("frob")
    (program.parent / "tool.json").write_text("{}")
    assert bench.toolbox().path("frob") == program
    program.unlink()
    assert bench.toolbox().path("frob") == program
    assert len(bench.builds) == 3


# Verifying


def test_verify_accepts_what_was_installed(bench: Bench) -> None:
    """A tool that is there and unchanged is returned; missing ones are no error."""
    tools = bench.tools(frob=None, missing=None)
    bench.toolbox(tools).path("frob")
    assert [(state.name, state.state) for state in bench.toolbox(tools).verify()] == [("frob", "cache")]
    record = json.loads((bench.toolbox(tools).path("frob").parent / "tool.json").read_text())
    assert record["go"] == "1.26.8"
    assert record["origin"] == "example.org/frob built with go 1.26.8"


def test_verify_finds_a_changed_program_and_does_not_run_it(bench: Bench) -> None:
    """A program whose bytes are not those that were installed is an error, whatever version it says."""
    program = bench.toolbox().path("frob")
    trap = bench.log.with_name("ran")
    program.write_text(f"#!/bin/sh\ntouch {trap}\necho frob v1.2.3\n")
    with pytest.raises(ToolError, match=r"1 of 1 tools(.|\n)*was changed"):
        bench.toolbox().verify()
    assert not trap.exists()


# The cache's place


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/kwok-harness"),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/kwok-harness"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/kwok-harness"),
    ],
)
def test_the_cache_is_below_xdg_cache_home(environment: dict[str, str], place: str) -> None:
    """$XDG_CACHE_HOME where it is absolute, else ~/.cache."""
    assert cache_directory(environment) == Path(place)


def test_every_pin_of_the_settings_has_its_wrapper_module() -> None:
    """Each pin names a committed module that declares its package as a tool, or requires its module, at its version."""
    for name, pin in settings.load(environment={}).tools.pins.items():
        module = (WRAPPERS / pin.wrapper / "go.mod").read_text()
        assert (f"tool {pin.package}\n" if pin.package else f"{pin.module} {pin.version}") in f"{module}\n", name
        assert f"v{pin.version.removeprefix('v')}" in module, name
