"""Compares our judgement of trees with that of chainsaw v0.2.15: the corpus beside the project, and random trees.

    CHAINSAW=/path/to/chainsaw python tests/conformance/compare_trees.py --trees 10000 --seed 1

Prints one row per input: how many cases, how many agree in verdict and in the lines of their mismatches, and each case
that differs. Ends with 1 where one differs that docs/conformance.md does not explain.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent))

from harness.assertions.errors import TreeInvalid
from harness.assertions.expressions.context import Context
from harness.assertions.outcome import Holds, NotYet
from harness.assertions.tree import compile_tree
from tests.conformance.oracle import CANNOT, HOLDS, MISMATCH, Answer, Chainsaw
from tests.conformance.random_trees import Generator

SUITES = Path(__file__).parents[3] / "shared" / "suites" / "chainsaw"
# Where chainsaw crashes, we answer.
CRASHES = ("panic:", "runtime error", "goroutine ")
BATCH = 60


@dataclass(frozen=True)
class Case:
    tree: Any
    value: Any
    name: str = ""


@dataclass
class Row:
    """One line of the table."""

    title: str
    cases: int = 0
    verdicts: int = 0
    lines: int = 0
    crashes: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    different: list[str] = field(default_factory=list)

    def add(self, case: Case, ours: Answer, theirs: Answer) -> None:
        self.cases += 1
        if any(mark in theirs.text for mark in CRASHES):
            self.crashes += 1
            return
        self.kinds[theirs.verdict] += 1
        same = ours.verdict == theirs.verdict
        self.verdicts += same
        self.lines += same and ours.lines == theirs.lines
        if not same or ours.lines != theirs.lines:
            title = case.name or json.dumps({"tree": case.tree, "value": case.value})
            self.different.append(f"{title}\n    ours:   {_shown(ours)}\n    theirs: {_shown(theirs)}")

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        crashes = f", {self.crashes} crash chainsaw" if self.crashes else ""
        agree = f"{self.verdicts} verdicts agree, {self.lines} of them with every line"
        return f"{self.title}: {self.cases} cases ({kinds}{crashes}), {agree}"


def _shown(answer: Answer) -> str:
    lines = "; ".join(answer.lines) or answer.text
    return f"{answer.verdict}: {lines[:300]}"


def ours(case: Case, *, strict: bool = True) -> Answer:
    """Our answer, in the place where chainsaw is asked: below a key. A tree that is refused cannot be evaluated."""
    try:
        outcome = compile_tree({"t": case.tree}).judge({"t": case.value}, Context(strict=strict))
    except TreeInvalid as error:
        return Answer(CANNOT, text=str(error))
    match outcome:
        case Holds():
            return Answer(HOLDS)
        case NotYet():
            return Answer(MISMATCH, tuple(sorted(line.removeprefix("t").removeprefix(".") for line in outcome.lines())))
    return Answer(CANNOT, text=str(outcome))


def batches(cases: Iterable[Case]) -> Iterator[list[tuple[Case, Answer]]]:
    """Those that we can evaluate together, all others alone: one of them ends the run for all."""
    together: list[tuple[Case, Answer]] = []
    for case in cases:
        answer = ours(case)
        if answer.verdict == CANNOT:
            yield [(case, answer)]
            continue
        together.append((case, answer))
        if len(together) == BATCH:
            yield together
            together = []
    if together:
        yield together


def compare(title: str, cases: Iterable[Case], chainsaw: Chainsaw) -> Row:
    row = Row(title)

    def ask(batch: list[tuple[Case, Answer]]) -> list[tuple[Case, Answer, Answer]]:
        named = {f"t{i}": (case.tree, case.value) for i, (case, _) in enumerate(batch)}
        answers = chainsaw.judge(named)
        if isinstance(answers, dict):
            return [(case, answer, answers[f"t{i}"]) for i, (case, answer) in enumerate(batch)]
        if len(batch) == 1:
            return [(*batch[0], answers)]
        middle = len(batch) // 2  # one of them ended the run: find it
        return [*ask(batch[:middle]), *ask(batch[middle:])]

    with ThreadPoolExecutor(8) as pool:
        for result in pool.map(ask, batches(cases)):
            for case, mine, theirs in result:
                row.add(case, mine, theirs)
    return row


def corpus_trees() -> list[Case]:
    """The cases without bindings and without CEL's own objects: `chainsaw assert` takes none."""
    cases = yaml.safe_load((SUITES / "trees" / "cases.yaml").read_text())["cases"]
    return [Case(case["tree"], case["value"], case["name"]) for case in cases if "bindings" not in case]


def corpus_expressions() -> list[Case]:
    examples = yaml.safe_load((SUITES / "jp" / "examples.yaml").read_text())["examples"]
    # Without a result that could be compared: chance, the time, a cluster, the order of an object.
    free = ("random(", "time_now", "$client", "env(", "keys({", "values({")
    return [
        Case({f"({example['expression']})": True}, None, example["expression"])
        for example in examples
        if not any(word in example["expression"] for word in free)
    ]


def random_cases(count: int, seed: int) -> Iterator[Case]:
    """Different ones; of those that cannot be evaluated, one in four, since each of them takes a run of its own."""
    generator = Generator(seed)
    seen: set[str] = set()
    skipped = 0
    while len(seen) < count:
        tree, value = generator.pair()
        key = json.dumps([tree, value])
        if key in seen:
            continue
        if ours(Case(tree, value)).verdict == CANNOT and (skipped := skipped + 1) % 4:
            continue
        seen.add(key)
        yield Case(tree, value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trees", type=int, default=10_000, help="random trees (10000)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    program = os.environ.get("CHAINSAW", "")
    if not Path(program).is_file():
        print("CHAINSAW must name the program: build it with `make chainsaw`")
        return 2
    chainsaw = Chainsaw(Path(program).resolve())
    started = time.monotonic()
    rows = []
    if SUITES.is_dir():
        rows.append(compare("trees/cases.yaml", corpus_trees(), chainsaw))
        rows.append(compare("jp/examples.yaml", corpus_expressions(), chainsaw))
    else:
        print(f"the corpus is not there: {SUITES}")
    rows.append(compare(f"random trees (seed {options.seed})", random_cases(options.trees, options.seed), chainsaw))
    for row in rows:
        print(row)
        for difference in row.different:
            print(f"  {difference}")
    loose = Counter(
        ours(case).verdict != ours(case, strict=False).verdict for case in random_cases(2_000, options.seed)
    )
    print(f"values decide differently from Go's types in {loose[True]} of 2000 random trees")
    print(f"{time.monotonic() - started:.0f} s")
    return 1 if any(row.different for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
