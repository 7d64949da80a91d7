"""The other bundler: the `aicr` command line, for testing what it really makes.

It resolves the recipe itself, from criteria and from data built into it. So what it resolved is compared with the
overlay that was named: the bash harness left `platform` out of the criteria, and a quarter of its cells silently tested
the parents of their recipes. Its edit of the Prometheus values after bundling (an emptyDir in place of a claim) has no
counterpart here: volumes bind on simulated clusters, and a lane that edits its bundle tests another bundle.
"""

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.bundles.bundlers.builtin import replacing
from harness.bundles.delivery import Target
from harness.bundles.kustomization import flux_name
from harness.bundles.mirrors.tree import mirror_tree
from harness.bundles.model import Bundle, Folder
from harness.bundles.read import read
from harness.bundles.shape import PulledShape
from harness.bundles.shapes import find, pulled
from harness.errors import DataError, HarnessError, ToolError, UsageError
from harness.formats.documents import Document
from harness.processes import commands
from harness.processes.commands import CommandFailed
from harness.recipes.model import Recipe, switched_off
from harness.recipes.overrides import packaged
from harness.recipes.values import KWOK_PLACEMENT, NodePlacement, SetOverride, select

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class AicrBundler:
    """A PushingBundler. `sets` come after `overrides` (those of the package by default) and win over them; `placement`
    says where pods go.

    `mirrors` are applied to what it makes on disk. `timeout` is in seconds, for each of the two calls.
    """

    def __init__(
        self,
        binary: Path,
        sets: Sequence[SetOverride] = (),
        placement: NodePlacement = KWOK_PLACEMENT,
        *,
        overrides: Sequence[SetOverride] | None = None,
        mirrors: Mapping[str, str] | None = None,
        timeout: float = 300.0,
    ) -> None:
        self.mirrors = mirrors or {}
        self._binary = binary.absolute()  # the calls run elsewhere
        self.sets: Sequence[SetOverride] = (*(packaged() if overrides is None else overrides), *sets)
        self._placement = placement
        self._timeout = timeout

    def make(self, recipe: Recipe, shape: str, directory: Path, target: Target | None = None) -> Bundle:
        form = find(shape)
        words: list[str | Path] = []
        if isinstance(form, PulledShape):
            if form.transport == "git" and target is not None:
                words = ["--deployer", form.deployer, "--repo", target.url]
            else:
                raise self._only_pushed(shape)
        with replacing(directory) as fresh:
            self._bundle(recipe, [*words, "--output", fresh.absolute()])
            if not any(fresh.iterdir()):
                raise self._failed("bundle", "succeeded, but wrote no bundle")
            mirror_tree(fresh, shape, self.mirrors)
            read(fresh, shape)
        return read(directory, shape)

    def _only_pushed(self, shape: str) -> UsageError:
        return UsageError(
            f"the aicr command line can make the shape {shape} only while it pushes it to a registry",
            do="push it, which also writes it to the directory (`bundle RECIPE --deployer LANE --output DIR --push "
            "-o registry.address=registry.example.com/team`); or take the built-in bundler (`bundler: builtin`)",
        )

    def push(self, recipe: Recipe, shape: str, target: Target, address: Target) -> None:
        """Its own copy of what it pushes, ./bundle where it runs, goes away: the registry has what counts."""
        words = ["--deployer", pulled(shape).deployer, "--output", f"{target.url}:{target.tag}"]
        # An argocd bundle names its own place; a wrapper chart is told at its installation, and Flux by the lane.
        words += ["--repo", address.url] if pulled(shape).names_address else []
        self._bundle(recipe, [*words, "--plain-http"] if target.plain_http else words)

    def installed_as(self, folder: Folder, shape: str) -> str:
        """Its HelmReleases name no release, and Flux then makes up a name."""
        form = find(shape)
        unnamed = isinstance(form, PulledShape) and not form.names_releases
        return flux_name(folder.namespace, folder.release) if unnamed else folder.release

    def notes(self, recipe: Recipe) -> tuple[str, ...]:
        return select(recipe, self.sets).notes

    def _bundle(self, recipe: Recipe, output: Sequence[str | Path]) -> None:
        """Have the recipe resolved, see that it is the one that was named, and have it bundled to `output`."""
        with tempfile.TemporaryDirectory(prefix="aicr-") as name:
            work = Path(name)
            file = work / "recipe.yaml"
            self._call(work, ["recipe", *_criteria(recipe), "--output", file])
            if not file.is_file():
                raise self._failed("recipe", "succeeded, but wrote no recipe")
            _same_recipe(recipe, Document.read(file).root().data)
            overrides = (word for override in _applicable(recipe, self.sets) for word in ("--set", override.text))
            words = ["bundle", "--recipe", file, *output, *_placement(self._placement), *overrides]
            self._call(work, words)

    def _call(self, work: Path, words: Sequence[str | Path]) -> None:
        try:
            commands.run([self._binary, *words], timeout=self._timeout, cwd=work)
        except CommandFailed as error:
            raise self._failed(str(words[0]), f"failed: {error.what}") from error

    def _failed(self, verb: str, what: str) -> HarnessError:
        return HarnessError(
            f"aicr {verb} {what}",
            where=str(self._binary),
            do="run the command by hand, or take the built-in bundler (`bundler: builtin`)",
        )


