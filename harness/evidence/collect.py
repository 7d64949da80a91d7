"""What is left behind when a cell fails: one directory that tells the story without the cluster.

It is taken before anything is cleaned. A collector is a name, a file and a function; lanes bring their own. Each has
its own time, all of them have one budget, and what one of them does (fail, hang, fill the disk) is written down and
disturbs neither the others nor the verdict. Everything passes the redactor before it is written.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.evidence.directory import EvidenceDirectory
from harness.evidence.redaction import Redactor
from harness.processes.commands import CommandFailed
from harness.results.outcome import Outcome

PARALLEL = 6  # collectors at once: most of them wait for kubectl or helm
Files = Mapping[str, str]  # by path below the collector's own

_OWN = {  # beside what collectors bring
    "collectors.txt": "what became of each collector",
    "run.json": "the outcome, for scripts",
    "run.jsonl": "the recording: replay it with `kwok-harness explain` and this directory",
}


class Incomplete(HarnessError):
    """A collector got a part of what it was after: `content` is kept and marked."""

    def __init__(self, content: str | Files, why: str) -> None:
        super().__init__(why)
        self.content = content


@dataclass(frozen=True)
class Collector:
    """One piece of evidence: `produce` is given seconds and returns the text of `file`.

    `file` is a path below the evidence directory; where `produce` returns several files, it is their directory.
    `about` tells a reader of summary.txt what is in it. After `timeout` seconds nobody waits for it any more; it is
    given four fifths of them, so that it can end what it has begun and return (or raise Incomplete with) what it has.
    """

    name: str
    file: str
    produce: Callable[[float], str | Files]
    about: str = ""
    timeout: float = 15.0


@dataclass(frozen=True)
class Collected:
    """What became of one collector: `problem` is empty when it is all there; `files` are those that were written."""

    collector: Collector
    seconds: float
    problem: str
    files: tuple[str, ...]

    @property
    def state(self) -> str:
        return "ok" if not self.problem else "incomplete" if self.files else "failed"


@dataclass(frozen=True)
class EvidenceReport:
    """What was collected, in the order of the collectors, and how long it took in wall seconds."""

    collected: tuple[Collected, ...]
    seconds: float

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(f"{each.collector.name}: {each.problem}" for each in self.collected if each.problem)


def collect(directory: EvidenceDirectory, collectors: Sequence[Collector], budget: Deadline) -> EvidenceReport:
    """Run the collectors side by side, the first ones first, and write what they bring and `collectors.txt`.

    Returns when all are done or the budget is spent, whichever comes first, with whatever there is. Raises nothing: a
    collector that hangs is left to itself (its thread is a daemon) and what it brings later is dropped.
    """
    begun = budget.clock()
    done: dict[int, Collected] = {}
    running: dict[int, Deadline] = {}
    waiting = list(range(len(collectors)))
    results: queue.SimpleQueue[tuple[int, Files, str]] = queue.SimpleQueue()

    def finish(number: int, files: Files, problem: str) -> None:
        seconds = running[number].budget - running[number].remaining
        del running[number]
        problems = [problem] if problem else []
        written = []
        for file, text in files.items():
            trouble = directory._write(file, text)  # noqa: SLF001 - redacted by the collector's thread already
            if trouble:
                problems.append(trouble if len(files) == 1 else f"{file}: {trouble}")
            else:
                written.append(file)
        done[number] = Collected(collectors[number], seconds, "; ".join(dict.fromkeys(problems)), tuple(written))

    while (waiting or running) and not budget.expired:
        while waiting and len(running) < PARALLEL:
            number = waiting.pop(0)
            running[number] = budget.within(collectors[number].timeout)
            told = 0.8 * running[number].budget
            arguments = (directory.redactor, number, collectors[number], told, results)
            threading.Thread(target=_produce, args=arguments, name=collectors[number].name, daemon=True).start()
        try:
            number, files, problem = budget.clock.receive(results, min(each.remaining for each in running.values()))
        except queue.Empty:
            for number in [each for each, deadline in running.items() if deadline.expired]:
                finish(number, {}, f"no answer after {running[number].budget:.1f} s")
            continue
        if number in running:
            finish(number, files, problem)
    for number in list(running):
        finish(number, {}, f"no answer after {running[number].budget:.1f} s")
    for number in waiting:
        done[number] = Collected(collectors[number], 0.0, f"not begun: the {budget.budget:g} s were used up", ())
    report = EvidenceReport(tuple(done[number] for number in sorted(done)), budget.clock() - begun)
    directory.write("collectors.txt", _table(report))
    return report


def summary(outcome: Outcome, directory: EvidenceDirectory, report: EvidenceReport) -> str:
    """summary.txt: what failed, and what lies where, for somebody who sees this directory for the first time."""
    about = {file: each.collector.about for each in report.collected for file in each.files} | _OWN
    shown: dict[str, str] = {}
    for file in sorted({*directory.files(), *_OWN}):
        folder = next((c.collector.file for c in report.collected if file in c.files and file != c.collector.file), "")
        shown.setdefault(f"{folder}/" if folder else file, about.get(file, ""))
    lines = [
        f"Recipe {outcome.recipe} under {outcome.deployer}: {'passed' if outcome.passed else 'failed'}"
        f" after {outcome.seconds:.1f} s (exit code {int(outcome.exit)}, {outcome.exit.name}).",
        "",
        outcome.reason,
        "",
        "Phases",
        *(
            f"  {p.verdict:<8} {p.seconds:7.1f} s  {p.name}{'  ' + p.detail if p.detail else ''}"
            for p in outcome.phases
        ),
        "",
        f"Files (cluster {outcome.cluster}, runtime {outcome.runtime}, begun {outcome.started:%Y-%m-%d %H:%M:%S} UTC)",
        *(f"  {file:<40} {text}".rstrip() for file, text in shown.items()),
        "",
        "Values that are or look secret were replaced by REDACTED.",
    ]
    if report.problems:
        lines += ["", "Not or not wholly collected", *(f"  {problem}" for problem in report.problems)]
    if outcome.notes:
        lines += ["", "The verdict does not cover", *(f"  {note}" for note in outcome.notes)]
    return "\n".join(lines) + "\n"


def _produce(
    redactor: Redactor,
    number: int,
    collector: Collector,
    timeout: float,
    results: "queue.SimpleQueue[tuple[int, Files, str]]",
) -> None:
    """Run one collector in its thread, and redact there too: that is most of the work for a long log."""
    problem = ""
    try:
        try:
            produced = collector.produce(timeout)
        except Incomplete as error:
            problem = str(error)
            mark = f"[incomplete: {problem}]\n"
            whole = error.content
            produced = f"{whole.rstrip()}\n\n{mark}" if isinstance(whole, str) else {**whole, "INCOMPLETE.txt": mark}
        if isinstance(produced, str):
            files = {collector.file: produced}
        else:
            files = {f"{collector.file}/{name}": text for name, text in produced.items()}
        clean = {file: redactor.text(text) for file, text in files.items()}
        results.put((number, clean, redactor.text(problem)))
    except Exception as error:  # noqa: BLE001 - a defect in one collector must not cost the evidence of the others
        results.put((number, {}, redactor.text(_one_line(error))))


def _one_line(error: Exception) -> str:
    """The cause of a failed collector on one line; of a command, what it said last."""
    if isinstance(error, CommandFailed) and not error.timed_out:
        said = (error.completed.stderr.strip() or error.completed.stdout.strip()).splitlines()
        return f"exit status {error.completed.returncode}: {said[-1] if said else 'no output'}"
    text = str(error).strip().splitlines()
    named = isinstance(error, HarnessError)
    return (text[0] if text else "") if named and text else f"{type(error).__name__}: {text[0] if text else ''}"


def _table(report: EvidenceReport) -> str:
    rows = [("COLLECTOR", "SECONDS", "RESULT")]
    for each in report.collected:
        result = each.state if not each.problem else f"{each.state}: {each.problem}"
        rows.append((each.collector.name, f"{each.seconds:.1f}", result))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "".join(f"{name:<{widths[0]}}   {seconds:>{widths[1]}}   {result}\n" for name, seconds, result in rows)
