"""Rules of Flux, about HelmReleases, their sources, and the ArtifactGenerators that cut charts out of the bundle."""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from harness.bundles.contract.delivered import Delivered
from harness.bundles.contract.rule import Finding, Rule
from harness.bundles.delivery import FLUX_NAMESPACE, REMAKE, SOURCE
from harness.bundles.kustomization import KUSTOMIZATION, resources
from harness.bundles.objects import name_of, namespace_of
from harness.formats.documents import Block

_NO_TLS = "has no `insecure: true`, and its registry has no TLS"


def git_placeholder(it: Delivered) -> Iterator[Finding]:
    for item in it.of("GitRepository"):
        yield item.where(), f"is a GitRepository ({item.block('spec').text('url')}), and this artifact is not in Git"
    for reference, _ in _references(it):
        if reference.text("kind") == "GitRepository":
            yield reference.where(), f"refers to a GitRepository ({reference.text('name')})"


def missing_path(it: Delivered) -> Iterator[Finding]:
    for path in resources(it.directory):
        if not (it.directory / path).is_file():
            yield str(it.directory / KUSTOMIZATION), f"lists {path}, which does not exist"
    for item, copy in _copies(it):
        kinds = {source.text("alias"): source.text("kind") for source in item.block("spec").blocks("sources")}
        alias, _, path = copy.text("from").removeprefix("@").partition("/")
        if kinds.get(alias) == "OCIRepository":
            yield from ((copy.where("from"), what) for what in it.no_chart(path.removesuffix("**").rstrip("/")))


def _copies(it: Delivered) -> Iterator[tuple[Block, Block]]:
    """(generator, copy) of each copy that makes up an artifact."""
    for item in it.of("ArtifactGenerator"):
        for artifact in item.block("spec").blocks("artifacts"):
            for copy in artifact.blocks("copy"):
                yield item, copy


def chart_directory(it: Delivered) -> Iterator[Finding]:
    for _, copy in _copies(it):
        if not copy.text("to").removeprefix("@artifact").strip("/"):
            yield (
                copy.where("to"),
                f"copies a chart to {copy.text('to')}, but helm-controller expects it in a directory",
            )


def depends_on(it: Delivered) -> Iterator[Finding]:
    graph = {}
    for item in it.of("HelmRelease"):
        default = namespace_of(item)
        others = item.block("spec").blocks("dependsOn")
        graph[default, name_of(item)] = {(other.text("namespace") or default, other.text("name")) for other in others}
    for release, needed in graph.items():
        for namespace, name in sorted(needed - set(graph)):
            yield "/".join(release), f"depends on {namespace}/{name}, which the bundle does not have"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield "dependsOn", f"goes in a circle: {' → '.join(name for _, name in error.args[1])}"


def missing_source(it: Delivered) -> Iterator[Finding]:
    """Whether each reference to a source finds one; the source of the bundle itself is made by the lane."""
    there = {(item.text("kind"), namespace_of(item), name_of(item)) for item in it.objects}
    there.add(("GitRepository" if it.shape.transport == "git" else "OCIRepository", FLUX_NAMESPACE, SOURCE))
    for item in it.of("ArtifactGenerator"):
        made = item.block("spec").blocks("artifacts")
        there |= {("ExternalArtifact", namespace_of(item), artifact.text("name")) for artifact in made}
    for reference, default in _references(it):
        key = (reference.text("kind"), reference.text("namespace") or default, reference.text("name"))
        if key not in there:
            yield reference.where(), f"refers to {key[0]} {key[1]}/{key[2]}, which the bundle does not have"


def _references(it: Delivered) -> Iterator[tuple[Block, str]]:
    """(reference, namespace of who refers) to sources."""
    for item in it.of("HelmRelease", "ArtifactGenerator"):
        spec = item.block("spec")
        by_chart = (spec.block("chartRef"), spec.block("chart").block("spec").block("sourceRef"))
        for reference in (*by_chart, *spec.blocks("sources")):
            if reference.data:
                yield reference, namespace_of(item)


def plain_http(it: Delivered) -> Iterator[Finding]:
    for item in it.of("HelmRepository", "OCIRepository"):
        spec = item.block("spec")
        if it.target.plain(spec.text("url")) and not spec.flag("insecure"):
            yield item.where("spec"), _NO_TLS
    for made in it.applied or ():
        asked = made.get("spec") or {}
        if it.target.plain(str(asked.get("url"))) and not asked.get("insecure"):
            yield f"{made['kind']} {made['metadata']['name']}", _NO_TLS


GIT_PLACEHOLDER = Rule(
    "git-placeholder", git_placeholder, "make the bundle for the address under which it is published"
)
MISSING_PATH = Rule("missing-path", missing_path, REMAKE)
MISSING_SOURCE = Rule("missing-source", missing_source, REMAKE)
CHART_DIRECTORY = Rule("chart-directory", chart_directory, 'copy to "@artifact/NAME/"')
DEPENDS_ON = Rule("depends-on", depends_on, REMAKE)
PLAIN_HTTP = Rule("plain-http", plain_http, "say of every address that it has no TLS")
