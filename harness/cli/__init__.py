"""The command line: verbs, their options, and nothing else. What they do is elsewhere; who exits is __main__."""

from pathlib import Path

import click

from harness.cli import cells, clusters, compare, doctor, explain, images, matrix, recipes, report, sweep, tools
from harness.cli.context import Context
from harness.settings import DEFAULT_FILE


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--settings",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="KWOK_SETTINGS",
    default=DEFAULT_FILE,
    show_default="the settings.yaml of the harness",
    help="The configuration file.",
)
@click.option(
    "-o",
    "--option",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a setting, such as nodes.accelerated=8 or deadlines.pods=90s.",
)
@click.option("--lenient", is_flag=True, help="Leave out what recipe data of a newer format has, and say so.")
@click.version_option(package_name="kwok-harness")
@click.pass_context
def cli(context: click.Context, file: Path, overrides: tuple[str, ...], lenient: bool) -> None:
    """Run GPU cluster recipes through their delivery paths on a simulated cluster, and say whether they work."""
    context.obj = Context(file, overrides, lenient)


for command in (
    clusters.up,
    clusters.down,
    clusters.status,
    clusters.nodes,
    cells.run,
    sweep.sweep,
    cells.bundle,
    explain.explain,
    report.report,
    compare.command,
    recipes.recipes,
    matrix.matrix,
    tools.tools,
    images.images,
    doctor.doctor,
    doctor.completion,
):
    cli.add_command(command)
