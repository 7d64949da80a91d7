"""A bad bundle for each rule of the contract: the golden bundle of a shape, broken in one way.

Kept apart from the tests of the contract, so that the real consumers can be shown the same bundles.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.bundles.delivery import Target
from harness.formats.media_types import EMPTY_CONFIG, HELM_LAYER, LAYER
from tests.fakes.bundles import TARGETS

Manifest = dict[str, Any]


@dataclass
class Published:
    """A bundle that is about to be published, to be broken: files, manifest, address, and what the lane applies."""

    directory: Path
    manifest: Manifest
    target: Target
    applied: list[dict[str, Any]]

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.directory / path
        text = file.read_text()
        assert old in text, path
        file.write_text(text.replace(old, new))

    def layers(self, *types: str) -> None:
        (layer,) = self.manifest["layers"]
        self.manifest["layers"] = [layer | {"mediaType": kind} for kind in types]


@dataclass(frozen=True)
class Bad:
    """`rule` is the only one that is broken; `says` is part of what is told about it."""

    rule: str
    shape: str
    name: str
    damage: Callable[[Published], None]
    says: str


def good(shape: str, directory: Path, manifest: Manifest) -> Published:
    """What the lane is going to publish, with the objects that it applies besides."""
    target = TARGETS[shape]
    source = {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "OCIRepository",
        "metadata": {"name": "aicr-bundle", "namespace": "flux-system"},
        "spec": {"url": target.url, "insecure": True},
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "aicr-oci-repo-creds",
            "namespace": "argocd",
            "labels": {"argocd.argoproj.io/secret-type": "repo-creds"},
        },
        "stringData": {"type": "oci", "url": target.parent, "insecureOCIForceHttp": "true"},
    }
    return Published(directory, manifest, target, [source] if shape == "flux" else [secret])


def nested(it: Published) -> None:
    inner = it.directory / "bundle"
    inner.mkdir()
    for path in sorted(it.directory.iterdir()):
        if path != inner:
            path.rename(inner / path.name)


def retag(tag: str) -> Callable[[Published], None]:
    def damage(it: Published) -> None:
        it.target = replace(it.target, tag=tag)

    return damage


def elsewhere(it: Published) -> None:
    it.target = replace(it.target, repository=f"{it.target.repository}-other")


def config(kind: str) -> Callable[[Published], None]:
    return lambda it: it.manifest["config"].update(mediaType=kind)


def layers(*types: str) -> Callable[[Published], None]:
    return lambda it: it.layers(*types)


def edit(path: str, old: str, new: str) -> Callable[[Published], None]:
    return lambda it: it.edit(path, old, new)


def remove(path: str) -> Callable[[Published], None]:
    return lambda it: (it.directory / path).unlink()


def unversioned(it: Published) -> None:
    it.edit("Chart.yaml", f"version: {it.target.tag}", "version: dev")
    del it.manifest["annotations"]


def no_children(it: Published) -> None:
    it.edit("app-of-apps.yaml", "*/application.yaml", "*/child.yaml")


def no_folders(it: Published) -> None:
    for folder in it.directory.glob("[0-9]*"):
        folder.rename(it.directory / f"x{folder.name}")
    for file in (it.directory / "templates").glob("*.yaml"):
        file.unlink()


def no_releases(it: Published) -> None:
    (it.directory / "kustomization.yaml").write_text("kind: Kustomization\nresources: []\n")


def other_source(it: Published) -> None:
    it.edit(
        "004-gpu-operator/application.yaml", "  source:\n", "  sources:\n  - ref: values\n    chart: x\n  source:\n"
    )


def values_file(it: Published) -> None:
    it.edit(
        "004-gpu-operator/application.yaml", "    helm:\n", "    helm:\n      valueFiles: [$values/004/values.yaml]\n"
    )


def stray(it: Published) -> None:
    (it.directory / "001-certificates" / "chart" / "templates" / "application.yaml").write_text("kind: {{ .x }}\n")


def git_source(it: Published) -> None:
    text = "apiVersion: v1\nkind: GitRepository\nmetadata: {name: a, namespace: flux-system}\nspec: {url: https://x}\n"
    (it.directory / "sources" / "git.yaml").write_text(text)
    it.edit("kustomization.yaml", "resources:\n", "resources:\n- sources/git.yaml\n")


def git_chart(it: Published) -> None:
    it.edit("scheduler/helmrelease.yaml", "kind: HelmRepository", "kind: GitRepository")
    it.edit("kustomization.yaml", "- sources/helmrepo-registry-example-com-charts.yaml\n", "")
    git = "kind: GitRepository\nmetadata: {name: registry-example-com-charts, namespace: flux-system}\n"
    (it.directory / "sources" / "git.yaml").write_text(git)
    it.edit("kustomization.yaml", "resources:\n", "resources:\n- sources/git.yaml\n")


def circle(it: Published) -> None:
    it.edit("certificates/helmrelease.yaml", "  interval:", "  dependsOn:\n  - name: scheduler\n  interval:")


def mirrored(it: Published) -> None:
    """The charts of a repository come from the registry of the run."""
    host = it.target.repository.partition("/")[0]
    it.edit("sources/helmrepo-registry-example-com-charts.yaml", "oci://registry.example.com/", f"oci://{host}/")


def mirrored_chart(path: str) -> Callable[[Published], None]:
    def damage(it: Published) -> None:
        host = it.target.repository.partition("/")[0]
        it.edit(path, "oci://registry.example.com/", f"oci://{host}/")

    return damage


def secure(it: Published) -> None:
    for item in it.applied:
        item.get("spec", {}).pop("insecure", None)
        item.get("stringData", {}).pop("insecureOCIForceHttp", None)


def other_prefix(it: Published) -> None:
    it.applied[0]["stringData"]["url"] = "oci://registry.example:5000/charts"


def other_secret(it: Published) -> None:
    it.applied[0]["metadata"]["labels"] = {}


GIT_URL = "https://github.com/YOUR-ORG/YOUR-REPO.git"
OWN_URL = TARGETS["argocd"].url

BAD: tuple[Bad, ...] = (
    Bad("files-at-root", "argocd", "nested", nested, "has no app-of-apps.yaml at its root, only bundle/app-of-apps"),
    Bad("files-at-root", "argocd-helm", "nested", nested, "has no Chart.yaml at its root"),
    Bad("files-at-root", "flux", "nested", nested, "has no kustomization.yaml at its root, only bundle/kustomization"),
    Bad("config-media-type", "argocd-helm", "empty config", config(EMPTY_CONFIG), "Helm reads"),
    Bad("layer-media-type", "argocd", "of a chart", layers(HELM_LAYER), HELM_LAYER),
    Bad("layer-media-type", "argocd-helm", "plain", layers(LAYER), LAYER),
    Bad("layer-media-type", "flux", "not compressed", layers("application/vnd.oci.image.layer.v1.tar"), "v1.tar,"),
    Bad("single-layer", "argocd", "two", layers(LAYER, LAYER), "has 2 layers"),
    Bad("single-layer", "argocd-helm", "two", layers(HELM_LAYER, LAYER), "has 2 layers"),
    Bad("single-layer", "flux", "none", layers(), "has 0 layers"),
    Bad("semver-tag", "argocd-helm", "commit", retag("abc1234-argocd-helm-oci"), "not SemVer"),
    Bad("semver-tag", "argocd-helm", "leading zero", retag("0.0.0-0123.1"), "not SemVer"),
    Bad("chart-version", "argocd-helm", "dev", unversioned, "'dev'"),
    Bad("chart-name", "argocd-helm", "other address", elsewhere, "is published as"),
    Bad("empty", "argocd", "no children", no_children, "delivers nothing"),
    Bad("empty", "argocd-helm", "no children", no_folders, "delivers nothing"),
    Bad("empty", "flux", "no releases", no_releases, "delivers nothing"),
    Bad("values-reference", "argocd", "second source", other_source, "(ref)"),
    Bad("values-reference", "argocd", "values file", values_file, "($values/004/values.yaml)"),
    Bad(
        "values-reference",
        "argocd-helm",
        "values file",
        edit("templates/tuning.yaml", "      values:", "      valueFiles: [$values/002/values.yaml]\n      values:"),
        "($values/)",
    ),
    Bad(
        "git-placeholder",
        "argocd",
        "child",
        edit("002-tuning/application.yaml", OWN_URL, GIT_URL),
        "YOUR-ORG/YOUR-REPO",
    ),
    Bad("git-placeholder", "argocd", "root", edit("app-of-apps.yaml", OWN_URL, "https://git.example/a/b"), "in Git"),
    Bad(
        "git-placeholder",
        "argocd-helm",
        "child",
        edit("templates/tuning.yaml", "'{{ include \"bundle.url\" . }}'", GIT_URL),
        "YOUR-ORG",
    ),
    Bad("git-placeholder", "flux", "source", git_source, "is a GitRepository (https://x)"),
    Bad("git-placeholder", "flux", "chart", git_chart, "refers to a GitRepository"),
    Bad("own-address", "argocd", "other repository", elsewhere, "and the artifact at"),
    Bad("own-address", "argocd", "other tag", retag("def5678-argocd-oci"), "and the artifact at"),
    Bad("stray-manifest", "argocd", "in a chart", stray, "also matches here"),
    Bad("missing-path", "argocd", "chart", remove("002-tuning/chart/Chart.yaml"), "no chart at 002-tuning/chart"),
    Bad(
        "missing-path",
        "argocd",
        "outside",
        edit("002-tuning/application.yaml", "path: 002-tuning/chart", "path: ../chart"),
        "../chart leaves the artifact",
    ),
    Bad("missing-path", "argocd-helm", "values", remove("004-gpu-operator/values.yaml"), "Helm takes it for empty"),
    Bad("missing-path", "argocd-helm", "chart", remove("002-tuning/chart/Chart.yaml"), "no chart at 002-tuning/chart"),
    Bad("missing-path", "argocd-helm", "template", remove("templates/tuning.yaml"), "no template for tuning"),
    Bad(
        "missing-path",
        "flux",
        "resource",
        remove("scheduler/helmrelease.yaml"),
        "lists scheduler/helmrelease.yaml, which does not exist",
    ),
    Bad("missing-path", "flux", "chart", remove("tuning/chart/Chart.yaml"), "no chart at tuning/chart"),
    Bad(
        "missing-source",
        "flux",
        "repository",
        edit("kustomization.yaml", "- sources/helmrepo-charts-example-com-nvidia.yaml\n", ""),
        "HelmRepository flux-system/charts-example-com-nvidia",
    ),
    Bad(
        "missing-source",
        "flux",
        "artifact",
        edit("kustomization.yaml", "- tuning/artifactgenerator.yaml\n", ""),
        "ExternalArtifact flux-system/tuning-chart",
    ),
    Bad(
        "missing-source",
        "flux",
        "other bundle",
        edit("tuning/artifactgenerator.yaml", "name: aicr-bundle", "name: bundle"),
        "OCIRepository flux-system/bundle",
    ),
    Bad(
        "chart-directory",
        "flux",
        "root of the artifact",
        edit("tuning/artifactgenerator.yaml", "@artifact/tuning/", "@artifact/"),
        "copies a chart to @artifact/",
    ),
    Bad(
        "depends-on",
        "flux",
        "not there",
        edit("scheduler/helmrelease.yaml", "- name: gpu-operator-post", "- name: gpu-operator-after"),
        "depends on flux-system/gpu-operator-after",
    ),
    Bad("depends-on", "flux", "circle", circle, "goes in a circle"),
    Bad("plain-http", "argocd", "no key", secure, "registry.example:5000/aicr/"),
    Bad("plain-http", "argocd", "other prefix", other_prefix, "registry.example:5000/aicr/"),
    Bad("plain-http", "argocd", "no label", other_secret, "registry.example:5000/aicr/"),
    Bad(
        "plain-http",
        "argocd",
        "mirrored chart",
        mirrored_chart("006-scheduler/application.yaml"),
        "registry.example:5000/charts/gang-scheduler",
    ),
    Bad("plain-http", "argocd-helm", "no key", secure, "registry.example:5000/aicr/"),
    Bad(
        "plain-http",
        "argocd-helm",
        "mirrored chart",
        mirrored_chart("templates/scheduler.yaml"),
        "registry.example:5000/charts/gang-scheduler",
    ),
    Bad("plain-http", "flux", "no key", secure, "OCIRepository aicr-bundle"),
    Bad("plain-http", "flux", "mirrored charts", mirrored, "has no `insecure: true`"),
)
IDS = [re.sub(r"\W+", "-", f"{bad.rule} {bad.shape} {bad.name}") for bad in BAD]

__all__ = ["BAD", "IDS", "Bad", "Published", "good"]
