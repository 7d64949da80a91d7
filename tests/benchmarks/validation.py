"""Prints what a `validate` of four deployment checks takes: as processes on the host runtime, as Jobs on Kind.

Seconds and CPU seconds, the median of five turns: CPU of the command with all of its processes and, on Kind, of the
node, less what the node takes in the same time when nobody asks for anything. Needs the tools and the images of both
runtimes (`make kind-images`), and a machine that has nothing else to do. Words choose: `validation.py host kind`.
"""

import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import docker
import sh
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

# The path of the checkout comes first.
from hack.kind_images.checks import VALIDATORS  # noqa: E402
from harness.progress import Silent  # noqa: E402
from harness.settings import load  # noqa: E402
from harness.tools.toolbox import Toolbox, cache_directory  # noqa: E402

TURNS = 5
CLUSTER = "bench"
NODE = f"{CLUSTER}-control-plane"
EXECUTORS = {"host": "process", "kind": "job"}
IDLE_SECONDS = 10.0
CHECKS = ["operator-health", "expected-resources", "gpu-operator-version", "check-nvidia-smi"]
RECIPE = {
    "kind": "RecipeResult",
    "apiVersion": "aicr.run/v1alpha2",
    "componentRefs": [
        {
            "name": "dns",
            "namespace": "kube-system",
            "expectedResources": [{"kind": "ConfigMap", "namespace": "kube-system", "name": "kwok-harness-owner"}],
        }
    ],
    "validation": {
        "deployment": {
            "checks": CHECKS,
            "constraints": [{"name": "Deployment.gpu-operator.version", "value": ">= v25.10.0"}],
        }
    },
}


def main() -> None:
    for runtime in sys.argv[1:] or list(EXECUTORS):
        with tempfile.TemporaryDirectory() as home:
            settings = {"RUNTIME": runtime, "KWOK_CLUSTER": CLUSTER, "XDG_STATE_HOME": home}
            environment = {**os.environ, **settings}
            try:
                harness(environment, "up", "--recipe", "eks-training")
                measure(runtime, environment, Path(home))
            finally:
                harness(environment, "down")


def measure(runtime: str, environment: dict[str, str], home: Path) -> None:
    recipe = home / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE))
    idle = 0.0
    if runtime == "kind":
        sh.Command(str(kind()))("load", "docker-image", "--name", CLUSTER, VALIDATORS)
        begun = node_seconds()
        time.sleep(IDLE_SECONDS)
        idle = (node_seconds() - begun) / IDLE_SECONDS
    turns = []
    for _ in range(TURNS):
        before, node, begun = own_seconds(), node_seconds() if runtime == "kind" else 0.0, time.monotonic()
        harness(environment, "validate", "--recipe", str(recipe), "--executor", EXECUTORS[runtime])
        seconds = time.monotonic() - begun
        extra = node_seconds() - node - idle * seconds if runtime == "kind" else 0.0
        turns.append((seconds, own_seconds() - before, extra))
    seconds, own, extra = (statistics.median(column) for column in zip(*turns, strict=True))
    there = f", {extra:.1f} s of the node" if runtime == "kind" else ""
    print(f"{runtime}, {EXECUTORS[runtime]}: {seconds:.1f} s; CPU {own:.1f} s of the command{there}", flush=True)


def harness(environment: dict[str, str], *words: str) -> None:
    """A validation that finds a fault is measured too."""
    python = sh.Command(sys.executable)
    python("-m", "harness", *words, _env=environment, _cwd=str(ROOT), _tty_out=False, _ok_code=(0, 1))


def kind() -> Path:
    """The kind of the tool cache."""
    settings = load(environment={})
    with Toolbox(settings.tools, cache_directory(os.environ), Silent(), timeout=settings.deadlines.tool_build) as box:
        return box.path("kind")


def own_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def node_seconds() -> float:
    """CPU seconds that the node's container has used since it began."""
    stats = docker.from_env().api.stats(NODE, stream=False)
    return int(stats["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


if __name__ == "__main__":
    main()
