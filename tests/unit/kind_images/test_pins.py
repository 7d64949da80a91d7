"""The factory's pins: nothing that the settings pin is pinned a second time."""

import tomllib
from pathlib import Path

import pytest
import yaml

from hack.kind_images import pins
from hack.kind_images.upstream import pinned
from harness.errors import ToolError
from harness.settings import ROOT, Pin, load

SETTINGS = load(environment={})
PINS = pins.load(SETTINGS.tools)


def test_the_nodes_programs_are_of_the_control_planes_version() -> None:
    """One version of Kubernetes, stamped alike."""
    server = SETTINGS.tools.pins["kube-apiserver"]
    for name in ("kubeadm", "kubelet", "kube-proxy"):
        assert (PINS.tools.pins[name].version, PINS.tools.pins[name].stamps) == (server.version, server.stamps)
    assert SETTINGS.tools.pins["kube-apiserver"].version not in pins.FILE.read_text()


def test_no_program_is_pinned_twice() -> None:
    """What the settings pin is taken from there."""
    assert not set(PINS.tools.pins) & set(SETTINGS.tools.pins)


@pytest.mark.parametrize("name", PINS.tools.pins)
def test_every_pin_has_its_wrapper(name: str) -> None:
    """A module with checksums, of the version that the pin says."""
    pin = PINS.tools.pins[name]
    directory = pins.WRAPPERS / pin.wrapper
    assert (directory / "go.sum").is_file()
    module = pin.module or (pin.package.startswith("k8s.io/kubernetes") and "k8s.io/kubernetes")
    if module:
        assert f"{module} {pin.version}" in (directory / "go.mod").read_text()


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    """A mistyped one would be a default otherwise."""
    data = yaml.safe_load(pins.FILE.read_text())
    data["rootfs"]["node"]["drops"] = []
    (tmp_path / "pins.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(ValueError, match="drops"):
        pins.load(SETTINGS.tools, tmp_path / "pins.yaml")


@pytest.mark.parametrize(
    ("tool", "module"), [("argocd", "github.com/argoproj/argo-cd/v3"), ("kind", "sigs.k8s.io/kind")]
)
def test_a_modules_checksum_is_the_one_of_its_tool(tool: str, module: str) -> None:
    """Out of the wrapper's go.sum, where the line of the module itself counts, not the one of its go.mod."""
    pin = SETTINGS.tools.pins[tool]
    name, checksum = pinned((ROOT / "kwok" / "wrappers" / pin.wrapper / "go.sum").read_text(), pin)
    assert (name, checksum[:3]) == (module, "h1:")


def test_a_module_without_a_checksum_is_refused() -> None:
    """Of another version, or with a name that only begins alike."""
    pin = Pin(version="v1", wrapper="w", package="x.example/a/cmd", module="x.example/a", build="1s")  # type: ignore[arg-type]
    for line in ("x.example/a v2 h1:1=", "x.example/a v1/go.mod h1:1=", "x.example/a/c v1 h1:1="):
        with pytest.raises(ToolError, match="no checksum"):
            pinned(line, pin)
    assert pinned("x.example/a v1 h1:1=", pin) == ("x.example/a", "h1:1=")


def test_the_factory_is_no_part_of_the_package() -> None:
    """Who installs the harness does not install it."""
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "tests" not in packages["packages"]
