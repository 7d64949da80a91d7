"""Where a bundle is published, and what a controller that pulls it must make of it, read from the bundle itself.

A gate that counts whatever has appeared is green when a component got lost on the way. So the expected Applications,
HelmReleases and ArtifactGenerators come from the delivered files, for the built-in bundler and for the aicr command
line, whose bundles the layout below is of:

- argocd: app-of-apps.yaml is the root Application, and includes the application.yaml of each folder.
- argocd-helm: a chart whose templates are the root and the children; a folder NNN-<child> for each child.
- flux: kustomization.yaml lists HelmReleases, ArtifactGenerators and sources.
"""

import fnmatch
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import DataError, UsageError, did_you_mean
from harness.formats.addresses import plain_http
from harness.formats.documents import Block, Document

ARGOCD_NAMESPACE = "argocd"
FLUX_NAMESPACE = "flux-system"
SOURCE = "aicr-bundle"  # the OCIRepository that ArtifactGenerators refer to: a contract between bundle and lane
ROOTS: Mapping[str, str] = {"argocd": "nvidia-stack", "argocd-helm": "aicr-stack", "flux": ""}
ENTRY: Mapping[str, str] = {"argocd": "app-of-apps.yaml", "argocd-helm": "Chart.yaml", "flux": "kustomization.yaml"}

_FOLDER = re.compile(r"\d{3,}-(.+)")
_REMAKE = "make the bundle again"


@dataclass(frozen=True)
class Target:
    """Where controllers pull a recipe's artifact: `repository` has neither scheme nor tag, "host:port/aicr/recipe"."""

    repository: str
    tag: str
    plain_http: bool

    @property
    def url(self) -> str:
        return f"oci://{self.repository}"

    @property
    def host(self) -> str:
        return self.repository.partition("/")[0]

    @property
    def path(self) -> str:
        """The repository as its registry calls it, without the host: "aicr/recipe"."""
        return self.repository.partition("/")[2]

    @property
    def parent(self) -> str:
        """The address without the last step: what a Helm client wants to be told."""
        return f"oci://{self.repository.rpartition('/')[0]}"

    @property
    def name(self) -> str:
        """The last step: the recipe, and the name that a wrapper chart must have."""
        return self.repository.rpartition("/")[2]

    def at(self, host: str) -> "Target":
        """The same artifact, as those call it who reach its registry at `host`."""
        return replace(self, repository=f"{host}/{self.path}")

    def plain(self, url: str) -> bool:
        """Whether `url` is an OCI address without TLS: the registry of the run itself, or one of this machine."""
        own = self.plain_http and url.startswith(f"oci://{self.host}/")
        return own or plain_http(url)


@dataclass(frozen=True)
class Delivery:
    """What a bundle must lead to. Pairs are (namespace, name), sources (kind, namespace, name), all in order.

    `root` is the name of the root Application ("" for flux), `applications` are its children. `depends_on` gives, by
    HelmRelease, the names of those it waits for, `installed_as` what Flux calls its Helm release.
    """

    shape: str
    root: str
    applications: tuple[str, ...] = ()
    releases: tuple[tuple[str, str], ...] = ()
    generators: tuple[tuple[str, str], ...] = ()
    sources: tuple[tuple[str, str, str], ...] = ()
    depends_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    installed_as: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all that is delivered: children or HelmReleases."""
        return self.applications or tuple(name for _, name in self.releases)


def read_delivery(directory: Path, shape: str) -> Delivery:
    """What the bundle at `directory` must lead to, by either bundler. DataError with file and line where it is wrong.

    Where the bundle has its recipe.yaml, each component of it has to be delivered.
    """
    match known(shape):
        case "argocd":
            root, children = root_application(directory), [name_of(child) for child in applications(directory)]
            delivery = Delivery(shape, name_of(root), tuple(children))
        case "argocd-helm":
            delivery = Delivery(shape, _wrapper_root(directory), tuple(folders(directory)))
        case _:
            delivery = _flux(directory)
    found = delivery.names
    if not found:
        raise DataError("delivers nothing", where=str(directory), do=_REMAKE)
    names = (delivery.root, *found)
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"delivers {name} twice", where=str(directory), do=_REMAKE)
    lost = _components(directory) - set(found)
    if lost:
        raise DataError(
            f"does not deliver {', '.join(sorted(lost))}, which its recipe.yaml names", where=str(directory)
        )
    return delivery


def known(shape: str) -> str:
    """`shape`, if a controller reads bundles of it."""
    if shape not in ENTRY:
        raise UsageError(f"no controller reads bundles of shape {shape!r}", do=did_you_mean(shape, ENTRY))
    return shape


def root_application(directory: Path) -> Block:
    """The root Application of an argocd bundle: what the lane applies."""
    root = Document.read(directory / ENTRY["argocd"]).root()
    if root.text("kind") != "Application":
        raise DataError("is no Application", where=root.where("kind"), do=_REMAKE)
    return root


def included(directory: Path) -> list[Path]:
    """The files that Argo CD takes for the root's manifests, in order.

    Its pattern knows no separators: the `*` of */application.yaml also stands for a/b/c.
    """
    source = root_application(directory).block("spec").block("source").block("directory")
    below = directory.rglob("*") if source.flag("recurse") else directory.iterdir()
    pattern = source.text("include") or "*"
    return sorted(
        file
        for file in below
        if file.is_file()
        and file.suffix in (".yaml", ".yml", ".json", ".jsonnet")
        and fnmatch.fnmatchcase(file.relative_to(directory).as_posix(), pattern)
    )


def applications(directory: Path) -> Iterator[Block]:
    """The children of an argocd bundle: those of the root's manifests that are in a folder of their own."""
    for file in included(directory):
        if file.parent.parent == directory:
            yield Document.read(file).root()


