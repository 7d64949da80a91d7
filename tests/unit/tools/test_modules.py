"""Tools that cannot say their version, and tools with files: what a Go program carries, and what its module brings."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import SettingsError, ToolError
from harness.progress import Silent
from harness.settings import Tools, load
from harness.tools.probe import module_mismatch
from harness.tools.toolbox import Toolbox
from harness.tools.toolchain import PLATFORM

MODULE = "example.org/frob"
INFORMATION = (
    "path\texample.org/frob/cmd\nmod\texample.org/frob\tv1.2.3\th1:abc=\ndep\texample.org/dep\tv0.9.0\th1:def=\n"
)
# "builds" a program whose build information is the text, and knows where the module is
GO = """#!/bin/sh
[ "$1" = version ] && {{ echo "go version go1.26.8 {platform}"; exit; }}
[ "$1" = list ] && {{ echo "v1.2.3 {module}"; exit; }}
[ "$1" = mod ] && {{ echo "$@" >> "{module}.fetched"; exit; }}
for word in "$@"; do [ "$last" = -o ] && out=$word; last=$word; done
printf '%b' '{information}' > "$out"
"""


@pytest.fixture
def wrapper(tmp_path: Path) -> Path:
    """A wrapper module, a go, and the downloaded module with some files in it, read-only as Go leaves it."""
    wrapper = tmp_path / "wrappers" / "frob"
    wrapper.mkdir(parents=True)
    (wrapper / "go.mod").write_text("module tools/frob\n\ngo 1.24.0\n")
    (wrapper / "go.sum").write_text("")
    crds = tmp_path / "module" / "config" / "crds"
    crds.mkdir(parents=True)
    (crds / "frobs.yaml").write_text("kind: CustomResourceDefinition\n")
    (crds / "frobs.yaml").chmod(0o444)
    (tmp_path / "module" / "README.md").write_text("frob\n")
    go(tmp_path, INFORMATION)
    return wrapper


def go(directory: Path, information: str) -> None:
    (directory / "bin").mkdir(exist_ok=True)
    program = directory / "bin" / "go"
    text = GO.format(platform=PLATFORM, module=directory / "module", information=information.replace("\n", "\\n"))
    program.write_text(text)
    program.chmod(0o755)


def toolbox(directory: Path, **changes: object) -> Toolbox:
    pin = {
        "version": "v1.2.3",
        "wrapper": "frob",
        "package": f"{MODULE}/cmd",
        "module": MODULE,
        "files": ["config/crds"],
        "build": "1s",
        **changes,
    }
    tools = Tools.model_validate({"go": "", "go_wheel": "1.26.6", "pins": {"frob": pin}})
    environment = {"PATH": f"{directory / 'bin'}:/usr/bin:/bin", "HOME": str(directory)}
    return Toolbox(
        tools,
        directory / "cache",
        Silent(),
        timeout=20,
        wrappers=directory / "wrappers",
        environment=environment,
    )


@pytest.mark.parametrize(
    ("module", "version", "reason"),
    [
        pytest.param(MODULE, "v1.2.3", "", id="its own module"),
        pytest.param("example.org/dep", "v0.9.0", "", id="a module in it"),
        pytest.param(MODULE, "v1.2.30", "was built from example.org/frob v1.2.3, not v1.2.30", id="longer"),
        pytest.param(MODULE, "v1.2", "was built from example.org/frob v1.2.3, not v1.2", id="shorter"),
        pytest.param("example.org/fro", "v1.2.3", "does not name example.org/fro", id="half a name"),
        pytest.param("ample.org/frob", "v1.2.3", "does not name ample.org/frob", id="the other half"),
    ],
)
def test_a_program_is_what_its_build_information_says(tmp_path: Path, module: str, version: str, reason: str) -> None:
    """A Go program is recognised by a module in it at exactly that version, without being run."""
    program = tmp_path / "frob"
    program.write_bytes(b"\x7fELF\0" + INFORMATION.encode() + b"\0more")
    assert reason in module_mismatch(program, module, version)
    assert bool(reason) == bool(module_mismatch(program, module, version))


def test_an_empty_program_is_nothing(tmp_path: Path) -> None:
    """What cannot be looked into is told, not raised."""
    (tmp_path / "frob").touch()
    assert "cannot be read" in module_mismatch(tmp_path / "frob", MODULE, "v1.2.3")


@pytest.mark.usefixtures("wrapper")
def test_files_of_the_module_lie_beside_the_program(tmp_path: Path) -> None:
    """The directories that the pin names are there, at their paths and writable by their owner; others are not."""
    with toolbox(tmp_path) as box:
        program = box.path("frob")
    kept = program.parent / "files"
    assert [str(file.relative_to(kept)) for file in kept.rglob("*") if file.is_file()] == ["config/crds/frobs.yaml"]
    assert (kept / "config/crds/frobs.yaml").stat().st_mode & 0o200
    (tmp_path / "bin" / "go").write_text("#!/bin/sh\n[ $1 = version ] && echo go version go1.26.8 x || exit 1\n")
    with toolbox(tmp_path) as later:
        assert later.path("frob") == program  # neither Go's help nor a network is needed any more


@pytest.mark.usefixtures("wrapper")
def test_a_tool_with_files_is_never_taken_from_path(tmp_path: Path) -> None:
    """One that somebody installed has no files; the same pin without files is taken from there."""
    theirs = tmp_path / "bin" / "frob"
    theirs.write_text(INFORMATION)
    theirs.chmod(0o755)
    with toolbox(tmp_path) as box:
        assert box.path("frob").is_relative_to(tmp_path / "cache")
    with toolbox(tmp_path, files=[]) as box:
        assert box.path("frob") == theirs


@pytest.mark.usefixtures("wrapper")
def test_files_alone_are_fetched_and_nothing_is_compiled(tmp_path: Path) -> None:
    """Of a pin without a package there is no program: its module is downloaded, and a list says what is kept of it."""
    with toolbox(tmp_path, package="") as box:
        program = box.path("frob")
    assert (tmp_path / "module.fetched").read_text() == f"mod download {MODULE}\n"
    digest = hashlib.sha256(b"kind: CustomResourceDefinition\n").hexdigest()
    assert program.read_text() == f"{digest}  files/config/crds/frobs.yaml\n"
    assert (program.parent / "files/config/crds/frobs.yaml").read_text() == "kind: CustomResourceDefinition\n"
    with toolbox(tmp_path, package="") as later:
        assert (later.path("frob"), later.verify()[0].origin) == (program, f"files of {MODULE} v1.2.3")
    assert (tmp_path / "module.fetched").read_text().count("\n") == 1


@pytest.mark.usefixtures("wrapper")
def test_files_alone_do_not_depend_on_the_go_that_fetches_them(tmp_path: Path) -> None:
    """A newer Go finds them again; another go.sum, or other directories, are other files."""
    with toolbox(tmp_path, package="") as box:
        program = box.path("frob")
    text = (tmp_path / "bin" / "go").read_text()
    (tmp_path / "bin" / "go").write_text(text.replace("go1.26.8", "go1.26.9"))
    with toolbox(tmp_path, package="") as box:
        assert box.path("frob") == program
    (tmp_path / "wrappers/frob/go.sum").write_text("example.org/frob v1.2.3 h1:abc=\n")
    with toolbox(tmp_path, package="") as box:
        assert box.path("frob") != program


@pytest.mark.usefixtures("wrapper")
def test_files_of_another_version_are_refused(tmp_path: Path) -> None:
    """A pin whose version is not the one that its wrapper requires gets no files of that other version."""
    with (
        toolbox(tmp_path, package="", version="v1.2.4") as box,
        pytest.raises(ToolError, match=r"v1\.2\.3, not v1\.2\.4"),
    ):
        box.path("frob")


@pytest.mark.usefixtures("wrapper")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda files: (files / "config/crds/frobs.yaml").write_text("kind: Other\n"), "frobs.yaml was changed"),
        (lambda files: (files / "config/crds/frobs.yaml").unlink(), "frobs.yaml is gone"),
        (lambda files: (files / "config/crds/more.yaml").touch(), "more.yaml is not one of its files"),
        (lambda files: (files.parent / "frob").write_text(""), "sha256 is not the one recorded"),
    ],
)
def test_files_that_were_touched_are_told(tmp_path: Path, change: Callable[[Path], object], said: str) -> None:
    """What was fetched is verified against its list, and the list against the record: nothing can be slipped in."""
    with toolbox(tmp_path, package="") as box:
        change(box.path("frob").parent / "files")
        with pytest.raises(ToolError, match=said):
            box.verify()


@pytest.mark.usefixtures("wrapper")
def test_a_program_of_another_version_is_refused(tmp_path: Path) -> None:
    """A build that carries another version than its pin is not kept."""
    go(tmp_path, INFORMATION.replace("v1.2.3", "v1.2.4"))
    with toolbox(tmp_path) as box, pytest.raises(ToolError, match=r"built from example.org/frob v1.2.4, not v1.2.3"):
        box.path("frob")


@pytest.mark.usefixtures("wrapper")
def test_a_directory_that_the_module_does_not_have_is_an_error(tmp_path: Path) -> None:
    """A pin that asks for files which are not there says so, instead of leaving an installer without manifests."""
    with toolbox(tmp_path, files=["config/crd"]) as box, pytest.raises(ToolError, match="has no files in config/crd"):
        box.path("frob")


def test_the_source_of_a_wrapper_is_part_of_its_tool(wrapper: Path, tmp_path: Path) -> None:
    """A wrapper with a program of its own is built anew when that changes."""
    (wrapper / "main.go").write_text("package main\n")
    with toolbox(tmp_path) as box:
        before = box.path("frob")
    (wrapper / "main.go").write_text("package main // changed\n")
    with toolbox(tmp_path) as box:
        assert box.path("frob") != before


@pytest.mark.parametrize(
    ("pin", "message"),
    [
        ("package: example.org/frob", "names neither a probe nor a module"),
        ("package: example.org/frob, probe: [], files: [config]", "it needs one"),
        ("probe: [version]", "names no package to build"),
    ],
)
def test_a_pin_must_be_recognisable(tmp_path: Path, pin: str, message: str) -> None:
    """A pin without a way to tell its version, or with files of no module, is a settings error."""
    file = tmp_path / "own.yaml"
    file.write_text(f"tools: {{pins: {{frob: {{version: v1, wrapper: frob, build: 1s, {pin}}}}}}}\n")
    with pytest.raises(SettingsError, match=message):
        load(file, environment={})
