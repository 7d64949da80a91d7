"""Images for validations on a real node: checks that end in every way, and the Go tests of the older agent."""

import os
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

from hack.kind_images import pins
from hack.kind_images.images import Image
from hack.kind_images.layers import File, Files
from hack.kind_images.rootfs import Rootfs
from harness.runtime import RunningCluster
from harness.settings import load
from harness.tools.toolbox import cache_directory
from kwok.engine.client import Engine

CHECKS = "kind.local/kwok-harness-test-checks:1"
AGENT = "kind.local/kwok-harness-test-agent:1"
PACKAGE = Path(__file__).parent / "agent"
PROGRAMS = ("deployment.test", "test2json")

_CHECK = b"""\
import sys, time

name, log = sys.argv[1], open("/dev/termination-log", "w")
print("RESULT:", name, flush=True)
if name == "fails":
    log.write("the operator has no pod"), sys.exit(1)
if name == "skips":
    log.write("no GPU"), sys.exit(2)
if name == "needs-memory":
    everything = [b"x" * (1 << 20) for _ in range(1 << 10)]
if name == "hangs":
    time.sleep(3600)
"""


@cache
def agent_programs(directory: Path) -> Path:
    """The directory with the compiled tests and test2json."""
    environment = {**os.environ, "CGO_ENABLED": "0"}
    words = (
        ["go", "test", "-c", "-o", str(directory / PROGRAMS[0]), "./deployment"],
        ["go", "build", "-o", str(directory / PROGRAMS[1]), "cmd/test2json"],
    )
    for each in words:
        subprocess.run(each, cwd=PACKAGE, env=environment, check=True, timeout=600)
    return directory


def checks() -> Image:
    return Image(CHECKS, [_debian(), Files(File("check.py", _CHECK))], {"Entrypoint": ["python3", "/check.py"]})


def agent(directory: Path) -> Image:
    programs = [File(f"usr/local/bin/{name}", directory / name, 0o755) for name in PROGRAMS]
    return Image(AGENT, [_debian(), Files(*programs)])


def into_engine(engine: Engine, image: Image, work: Path) -> None:
    archive = work / "image.tar"
    image.write(archive, work)
    with archive.open("rb") as stream:
        engine.load(stream)
    archive.unlink()


def into_node(tools: Callable[[str], Path], cluster: RunningCluster, references: Sequence[str]) -> None:
    words = ["load", "docker-image", "--name", cluster.name, *references]
    subprocess.run([str(tools("kind")), *words], check=True, timeout=300)


def _debian() -> Rootfs:
    """That of the factory; where it was not made, what needs it is skipped."""
    settings = load(environment={})
    system = pins.load(settings.tools).rootfs["python"]
    directory = cache_directory(os.environ) / "kind"
    made = Rootfs("python", system, directory, timeout=settings.deadlines.tool_build, did=lambda *_: None)
    if not (directory / f"{'python'}-{made.key[:12]}.tar").is_file():
        pytest.skip("NOT TESTED HERE: make kind-images has not made Debian with Python")
    return made
