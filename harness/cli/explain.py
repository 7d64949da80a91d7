"""`explain`: what happened in a recorded run, what was waited for and why it ended; offline, by judging it again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from harness.cli.context import Context, as_json
from harness.diagnosis.critical_path import critical_path
from harness.diagnosis.news import News
from harness.diagnosis.story import fates, turns
from harness.evidence import recordings
from harness.evidence.recorder import verdict_data
from harness.evidence.replay import Replay, Told, Wait, replay
from harness.exits import Exit
from harness.results.critical_path import SHOWN, Whose
from harness.verdict import Verdict


@click.command()
@click.argument("run", default="")
@click.option(
    "--critical-path", "path_only", is_flag=True, help="Show what each second was spent on, and nothing else."
)
@as_json
@click.pass_obj
def explain(context: Context, run: str, path_only: bool, as_json: bool) -> Exit:
    """Replay RUN offline, and judge its verdicts again.

    RUN is a run id (its last digits, which are the cluster's, will do), a run.jsonl, or a directory that holds one; the
    newest run where nothing is named. Exit code 0 when every verdict is as it was recorded, 1 when one differs: that is
    a defect of the harness. With --critical-path nothing is judged.
    """
    path = Path(run)
    found = replay(
        path if run and path.exists() else recordings.find(context.settings.artifacts, run), judge=not path_only
    )
    if path_only:
        _tell_path(context, found, as_json)
        return Exit.OK
    if as_json:
        context.data(_document(found))
    else:
        context.console.text("\n".join(_lines(found)))
    return Exit.FAILURE if found.differences else Exit.OK


def _tell_path(context: Context, found: Replay, as_json: bool) -> None:
    """What each second was spent on: a row for each hop, then whose the time was and the longest causes."""
    path = critical_path(found)
    if as_json:
        context.data({**found.header, **path.document()})
        return
    context.console.text("\n".join(_title(found)))
    rows = [
        (f"{hop.begun:.1f}", f"{hop.seconds:.1f}", hop.whose.value, hop.what, hop.cause)
        for hop in path.hops
        if hop.seconds >= SHOWN
    ]
    context.console.table(("begins", "seconds", "whose", "what", "cause"), rows)
    for whose in Whose:
        context.console.text(f"{whose.value}: {path.share(whose):.1f} s of {path.seconds:.1f} s")
    for cause, seconds in path.longest_causes(5):
        context.console.text(f"  {seconds:.1f} s  {cause}")


def _title(found: Replay) -> Iterator[str]:
    header = found.header
    yield f"run {header['run']}: {header['recipe']} under {header['deployer']} on {header['cluster']}"
    yield f"began {header['started']}"


def _lines(found: Replay) -> Iterator[str]:
    yield from _title(found)
    yield from (f"{name}: {value}" for name, value in sorted(found.facts.items()) if isinstance(value, str))
    yield ""
    for each in found.story:
        yield from _of_wait(each) if isinstance(each, Wait) else _of_task(each)
    yield ""
    if found.truncated:
        yield "the last line is cut off: the harness was killed while it wrote"
    elif not found.closed:
        yield "the recording was not closed: the harness was killed"
    if found.cut is not None:
        yield f"the recording is cut: it became too large after {found.cut:.1f} s, and what was seen later is not in it"
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
    news = News()
    for step in turns(wait):
        if said := news.of(step):
            yield f"{_at(step.at)}  {_word(step.verdict)} after {step.seconds:.1f} s: {said}"
    for fate in fates(wait):
        later = f", since {fate.changed:.1f} s" if fate.changed != fate.appeared else ""
        yield f"{_at()}    {fate.subject}: seen at {fate.appeared:.1f} s{later} {fate.state}"
    if wait.how:
        ended = f"wait {wait.number} {wait.how} after {wait.seconds:.1f} s"
        why = "" if news.told(wait.why) else f": {_indented(wait.why)}"
        yield f"{_at(wait.at + wait.seconds)}  {ended}{why}"
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
        "cut": found.cut,
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
