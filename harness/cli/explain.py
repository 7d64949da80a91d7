"""`explain`: what happened in a recorded run, what was waited for and why it ended; offline, by judging it again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from harness.cli.context import Context, as_json
from harness.diagnosis.story import fates, turns
from harness.evidence import recordings
from harness.evidence.recorder import verdict_data
from harness.evidence.replay import Replay, Told, Wait, replay
from harness.exits import Exit
from harness.verdict import Verdict


@click.command()
@click.argument("run", default="")
@as_json
@click.pass_obj
def explain(context: Context, run: str, as_json: bool) -> Exit:
    """Replay RUN offline, and judge its verdicts again.

    RUN is a run id (its last digits, which are the cluster's, will do), a run.jsonl, or a directory that holds one; the
    newest run where nothing is named. Exit code 0 when every verdict is as it was recorded, 1 when one differs: that is
    a defect of the harness.
    """
    path = Path(run)
    found = replay(path if run and path.exists() else recordings.find(context.settings.artifacts, run))
    if as_json:
        context.data(_document(found))
    else:
        context.console.text("\n".join(_lines(found)))
    return Exit.FAILURE if found.differences else Exit.OK


def _lines(found: Replay) -> Iterator[str]:
    header = found.header
    yield f"run {header['run']}: {header['recipe']} under {header['deployer']} on {header['cluster']}"
    yield f"began {header['started']}"
    yield from (f"{name}: {value}" for name, value in sorted(found.facts.items()))
    yield ""
    for each in found.story:
        yield from _of_wait(each) if isinstance(each, Wait) else _of_task(each)
    yield ""
    if found.truncated:
        yield "the last line is cut off: the harness was killed while it wrote"
    elif not found.closed:
        yield "the recording was not closed: the harness was killed"
    verdicts = sum(len(wait.steps) for wait in found.waits)
    if found.differences:
        yield "judged again, this differs, which is a defect of the harness:"
        yield from (f"  {_indented(text)}" for text in found.differences)
    else:
        yield f"judged again: {verdicts} verdicts in {len(found.waits)} waits, all as recorded"


def _of_task(told: Told) -> Iterator[str]:
    text = told.text.partition("\n")[0]
    words = (told.task, "" if told.state == "note" else told.state)
    yield f"{_at(told.at)}{': '.join(filter(None, (' '.join(filter(None, words)), text)))}"


def _of_wait(wait: Wait) -> Iterator[str]:
    kinds = ", ".join(kind.plural for kind in wait.kinds)
    yield f"{_at(wait.at)}wait {wait.number}, for {wait.name} over {kinds}, at most {wait.within:g} s"
    for step in turns(wait):
        text = str(step.verdict).partition("\n")[0]
        yield f"{_at(step.at)}  {_word(step.verdict)} after {step.seconds:.1f} s: {text}"
    for fate in fates(wait):
        later = f", since {fate.changed:.1f} s" if fate.changed != fate.appeared else ""
        yield f"{_at()}    {fate.subject}: seen at {fate.appeared:.1f} s{later} {fate.state}"
    if wait.how:
        ended = f"wait {wait.number} {wait.how} after {wait.seconds:.1f} s"
        yield f"{_at(wait.at + wait.seconds)}  {ended}: {_indented(wait.why)}"
        if completed := wait.completed:
            lag, held = f"{1000 * completed.lag:.0f} ms", f"{wait.seconds - completed.seconds:.1f} s"
            yield f"{_at()}    the verdict came {lag} after the event that completed it, and still held {held} later"
    else:
        yield f"{_at()}  wait {wait.number} was not over when the recording ended"


def _at(seconds: float | None = None) -> str:
    return " " * 12 if seconds is None else f"{seconds:8.1f} s  "


def _indented(text: str) -> str:
    return text.replace("\n", f"\n{_at()}    ")


def _word(verdict: Verdict) -> str:
    data = verdict_data(verdict)
    return f"{data['type'].lower()}{', doomed,' if data.get('doomed') else ''}"


def _document(found: Replay) -> dict[str, Any]:
    return {
        **found.header,
        "facts": found.facts,
        "truncated": found.truncated,
        "closed": found.closed,
        "differences": list(found.differences),
        "story": [_wait_data(each) if isinstance(each, Wait) else vars(each) for each in found.story],
    }


def _wait_data(wait: Wait) -> dict[str, Any]:
    return {
        "wait": wait.number,
        "at": wait.at,
        "gate": wait.gate,
        "kinds": [str(kind) for kind in wait.kinds],
        "within": wait.within,
        "judged": len(wait.steps),
        "verdicts": [{"seconds": step.seconds, **verdict_data(step.verdict)} for step in turns(wait)],
        "objects": [vars(fate) for fate in fates(wait)],
        "how": wait.how or None,
        "why": wait.why,
        "seconds": wait.seconds if wait.how else None,
        "lag": wait.completed and wait.completed.lag,
    }
