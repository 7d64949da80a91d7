"""A bad bundle for each rule of what is pulled from Git; as tests/fakes/bad_bundles.py, for its shapes."""

import re
from collections.abc import Callable
from dataclasses import replace

from tests.fakes.bad_bundles import Bad, Published, circle, edit, nested, no_children, no_releases, remove, stray
from tests.fakes.bundles import TARGETS

ARGOCD, FLUX = "argocd-git", "flux-git"
_URL = TARGETS[ARGOCD].url
_REMOTE, _LOCAL = "004-gpu-operator/application.yaml", "002-tuning/application.yaml"


def link(path: str, to: str) -> Callable[[Published], None]:
    return lambda it: (it.directory / path).symlink_to(to)


def submodules(it: Published) -> None:
    (it.directory / ".gitmodules").write_text('[submodule "x"]\n\tpath = x\n\turl = https://git.example/x.git\n')


def elsewhere(it: Published) -> None:
    it.target = replace(it.target, repository=it.target.repository.replace("aicr/", "other/"))


def other_repository(it: Published) -> None:
    text = (
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: a, namespace: flux-system}\n"
        f"spec: {{url: {it.target.url}, ref: {{branch: trunk}}, interval: 1m}}\n"
    )
    (it.directory / "sources" / "git.yaml").write_text(text)
    it.edit("kustomization.yaml", "resources:\n", "resources:\n- sources/git.yaml\n")


def artifact_generator(it: Published) -> None:
    text = (
        "apiVersion: source.extensions.fluxcd.io/v1beta1\nkind: ArtifactGenerator\n"
        "metadata: {name: a, namespace: flux-system}\nspec: {sources: [], artifacts: []}\n"
    )
    (it.directory / "sources" / "generator.yaml").write_text(text)
    it.edit("kustomization.yaml", "resources:\n", "resources:\n- sources/generator.yaml\n")


def insecure(it: Published) -> None:
    """Charts come from a registry of this machine, which has no TLS."""
    it.edit("sources/helmrepo-registry-example-com-charts.yaml", "oci://registry.example.com/", "oci://localhost:5000/")


GIT_BAD: tuple[Bad, ...] = (
    Bad("files-at-root", ARGOCD, "nested", nested, "has no app-of-apps.yaml at its root, only bundle/app-of-apps"),
    Bad("files-at-root", FLUX, "nested", nested, "has no kustomization.yaml at its root, only bundle/kustomization"),
    Bad("empty", ARGOCD, "no children", no_children, "delivers nothing"),
    Bad("empty", FLUX, "no releases", no_releases, "delivers nothing"),
    Bad("link", ARGOCD, "leaves", link("002-tuning/chart/out", "../../../out"), "that leaves the repository: to"),
    Bad("link", ARGOCD, "absolute", link("002-tuning/chart/out", "/etc/hostname"), "that leaves the repository: to"),
    Bad("link", FLUX, "within", link("tuning/chart/more.yaml", "Chart.yaml"), "is a symbolic link: to Chart.yaml"),
    Bad("submodule", ARGOCD, "declared", submodules, "declares submodules"),
    Bad("submodule", FLUX, "declared", submodules, "declares submodules"),
    Bad("own-address", ARGOCD, "other repository", elsewhere, f"is main of {_URL}, and the bundle is main of"),
    Bad(
        "own-address", ARGOCD, "other branch", edit(_LOCAL, "targetRevision: main", "targetRevision: trunk"), "is trunk"
    ),
    Bad("own-address", FLUX, "other branch", other_repository, "is branch trunk of"),
    Bad("own-address", FLUX, "generator", artifact_generator, "is an ArtifactGenerator, and this bundle is in Git"),
    Bad("values-reference", ARGOCD, "no such ref", edit(_REMOTE, "$values/", "$other/"), "no source has that ref"),
    Bad("values-reference", ARGOCD, "no such file", remove("004-gpu-operator/values.yaml"), "no values at 004-gpu-op"),
    Bad(
        "values-reference", ARGOCD, "beside a chart", remove("002-tuning/values.yaml"), "no values at 002-tuning/values"
    ),
    Bad(
        "values-reference", ARGOCD, "outside", edit(_LOCAL, "../values", "../../../values"), "are not in the repository"
    ),
    Bad("stray-manifest", ARGOCD, "in a chart", stray, "is taken for a manifest of the root"),
    Bad(
        "missing-path", ARGOCD, "chart", remove("002-tuning/chart/Chart.yaml"), "there is no chart at 002-tuning/chart"
    ),
    Bad("missing-path", FLUX, "chart", remove("tuning/chart/Chart.yaml"), "there is no chart at ./tuning/chart"),
    Bad("missing-path", FLUX, "resource", remove("scheduler/helmrelease.yaml"), "lists scheduler/helmrelease.yaml"),
    Bad(
        "missing-source",
        FLUX,
        "other bundle",
        edit("tuning/helmrelease.yaml", "name: aicr-bundle", "name: bundle"),
        "refers to GitRepository flux-system/bundle",
    ),
    Bad("depends-on", FLUX, "circle", circle, "goes in a circle"),
    Bad("plain-http", FLUX, "charts of this machine", insecure, "has no `insecure: true`"),
)
GIT_IDS = [re.sub(r"\W+", "-", f"{bad.rule} {bad.shape} {bad.name}") for bad in GIT_BAD]
