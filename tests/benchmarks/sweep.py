"""Prints what a sweep takes side by side (the default number of jobs) and one after another: wall time and CPU.

All sample recipes under all lanes, unless words for `sweep` are given: `sweep.py --recipes 'eks*' --deployer helm`.
Needs the tools to be prepared, and a machine that has nothing else to do. CPU is that of everything on the machine
meanwhile, for control planes are nobody's children.
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
ANY = tuple(range(256))  # cells may fail


def busy() -> float:
    """CPU seconds that the machine has spent on anything but what was started with `nice`."""
    times = psutil.cpu_times()
    return float(times.user + times.system + times.irq + times.softirq)


def swept(words: list[str], *more: str) -> tuple[float, float, str]:
    """Wall seconds, CPU seconds, and what became of it."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "XDG_STATE_HOME": home, "KWOK_DEBUG_ARTIFACTS_DIR": f"{home}/artifacts"}
        environment["KWOK_CLUSTER"] = "bench"
        cpu, begun = busy(), time.monotonic()
        sweep = sh.Command(sys.executable).bake(
            "-m", "harness", "sweep", _cwd=str(ROOT), _env=environment, _ok_code=ANY
        )
        done = sweep(*words, *more, "--json", _tty_out=False, _return_cmd=True)
        seconds, spent = time.monotonic() - begun, busy() - cpu
        if not done.stdout:
            sys.exit(done.stderr.decode())
        cells = [cell["outcome"] for cell in json.loads(done.stdout)["cells"]]
        passed = [outcome for outcome in cells if outcome and outcome["passed"]]
        for outcome in cells:
            if outcome and not outcome["passed"]:
                print(f"  {outcome['recipe']}/{outcome['deployer']} ended with {outcome['exit']}: {outcome['reason']}")
        longest = max((outcome["seconds"] for outcome in cells if outcome), default=0.0)
        first = next(line for line in done.stderr.decode().splitlines() if "side by side" in line)
        print(f"  {first.partition(' ')[2]}")
        return seconds, spent, f"{len(passed)} of {len(cells)} passed, the longest took {longest:.1f} s"


def main() -> None:
    words = sys.argv[1:] or ["--deployer", "all"]
    for name, more in (("one after another", ("--jobs", "1")), ("side by side", ())):
        seconds, spent, told = swept(words, *more)
        print(f"{name}: {seconds:.1f} s wall, {spent:.1f} s CPU ({spent / seconds:.2f} cores); {told}")


if __name__ == "__main__":
    main()
