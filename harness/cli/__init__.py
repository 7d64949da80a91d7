"""The command line: verbs, their options, and nothing else. What they do is elsewhere; who exits is __main__.

A verb is imported when it is used: the libraries behind all of them cost a second of CPU, which `--help`, `--version`
and the completion of a verb's name need not pay. So the sentence that lists a verb stands here too.
"""

from importlib import import_module
from pathlib import Path

import click

from harness.names import PROGRAM

OVERRIDES = "overrides"  # in the `meta` of a command line's contexts: settings that were given after the verb


def _override(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Settings that are given after a verb count like those before it, and after them."""
    context.meta[OVERRIDES] = (*context.meta.get(OVERRIDES, ()), *values)
    if context.obj is not None:
        context.obj.overrides = (*context.obj.overrides, *values)
    return values


class Verb(click.Command):
    """A command that is not imported yet: its name, where it is (`module:name`, in this package), and its sentence.

    Once imported it takes -o as the program itself does, unless it needs no settings.
    """

    def __init__(self, name: str, place: str, sentence: str, *, settings: bool = True) -> None:
        super().__init__(name, short_help=sentence)
        self.place = place
        self.settings = settings

    def load(self) -> click.Command:
        module, _, name = self.place.partition(":")
        command: click.Command = getattr(import_module(f"{__name__}.{module}"), name)
        if self.settings:
            _configurable(command)
        return command


def _configurable(command: click.Command) -> None:
    """Give a command the option -o, and, where it is a group, those in it."""
    if all("-o" not in parameter.opts for parameter in command.params):
        option = click.Option(
            ["-o", "--option"],
            metavar="KEY=VALUE",
            multiple=True,
            expose_value=False,
            is_eager=True,  # before any setting is asked for
            callback=_override,
            help="Override a setting, as before the verb.",
        )
        command.params.append(option)
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        _configurable(inner)


class Verbs(click.Group):
    """Lists verbs as they stand here, and imports the one that is used."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, Verb) else command, rest


VERBS = [
    Verb("up", "clusters:up", "Bring the cluster NAME (the setting `cluster` by default) up, with its nodes."),
    Verb(
        "down",
        "clusters:down",
        "Delete the cluster NAME (the setting `cluster` by default), with its processes and files.",
    ),
    Verb("status", "clusters:status", "Show the clusters, whether they run, who uses them, and their nodes by type."),
    Verb(
        "nodes",
        "clusters:nodes",
        "Create the nodes for RECIPE's criteria in the running cluster, or delete its nodes.",
    ),
    Verb("run", "cells:run", "Run RECIPE under a lane and check that every workload is scheduled as intended."),
    Verb(
        "sweep",
        "sweep:sweep",
        "Run recipes (all testable ones, where none is named) under one lane or several, and report each result.",
    ),
    Verb(
        "health",
        "health:health",
        "Judge the health checks of COMPONENTs, or of all that have one, on the cluster that is up.",
    ),
    Verb("bundle", "cells:bundle", "Write the bundle that a lane would deliver for RECIPE; no cluster is needed."),
    Verb("explain", "explain:explain", "Replay RUN offline, and judge its verdicts again."),
    Verb(
        "report",
        "report:report",
        "Merge the results below each DIR (one matrix, many jobs) and write every report of the whole.",
    ),
    Verb(
        "compare",
        "compare:command",
        "List what broke, was fixed or became slower from OLD to NEW, each a kwok-results.json or a directory.",
        settings=False,
    ),
    Verb("test", "test:test", "Run test suites of chainsaw and kuttl below each DIR, without their programs."),
    Verb("suite", "suite:suite", "Plan and run end-to-end suites: set-up, processes under test, and cases in order."),
    Verb(
        "assert",
        "assert_:assert_",
        "Judge assertion trees against a cluster, or against the objects of a file.",
    ),
    Verb(
        "lint",
        "lint:lint",
        "Check test suites below each DIR (or single files), and print every problem with file and line.",
    ),
    Verb(
        "snapshot",
        "snapshot:snapshot",
        "Write a snapshot of a cluster from its API server, on which constraints are evaluated.",
    ),
    Verb("agent", "agent:agent", "Run Go tests as one Job, and read their result from its log."),
    Verb("validate", "validate:validate", "Check whether a cluster meets the requirements of a recipe."),
    Verb("recipes", "recipes:recipes", "List recipes, show what one resolves to, and why."),
    Verb("matrix", "matrix:matrix", "Select the recipes and lanes to run, with the reasons."),
    Verb("tools", "tools:tools", "List, prepare, verify and lock the pinned tools."),
    Verb("images", "images:images", "List, pull and transfer the images of the Kind runtime."),
    Verb(
        "doctor",
        "doctor:doctor",
        "Check this machine, and print a remedy for everything that is missing; exit code 10 if something is.",
    ),
    Verb(
        "completion",
        "completion:completion",
        'Print the completion script; for bash: eval "$(kwok-harness completion bash)".',
        settings=False,
    ),
]


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    commands=VERBS,
)
@click.option(
    "--settings",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="KWOK_SETTINGS",
    help="A file with settings that differ from the defaults.",
)
@click.option(
    "-o",
    "--option",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a setting, such as nodes.accelerated=8 or deadlines.pods=90s; also after the verb.",
)
@click.option("--lenient", is_flag=True, help="Ignore unknown fields of recipe data in a newer format, with a note.")
@click.version_option(package_name=PROGRAM)
@click.pass_context
def cli(context: click.Context, file: Path | None, overrides: tuple[str, ...], lenient: bool) -> None:
    """Run GPU cluster recipes through their delivery paths on a simulated cluster, and say whether they work."""
    from harness.cli.context import Context  # as late as a verb is

    context.obj = Context(file, overrides, lenient)
