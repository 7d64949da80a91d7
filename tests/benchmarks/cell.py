"""Prints what a warm machine takes: `up`, a whole cell, Python's own part in it, and 1,000 nodes.

Needs the tools to be prepared (`kwok-harness tools prepare`). State and evidence go to a temporary directory. Each
figure is the median of several runs; the machine should have nothing else to do.
"""

import json
import os
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import sh

RUNS = 5
ROOT = Path(__file__).resolve().parents[2]
python = sh.Command(sys.executable).bake(_cwd=str(ROOT), _tty_out=False)


def call(environment: Mapping[str, str], *words: str) -> str:
    try:
        return str(python("-m", "harness", *words, _env=dict(environment)))
    except sh.ErrorReturnCode as error:
        sys.exit(f"{' '.join(words)}: {error.exit_code}\n{error.stdout.decode()}{error.stderr.decode()}")


def seconds(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def resident(directory: Path) -> float:
    """MiB that the processes of the clusters below `directory` hold in memory."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if str(directory) in (status.parent / "cmdline").read_text():
                total += int(re.search(r"VmRSS:\s+(\d+)", status.read_text())[1])  # type: ignore[index]
        except (OSError, TypeError):
            continue
    return total / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        environment = {**os.environ, "XDG_STATE_HOME": name, "KWOK_DEBUG_ARTIFACTS_DIR": f"{name}/artifacts"}
        environment["KWOK_CLUSTER"] = "bench"
        ups, downs, memory = [], [], []
        for _ in range(RUNS):
            ups.append(seconds(lambda: call(environment, "up")))
            memory.append(resident(Path(name)))
            downs.append(seconds(lambda: call(environment, "down")))
        print(f"warm `up`, 6 nodes Ready: {statistics.median(ups):.1f} s ({min(ups):.1f} to {max(ups):.1f})")
        print(f"`down`: {statistics.median(downs):.1f} s; control plane in memory: {statistics.median(memory):.0f} MiB")

        cells, cpu, phases = [], [], {}
        for _ in range(RUNS):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            begun = time.monotonic()
            outcome = json.loads(call(environment, "run", "eks-training", "--json"))
            cells.append(time.monotonic() - begun)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            phases = {each["name"]: each["seconds"] for each in outcome["phases"]}
        spread = f"{min(cells):.1f} to {max(cells):.1f}"
        print(f"warm cell, eks-training under helm: {statistics.median(cells):.1f} s ({spread})")
        print(f"  phases of the last: {', '.join(f'{name} {value:.1f}' for name, value in phases.items())}")
        print(f"  CPU of harness and helm together: {statistics.median(cpu):.1f} s")
        own = [python_alone(environment) for _ in range(3)]
        print(f"  Python's own CPU: {statistics.median(seconds for seconds, _ in own):.1f} s")
        print(f"  Python's peak memory: {max(memory for _, memory in own):.0f} MiB")

        many = seconds(lambda: call(environment, "-o", "nodes.accelerated=998", "up"))
        print(f"`up` with 1,000 nodes Ready: {many:.1f} s, {many - statistics.median(ups):.1f} s more than with 6")
        call(environment, "down")


def python_alone(environment: Mapping[str, str]) -> tuple[float, float]:
    """CPU seconds and peak MiB of the harness process itself in a cell, without helm and the control plane."""
    script = (
        "import resource, sys; from harness.__main__ import run; run(['run', 'eks-training', '--json']);"
        "own = resource.getrusage(resource.RUSAGE_SELF);"
        "print('OWN', own.ru_utime + own.ru_stime, own.ru_maxrss / 1024, file=sys.stderr)"
    )
    said = python("-c", script, _env=dict(environment), _return_cmd=True).stderr.decode()
    _, cpu, memory = next(line for line in said.splitlines() if line.startswith("OWN")).split()
    return float(cpu), float(memory)


if __name__ == "__main__":
    main()
