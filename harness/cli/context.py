"""What the verbs share: settings, console, tools and runtime, each made, and imported, when it is first asked for.

So a verb, and the completion of a recipe's name, cost what they need and no more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import OVERRIDES
from harness.errors import UsageError
from kwok import SAMPLES

if TYPE_CHECKING:
    from harness.cells.lane import Lane
    from harness.installers.platform import Platform
    from harness.objects import Object
    from harness.recipes.load import Catalog
    from harness.recipes.model import Criteria, Recipe
    from harness.recipes.profiles import Profiles
    from harness.recipes.values import SetOverride
    from harness.results.results import Results
    from harness.runtime import Runtime
    from harness.settings import Settings
    from harness.terminal.console import Console
    from harness.tools.toolbox import Toolbox
    from kwok.platforms import Choice


@dataclass
class Context:
    """Made by the top command from `--settings` and `-o`; commands get it by `click.pass_obj`."""

    file: Path | None
    overrides: tuple[str, ...]
    lenient: bool = False

    def __getstate__(self) -> dict[str, Any]:
        """For another process: settings and data as they are now, whoever changes the files meanwhile."""
        return {key: value for key, value in self.__dict__.items() if key not in ("console", "toolbox", "platform")}

    def override(self, key: str, value: str | None) -> None:
        """A setting that has an option of its own, where that was given; before the settings are first asked for."""
        if value is not None:
            self.overrides = (*self.overrides, f"{key}={value}")

    @cached_property
    def settings(self) -> Settings:
        from harness.settings import DEFAULT_FILE, load

        pairs = {}
        for text in self.overrides:
            key, equals, value = text.partition("=")
            if not equals:
                raise UsageError(f"{text!r} is not KEY=VALUE", where="-o")
            pairs[key] = value
        return load(self.file or DEFAULT_FILE, overrides=pairs)

    @cached_property
    def console(self) -> Console:
        from harness.terminal.console import Console

        return Console()

    @cached_property
    def toolbox(self) -> Toolbox:
        from harness.tools.toolbox import Toolbox, cache_directory

        return Toolbox(
            self.settings.tools,
            cache_directory(os.environ),
            self.console,
            timeout=self.settings.deadlines.tool_build,
        )

    @cached_property
    def choice(self) -> Choice:
        """The runtime that is used, and why; told to people before anything is done with it."""
        from kwok.platforms import choose

        return choose(self.settings, os.environ)

    @cached_property
    def platform(self) -> Platform:
        from kwok.platforms import platform_of

        return platform_of(self.choice.runtime, self.settings, self.toolbox.path, os.environ)

    @property
    def platforms(self) -> list[Platform]:
        """All that clusters of this user may be on: both, unless the settings name one."""
        from kwok.platforms import RUNTIMES, platform_of

        names = RUNTIMES if self.settings.runtime == "auto" else (self.settings.runtime,)
        return [platform_of(name, self.settings, self.toolbox.path, os.environ) for name in names]

    @property
    def runtime(self) -> Runtime:
        return self.platform.runtime

    def settle_runtime(self, console: Console) -> None:
        """Say which runtime it is, and why. Raises EngineMissing where it is one that the machine does not have."""
        console.note(f"runtime {self.choice.runtime}: {self.choice.why}")
        self.platform.require()

    @cached_property
    def catalog(self) -> Catalog:
        return self.catalog_at(Path(self.settings.recipes) if self.settings.recipes else SAMPLES)

    def catalog_at(self, directory: Path) -> Catalog:
        """The recipe data of a directory; what a lenient reading leaves out is told."""
        from harness.recipes.load import Catalog

        catalog = Catalog.load(directory, lenient=self.lenient or self.settings.lenient)
        for note in catalog.notes:
            self.console.note(note)
        return catalog

    @cached_property
    def kwok_sets(self) -> tuple[SetOverride, ...]:
        """What every run on simulated nodes sets in charts: the overrides of the package, then those of the user's
        file. Raises DataError for a mistake in that.
        """
        from harness.recipes.overrides import load, packaged
        from harness.recipes.values import check_sets

        own = load(Path(self.settings.overrides)) if self.settings.overrides else ()
        check_sets(self.catalog, own)
        return (*packaged(), *own)

    def resolved(self, recipe: str, catalog: Catalog | None = None) -> Recipe:
        """The recipe of this name, of the data that the settings name where no other is given, with its mirrors."""
        from harness.bundles.mirrors.addresses import mirrored
        from harness.recipes.resolve import resolve

        return mirrored(resolve(catalog or self.catalog, recipe), self.settings.mirrors)

    def lane(self, name: str | None) -> Lane:
        """The lane of that name, or of the settings, with what the settings name to push to."""
        from harness.installers.external import located
        from lanes import find

        lane = find(name or self.settings.deployer)
        return replace(lane, infrastructure=located(lane.infrastructure, self.settings))

    @cached_property
    def profiles(self) -> Profiles:
        from harness.recipes.profiles import Profiles

        nodes = self.settings.nodes
        return Profiles(self.catalog.root / "profiles", SAMPLES.parent / "profiles", nodes.profile, nodes.generic)

    def nodes(self, criteria: Criteria) -> list[Object]:
        """The nodes for a recipe's criteria, and the StorageClasses that come with them."""
        from kwok.nodes import NodePlan, simulated_objects

        chosen = self.profiles.of(criteria.service, criteria.accelerator)
        return simulated_objects(NodePlan.of(chosen, self.settings.nodes))

    def history(self, directories: Iterable[Path]) -> list[Results]:
        """Every run below the directories, the earliest first; a file that cannot be read is told."""
        from harness import reports

        runs, problems = reports.history(directories)
        for problem in problems:
            self.console.note(problem)
        return runs

    def data(self, document: Any) -> None:
        """Print a document for scripts: JSON on stdout, nothing else."""
        self.console.text(json.dumps(document, indent=2, default=str))


earlier = click.option(
    "--history",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    metavar="DIR",
    help="A directory with the results of earlier runs: what is noise, and what is flaky.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def recipe_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Shell completion of recipe names, from the data that the settings name."""
    return _complete(context, lambda found: found.catalog.names(), incomplete)


def _complete(
    context: click.Context, names: Callable[[Context], list[str] | tuple[str, ...]], incomplete: str
) -> list[str]:
    top = context.find_root().params
    overrides = (*(top.get("overrides") or ()), *context.meta.get(OVERRIDES, ()))
    try:
        found = names(Context(top.get("file"), overrides))
    except Exception:  # noqa: BLE001 - a broken file must not spoil the user's command line
        return []
    return [name for name in found if name.startswith(incomplete)]
