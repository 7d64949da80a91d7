"""`lint`: every problem of every file of suites, before anything runs."""

from pathlib import Path

import click

from harness.assertions.lint import Severity
from harness.cli.context import Context, as_json
from harness.errors import UsageError
from harness.exits import Exit
from harness.suites.load import Overrides, check_file, load
from harness.suites.problems import Problem, Problems


@click.command()
@click.argument("places", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR...")
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="The Configuration of the tests.")
@click.option("--test-file", help="The name of the files with tests; chainsaw-test by default.")
@as_json
@click.pass_obj
def lint(context: Context, places: tuple[Path, ...], config: Path | None, test_file: str | None, as_json: bool) -> Exit:
    """Check test suites below each DIR (or single files), and print every problem with file and line.

    Files are read, expressions compiled; no cluster is needed and no script runs. Exit code 0 where nothing is wrong
    (warnings may be), 10 where something is, 64 where no test was found.
    """
    problems = Problems()
    count, single = 0, 0
    for place in places:
        if not place.exists():
            raise UsageError("file or folder not found", where=str(place))
        if place.is_dir():
            found = load([place], problems, config=config, overrides=Overrides(test_file=test_file))
            count += sum(len(suite.tests) for suite in found)
        else:
            single += 1
            suite = check_file(place, problems)
            count += len(suite.tests) if suite is not None else 0
    told = sorted(dict.fromkeys(problems.found), key=_position)  # a file that several operations name is read for each
    errors = sum(problem.severity is Severity.ERROR for problem in told)
    if as_json:
        context.data({"tests": count, "errors": errors, "warnings": len(told) - errors, "problems": _data(told)})
    else:
        for problem in told:
            context.console.text(_told(problem))
        counts = [_counted(count, "test"), _counted(errors, "error"), _counted(len(told) - errors, "warning")]
        context.console.text(", ".join(counts))
    if not count and not single and not errors:
        raise UsageError("no test found", where=", ".join(map(str, places)), do="name a folder with chainsaw-test.yaml")
    return Exit.SETTINGS if errors else Exit.OK


def _position(problem: Problem) -> tuple[str, int]:
    """Its file and its line, 0 where it is the whole file."""
    file, colon, line = problem.place.rpartition(":")
    return (file, int(line)) if colon and line.isdigit() else (problem.place, 0)


def _told(problem: Problem) -> str:
    what = f"{problem.place}: {problem.severity.value}: {problem.what}"
    return f"{what}\n  {problem.do}" if problem.do else what


def _data(found: list[Problem]) -> list[dict[str, object]]:
    return [
        {
            "place": problem.place,
            "severity": problem.severity.value,
            "message": problem.what,
            "remedy": problem.do,
        }
        for problem in found
    ]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