def find_aicr(setting: str, directory: Path) -> Path:
    """The command line to use: `setting` (AICR_BIN), else what is built in `directory`/dist, else PATH.

    Raises ToolError that names each place that was tried.
    """
    if setting:
        candidates = [Path(setting).expanduser()]
    else:
        dist = directory / "dist"
        system, machine = platform.system().lower(), platform.machine()
        ours = f"aicr_{system}_{_ARCHITECTURES.get(machine, machine)}*/aicr"
        candidates = [dist / "aicr", *sorted(dist.glob(ours)), dist / f"aicr_{system}_all" / "aicr"]
        candidates += sorted(dist.rglob("aicr"))
        candidates += [Path(found)] if (found := shutil.which("aicr")) else []
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate.absolute()
    tried = f"{setting} (AICR_BIN)" if setting else f"{directory / 'dist'} and PATH"
    raise ToolError(
        f"aicr command line not found: tried {tried}",
        do="build it (`make build` in its repository), set AICR_BIN, or take the built-in bundler",
    )


def _criteria(recipe: Recipe) -> Iterator[str]:
    for name, value in recipe.criteria.specific.items():
        yield from (f"--{name}", str(value))


def _placement(placement: NodePlacement) -> Iterator[str]:
    for kind, selector, tolerations in (
        ("system", placement.system_selector, placement.system_tolerations),
        ("accelerated", placement.accelerated_selector, placement.accelerated_tolerations),
    ):
        for key, value in selector.items():
            yield from (f"--{kind}-node-selector", f"{key}={value}")
        for toleration in tolerations:
            text = "{key}={value}:{effect}".format_map(toleration)
            yield from (f"--{kind}-node-toleration", text)


def _applicable(recipe: Recipe, sets: Sequence[SetOverride]) -> Iterator[SetOverride]:
    """The overrides of components that the recipe has: the command line refuses those of others."""
    entries = [component.entry for component in recipe.components]
    return (override for override in sets if any(entry.answers_to(override.component) for entry in entries))


def _same_recipe(recipe: Recipe, resolved: Mapping[str, Any]) -> None:
    """The command line must have resolved the overlay that was named, not a parent and not a newer state of it."""
    version = str(resolved.get("apiVersion"))
    refs = resolved.get("componentRefs") or ()
    theirs = {ref["name"] for ref in refs if not switched_off(ref.get("overrides") or {}, version)}
    ours = {component.name for component in recipe.components}
    found = []
    if ours - theirs:
        found.append(f"it lacks {', '.join(sorted(ours - theirs))}")
    if theirs - ours:
        found.append(f"it has {', '.join(sorted(theirs - ours))} besides")
    applied = (resolved.get("metadata") or {}).get("appliedOverlays") or []
    if recipe.name not in applied:
        found.append(f"overlay {recipe.name} was not applied, but {', '.join(applied) or 'none'}")
    if found:
        raise DataError(
            f"aicr resolved another recipe than {recipe.name}: {'; '.join(found)}",
            where=str(recipe.data),
            do="build the command line from the commit that the recipe data is of",
        )
