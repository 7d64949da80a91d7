"""Charts that a recipe names at addresses of the internet are had from a mirror, under every kind of lane."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from harness.processes import commands
from harness.processes.ports import free_ports
from harness.recipes.load import Catalog
from harness.recipes.resolve import resolve
from harness.settings import DEFAULT_FILE
from tests.e2e.charts import served
from tests.e2e.machine import Machine
from tests.e2e.own_registry import Running
from tests.e2e.short_recipes import shorten
from tests.fakes.aicr import StandIn, trees

pytestmark = pytest.mark.e2e

UPSTREAM = {"nfd": "https://charts.example.com/stable", "network-operator": "https://others.example.com/stable"}


@pytest.fixture
def data(data: Path) -> Path:
    """The sample data with a recipe of two charts that will be remote, and of a local one."""
    shorten(data, {"base": ("nfd", "cert-manager"), "aks": ("network-operator",)})
    return data


@pytest.fixture
def charts(data: Path, tmp_path: Path, tools: Callable[[str], Path]) -> Path:
    """The charts of two components, packaged on the spot: by the name of each component, a directory with one file."""
    for component, chart in (("nfd", "node-feature-discovery"), ("network-operator", "network-operator")):
        words: list[str | Path] = [tools("helm"), "package", data.parent / "charts" / chart]
        commands.run([*words, "--destination", tmp_path / "charts" / component / "stable"], timeout=60)
    return tmp_path / "charts"


@pytest.fixture
def http_mirror(charts: Path, tools: Callable[[str], Path]) -> Iterator[str]:
    """A chart repository on this machine, over HTTP."""
    with served(tools("helm"), charts / "nfd", "stable") as address:
        yield address


@pytest.fixture
def oci_mirror(charts: Path, running: Running, tools: Callable[[str], Path]) -> str:
    """Charts in an OCI registry on this machine, without TLS."""
    mirror = f"oci://{running.host}/charts"
    [package] = (charts / "network-operator").rglob("*.tgz")
    commands.run([tools("helm"), "push", package, f"{mirror}/stable", "--plain-http"], timeout=60)
    return mirror


CELLS = [
    *(("builtin", lane) for lane in ("helm", "argocd-oci", "argocd-helm-oci", "flux-oci", "argocd-git")),
    *(("aicr", lane) for lane in ("argocd-helm-oci", "flux-oci")),
]


@pytest.mark.parametrize(("bundler", "lane"), CELLS)
def test_remote_charts_are_had_from_their_mirrors(
    machine: Machine, data: Path, http_mirror: str, oci_mirror: str, bundler: str, lane: str, tmp_path: Path
) -> None:
    """The recipe names addresses that nobody here reaches; the cell passes, with the charts of the mirrors."""
    registry = data / "registry.yaml"
    entries = yaml.safe_load(registry.read_text(encoding="utf-8"))
    for entry in entries["components"]:
        if entry["name"] in UPSTREAM:
            entry["helm"]["defaultRepository"] = UPSTREAM[entry["name"]]
    registry.write_text(yaml.safe_dump(entries), encoding="utf-8")
    settings = yaml.safe_load(DEFAULT_FILE.read_text(encoding="utf-8"))
    mirrors = {"https://charts.example.com": http_mirror, "https://others.example.com": oci_mirror}
    settings |= {"mirrors": mirrors, "recipes": str(data), "bundler": bundler}
    if bundler == "aicr":
        made = trees(resolve(Catalog.load(data), "aks"), tmp_path / "answer")
        settings["aicr"] = str(StandIn(tmp_path, made).binary)
    settings["ports"] |= dict(zip(("registry", "git"), free_ports(2, set()), strict=True))
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    done = machine.run("--settings", str(file), "run", "aks", "--deployer", lane)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "are where they belong" in done.stdout
