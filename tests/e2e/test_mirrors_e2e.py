"""Charts that a recipe names at addresses of the internet are had from a mirror, under every kind of lane."""

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from machine import Machine

from harness import process
from harness.settings import DEFAULT_FILE
from kwok.ports import free_ports

pytestmark = pytest.mark.e2e

UPSTREAM = "https://charts.example.com/stable"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a directory without a word."""

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def mirror(data: Path, tmp_path: Path, tools: Callable[[str], Path]) -> Iterator[str]:
    """A chart repository on this machine with the chart of the component nfd, packaged on the spot."""
    served = tmp_path / "served" / "stable"
    served.mkdir(parents=True)
    chart = data.parent / "charts" / "node-feature-discovery"
    process.run([tools("helm"), "package", str(chart), "--destination", str(served)], timeout=60)
    process.run([tools("helm"), "repo", "index", str(served)], timeout=60)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(served.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/stable"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("lane", ["helm", "argocd-oci", "argocd-helm-oci", "flux-oci"])
def test_a_remote_chart_is_had_from_its_mirror(
    machine: Machine, data: Path, mirror: str, lane: str, tmp_path: Path
) -> None:
    """The recipe names an address that nobody here reaches; the cell passes, with the mirror's chart."""
    registry = data / "registry.yaml"
    entries = yaml.safe_load(registry.read_text(encoding="utf-8"))
    [entry] = [each for each in entries["components"] if each["name"] == "nfd"]
    entry["helm"]["defaultRepository"] = UPSTREAM
    registry.write_text(yaml.safe_dump(entries), encoding="utf-8")
    settings = yaml.safe_load(DEFAULT_FILE.read_text(encoding="utf-8"))
    settings |= {"mirrors": {"https://charts.example.com": mirror.removesuffix("/stable")}, "recipes": str(data)}
    settings["ports"]["registry"] = free_ports(1, set())[0]
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    done = machine.run("--settings", str(file), "run", "aks", "--deployer", lane)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "are where they belong" in done.stdout
