"""What it costs to start: CPU of `--help`, `--version` and the tab key, beside that of Python with click alone.

python tests/benchmarks/startup.py [RUNS]
"""

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HARNESS = (sys.executable, "-m", "harness")
MOST_SECONDS, MOST_TIMES = 0.30, 6.0


def cpu(words: Sequence[str], variables: Mapping[str, str]) -> float:
    """Seconds of CPU, of user and system, that a command takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, env={**os.environ, **variables}, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    tab = {"_KWOK_HARNESS_COMPLETE": "bash_complete", "COMP_WORDS": "kwok-harness r", "COMP_CWORD": "1"}
    recipe = {**tab, "COMP_WORDS": "kwok-harness run eks", "COMP_CWORD": "2"}
    commands: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {
        "python -c 'import click'": ((sys.executable, "-c", "import click"), {}),
        "--help": ((*HARNESS, "--help"), {}),
        "--version": ((*HARNESS, "--version"), {}),
        "completion bash": ((*HARNESS, "completion", "bash"), {}),
        "a verb's name and tab": (HARNESS, tab),
        "run, a recipe's name and tab": (HARNESS, recipe),
    }
    # Turn by turn, so that whatever else the machine does concerns all alike.
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, (words, variables) in commands.items():
            seconds[name].append(cpu(words, variables))
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    click = medians["python -c 'import click'"]
    print(f"medians of {runs} runs; the target of --help is {MOST_SECONDS} s, and {MOST_TIMES:g} times click")
    for name, median in medians.items():
        print(f"{name:30} {median:6.3f} s of CPU {median / click:6.1f} times click")


if __name__ == "__main__":
    main()
