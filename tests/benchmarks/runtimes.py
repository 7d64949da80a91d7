"""Prints, for each runtime and lane, what a cluster and a cell on it take: seconds, and memory of all that is running.

One recipe under every lane, twice on a kept cluster: the first time the lane's infrastructure is installed, the second
time it is there. Words choose runtimes: `runtimes.py host kind` by default. Needs the tools and the images, and a
machine that has nothing else to do. Memory is what the cluster's processes hold of their own (PSS, and RSS where that
cannot be read), after the cell, with its controllers.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import psutil
import sh

ROOT = Path(__file__).resolve().parents[2]
ANY = tuple(range(256))  # a cell that fails is measured too
RECIPE = "eks-training"
LANES = ("helm", "flux-oci", "argocd-oci", "argocd-helm-oci")


def main() -> None:
    for runtime in sys.argv[1:] or ["host", "kind"]:
        with tempfile.TemporaryDirectory() as home:
            environment = {
                **os.environ,
                "RUNTIME": runtime,
                "KWOK_CLUSTER": "bench",
                "XDG_STATE_HOME": home,
                "KWOK_DEBUG_ARTIFACTS_DIR": f"{home}/artifacts",
            }
            try:
                measure(runtime, environment, home)
            finally:
                harness(environment, "down")


def measure(runtime: str, environment: dict[str, str], home: str) -> None:
    cold, warm = (harness(environment, "up", "--recipe", RECIPE)[0] for _ in range(2))
    print(f"{runtime}: up {cold:.1f} s, again {warm:.1f} s; {memory(home) / 2**20:.0f} MiB", flush=True)
    for lane in LANES:
        for turn in ("first", "again"):
            seconds, out = harness(environment, "run", RECIPE, "--deployer", lane, "--reuse", "--json")
            outcome = json.loads(out)
            phases = {phase["name"]: phase["seconds"] for phase in outcome["phases"]}
            delivered = sum(phases.get(name, 0.0) for name in ("push", "sync", "install", "verify"))
            print(
                f"  {lane} {turn}: {'green' if outcome['passed'] else outcome['reason']};"
                f" infrastructure {phases.get('infrastructure', 0.0):.1f} s, push to verdict {delivered:.1f} s,"
                f" teardown {phases.get('teardown', 0.0):.1f} s, the whole command {seconds:.1f} s;"
                f" {memory(home) / 2**20:.0f} MiB",
                flush=True,
            )


def harness(environment: dict[str, str], *words: str) -> tuple[float, str]:
    """Seconds, and what the command printed."""
    begun = time.monotonic()
    python = sh.Command(sys.executable)
    out = python(
        "-m", "harness", *words, _env=environment, _cwd=str(ROOT), _tty_out=False, _err=sys.stderr, _ok_code=ANY
    )
    return time.monotonic() - begun, str(out)


def memory(home: str) -> int:
    """Bytes of the processes that belong to the cluster: those of the node container, or those of the directory."""
    node = ""
    if os.access("/var/run/docker.sock", os.W_OK):
        node = str(sh.docker("inspect", "--format", "{{.State.Pid}}", "bench-control-plane", _ok_code=ANY)).strip()
    if node.isdigit():
        first = psutil.Process(int(node))
        members = [first, *first.children(recursive=True)]
    else:
        members = [each for each in psutil.process_iter() if home in _told(each)]
    return sum(_held(each) for each in members)


def _told(process: psutil.Process) -> str:
    try:
        return " ".join(process.environ().values()) + " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _held(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.Error, AttributeError):
        return 0


if __name__ == "__main__":
    main()
