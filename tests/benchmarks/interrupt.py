"""Prints how long a sweep takes to end when it is interrupted, and whether it left what it promises.

For 2 and 4 cells side by side, SIGINT and SIGTERM, at several moments of the run. Needs the tools to be prepared, and
a machine that has nothing else to do. Promised (docs/sweeps.md): five seconds.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORDS = [sys.executable, "-m", "harness", "sweep", "eks", "eks-training", "--deployer", "all", "--jobs"]
MOMENTS = (2.0, 4.0, 8.0, 15.0, 25.0, 40.0)  # seconds after the start


def interrupted(jobs: int, number: signal.Signals, moment: float) -> str:
    """One sweep, interrupted; what was seen, as a line."""
    with tempfile.TemporaryDirectory() as home:
        artifacts = Path(home, "artifacts")
        environment = {**os.environ, "XDG_STATE_HOME": home, "KWOK_DEBUG_ARTIFACTS_DIR": str(artifacts)}
        child = subprocess.Popen(
            [*WORDS, str(jobs)], env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(moment)
        begun = time.monotonic()
        os.kill(child.pid, number)
        code = child.wait(timeout=120)
        seconds = time.monotonic() - begun
        written = artifacts / "kwok-results.json"
        results = json.loads(written.read_text(encoding="utf-8"))["results"]["tests"] if written.exists() else []
        evidence = len(list(artifacts.glob("kwok-debug-*/run.json")))
        left = len([entry for entry in Path("/proc").iterdir() if _of(entry, home)])
    told = f"{len(results)} results, evidence of {evidence}, {left} processes left"
    return f"  {number.name} after {moment:4.1f} s: {seconds:4.1f} s, exit code {code}, {told}"


def _of(process: Path, home: str) -> bool:
    """Whether a process works in, or was told of, the sweep's directory."""
    try:
        return home in (process / "cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def main() -> None:
    for jobs in (2, 4):
        print(f"{jobs} cells side by side:")
        for moment in MOMENTS:
            for number in (signal.SIGINT, signal.SIGTERM):
                print(interrupted(jobs, number, moment), flush=True)


if __name__ == "__main__":
    main()
