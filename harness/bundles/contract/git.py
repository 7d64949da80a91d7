"""Rules of what is pulled from Git: about the tree itself, and about how Argo CD and Flux refer to the repository."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from harness.bundles.contract.delivered import Delivered
from harness.bundles.contract.rule import Finding, Rule
from harness.bundles.delivery import FLUX_NAMESPACE, REMAKE, SOURCE
from harness.bundles.objects import name_of, namespace_of
from harness.formats.documents import Block

_MODULES = ".gitmodules"


def link(it: Delivered) -> Iterator[Finding]:
    """Argo CD refuses a repository with a link that leaves it, and Flux leaves out every link without a word."""
    for path in sorted(it.directory.rglob("*")):
        if path.is_symlink():
            target = Path(path.parent, path.readlink())
            inside = target.resolve().is_relative_to(it.directory.resolve()) and not path.readlink().is_absolute()
            kind = "is a symbolic link" if inside else "is a symbolic link that leaves the repository"
            yield str(path), f"{kind}: to {path.readlink()}"


def submodule(it: Delivered) -> Iterator[Finding]:
    for path in sorted(it.directory.rglob(_MODULES)):
        yield str(path), "declares submodules, whose content is in other repositories"


def _sources(it: Delivered) -> Iterator[tuple[Block, Block]]:
    """(spec, source) of each source of an Application."""
    for item in it.of("Application"):
        spec = item.block("spec")
        for source in (spec.block("source"), *spec.blocks("sources")):
            if source.data:
                yield spec, source


def own_repository(it: Delivered) -> Iterator[Finding]:
    for _, source in _sources(it):
        url, revision = source.text("repoURL"), source.text("targetRevision")
        if not source.text("chart") and (url, revision) != (it.target.url, it.target.tag):
            yield (
                source.where(),
                f"is {revision or 'HEAD'} of {url}, and the bundle is {it.target.tag} of {it.target.url}",
            )


def values_file(it: Delivered) -> Iterator[Finding]:
    """`$name/path` is a file of the source with that ref; anything else is relative to the chart, in its source."""
    for spec, source in _sources(it):
        refs = {other.text("ref") for other in spec.blocks("sources") if other.text("ref")}
        for path in source.block("helm").texts("valueFiles"):
            ref, _, rest = path.removeprefix("$").partition("/")
            if path.startswith("$") and ref not in refs:
                yield source.where(), f"refers to values of source ${ref}, and no source has that ref"
            elif path.startswith("$") or not source.text("chart"):
                wanted = PurePosixPath(rest if path.startswith("$") else PurePosixPath(source.text("path"), path))
                yield from ((source.where(), what) for what in _no_file(it, wanted))


def _no_file(it: Delivered, path: PurePosixPath) -> Iterator[str]:
    root = it.directory.resolve()
    file = (root / path).resolve()
    if not file.is_relative_to(root):
        yield f"its values {path} are not in the repository"
    elif not file.is_file():
        yield f"there are no values at {file.relative_to(root).as_posix()}"


def own_git_repository(it: Delivered) -> Iterator[Finding]:
    """GitRepositories that a bundle brings itself are of this repository; the lane makes the one that it refers to."""
    for item in it.of("GitRepository"):
        spec = item.block("spec")
        url, branch = spec.text("url"), spec.block("ref").text("branch")
        if (url, branch) != (it.target.url, it.target.tag):
            what = f"is branch {branch or 'master'} of {url}, and the bundle is {it.target.tag} of {it.target.url}"
            yield item.where("spec"), what
    for item in it.of("OCIRepository", "ArtifactGenerator"):
        yield item.where(), f"is an {item.text('kind')}, and this bundle is in Git"


def chart_path(it: Delivered) -> Iterator[Finding]:
    """A chart by path is there, in a repository that holds this bundle."""
    brought = {(namespace_of(item), name_of(item)) for item in it.of("GitRepository")}
    for item in it.of("HelmRelease"):
        chart = item.block("spec").block("chart").block("spec")
        source = chart.block("sourceRef")
        key = (source.text("namespace") or namespace_of(item), source.text("name"))
        if source.text("kind") == "GitRepository" and key in brought | {(FLUX_NAMESPACE, SOURCE)}:
            yield from ((chart.where("chart"), what) for what in it.no_chart(chart.text("chart")))


_ADDRESS = "make the bundle for the repository to which it is pushed"

LINK = Rule("link", link, "put a copy of the file in the place of the link")
SUBMODULE = Rule("submodule", submodule, f"put the files into the bundle, and remove {_MODULES}")
OWN_REPOSITORY = Rule("own-address", own_repository, _ADDRESS)
VALUES_FILE = Rule("values-reference", values_file, REMAKE)
OWN_GIT_REPOSITORY = Rule("own-address", own_git_repository, _ADDRESS)
CHART_PATH = Rule("missing-path", chart_path, REMAKE)