def folders(directory: Path) -> list[str]:
    """The children of a wrapper chart, by its folders."""
    names = sorted(path.name for path in directory.iterdir() if path.is_dir())
    return [match[1] for name in names if (match := _FOLDER.fullmatch(name))]


def resources(directory: Path) -> tuple[str, ...]:
    """The files that make up a flux bundle, as its kustomization.yaml lists them."""
    root = Document.read(directory / ENTRY["flux"]).root()
    if root.text("kind") != "Kustomization":
        raise DataError("is no Kustomization", where=root.where("kind"), do=_REMAKE)
    return root.texts("resources")


def name_of(item: Block) -> str:
    return item.block("metadata").text("name", required=True)


def namespace_of(item: Block, default: str = "") -> str:
    return item.block("metadata").text("namespace") or default


def _flux(directory: Path) -> Delivery:
    found: dict[str, list[Block]] = {}
    for path in resources(directory):
        item = Document.read(directory / path).root()
        found.setdefault(item.text("kind", required=True), []).append(item)
    releases, generators = found.pop("HelmRelease", []), found.pop("ArtifactGenerator", [])
    return Delivery(
        "flux",
        ROOTS["flux"],
        releases=tuple((namespace_of(item), name_of(item)) for item in releases),
        generators=tuple((namespace_of(item), name_of(item)) for item in generators),
        sources=tuple((kind, namespace_of(item), name_of(item)) for kind, items in found.items() for item in items),
        depends_on={
            name_of(item): tuple(other.text("name", required=True) for other in item.block("spec").blocks("dependsOn"))
            for item in releases
        },
        installed_as={
            name_of(item): item.block("spec").text("releaseName")
            or flux_name(item.block("spec").text("targetNamespace"), name_of(item))
            for item in releases
        },
    )


def flux_name(namespace: str, name: str) -> str:
    """What Flux calls the Helm release of a HelmRelease that does not say: cut off where Helm allows no more."""
    found = f"{namespace}-{name}" if namespace else name
    return found if len(found) <= 53 else f"{found[:40]}-{hashlib.sha256(found.encode()).hexdigest()[:12]}"


def _wrapper_root(directory: Path) -> str:
    """The wrapper chart's templates name the root after a value; what the lane does not set is as the chart has it."""
    values = Document.read(directory / "values.yaml")
    return (values.root().text("appName") if values.data else "") or ROOTS["argocd-helm"]


def _components(directory: Path) -> set[str]:
    """The components of the bundle's recipe.yaml; empty where it has none."""
    file = directory / "recipe.yaml"
    if not file.is_file():
        return set()
    refs = Document.read(file).root().blocks("componentRefs")
    return {ref.text("name", required=True) for ref in refs if ref.block("overrides").data.get("enabled") is not False}
