"""How long after the event that completed it each verdict of recorded runs came, by their own times.

    .venv/bin/python tests/benchmarks/verdict_latency.py RECORDING...

Counted from the event's arrival at the harness (what the server stamps has whole seconds) to the verdict; that it has
to hold for `deadlines.settle` seconds before it counts comes on top, deliberately. Aim: at most 100 ms.
"""

import sys
from pathlib import Path
from statistics import median

from harness.evidence.replay import replay

AIM = 0.100


def main(paths: list[Path]) -> None:
    every: list[float] = []
    last: list[float] = []
    for path in paths:
        for wait in replay(path).waits:
            every += [step.lag for step in wait.steps]
            if completed := wait.completed:
                last.append(completed.lag)
                print(f"{path.name}: {wait.name} {wait.how}: {1000 * completed.lag:.0f} ms")
    for name, lags in (("verdicts that ended a wait", last), ("all verdicts", every)):
        late = sum(lag > AIM for lag in lags)
        print(
            f"{name}: {len(lags)}; median {1000 * median(lags):.0f} ms, slowest {1000 * max(lags):.0f} ms,"
            f" {late} over {1000 * AIM:.0f} ms"
        )


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
