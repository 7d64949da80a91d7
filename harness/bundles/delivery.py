"""Where a bundle is published, and what a controller that pulls it must make of it.

A gate that counts whatever has appeared is green when a component got lost on the way. So the expected Applications,
HelmReleases and ArtifactGenerators are read from the delivered files: each shape says how.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness.formats.addresses import plain_http

REMAKE = "make the bundle again"  # the remedy where a bundle does not add up
ARGOCD_NAMESPACE = "argocd"
FLUX_NAMESPACE = "flux-system"
SOURCE = "aicr-bundle"  # the OCIRepository or GitRepository that a bundle refers to: a contract between it and the lane


@dataclass(frozen=True)
class Target:
    """Where controllers pull a recipe's bundle: `repository` has neither scheme nor tag, "host:port/aicr/recipe".

    `plain_http`: its registry has no TLS. In Git the scheme is that of the repository, and `tag` the branch.
    """

    repository: str
    tag: str
    plain_http: bool
    scheme: str = "oci"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.repository}"

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
        """Whether `url` is an OCI address without TLS: the registry of the artifact itself, or one of this machine."""
        return self.plain_http if url.startswith(f"oci://{self.host}/") else plain_http(url)


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
