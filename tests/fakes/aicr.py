"""A program that stands in for the aicr command line: it answers with bundles that are there, as that one would.

Resolving copies a recipe.yaml. Bundling to a directory copies the helm shape, or the Git form of a deployer that is
named; bundling to oci:// takes the tree of the shape, puts the address and the tag that it was told in the place of
those that the tree was made with, leaves the tree in ./bundle, and pushes it, packed by other means than the
harness's own.
"""

import json
import shutil
import sys
from itertools import pairwise
from pathlib import Path

from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.bundles.delivery import Target
from harness.recipes.model import Recipe

LANES = {"argocd": "argocd-oci", "argocd-helm": "argocd-helm-oci", "flux": "flux-oci"}
# What trees to answer with were made for; those of ../shared/aicr-bundles are.
MADE_FOR = "registry.aicr-registry.svc.cluster.local:5000/aicr"
MADE_AS = "abc1234"
MADE_FOR_GIT = "https://git.example/made/for.git"

PROGRAM = """#!{python}
import gzip, io, json, pathlib, shutil, sys, tarfile, time
from itertools import pairwise

with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
verb, options = sys.argv[1], dict(pairwise(sys.argv[2:]))
answer = pathlib.Path({answer!r})
output = options["--output"]


def push(shape):
    from harness.publishing.oci.registry import Registry, Artifact, pack_chart
    from harness.settings import Retries

    address, _, tag = output.removeprefix("oci://").rpartition(":")
    host, _, repository = address.partition("/")
    bundle = pathlib.Path("bundle")
    shutil.copytree(answer / shape, bundle)
    made_as = {made_as!r} + "-" + {lanes!r}[shape]
    made_for = "oci://" + {made_for!r} + "/" + repository.rpartition("/")[2]
    for file in bundle.rglob("*"):
        if file.is_file():
            text = file.read_text().replace(made_for, options.get("--repo", "oci://nowhere"))
            file.write_text(text.replace("0.0.0-" + made_as, tag).replace(made_as, tag))
    if shape == "argocd-helm":
        artifact = pack_chart(bundle, version=tag)
    else:
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w:gz", format=tarfile.GNU_FORMAT) as tar:
            for path in sorted(bundle.rglob("*")):
                tar.add(path, arcname=path.relative_to(bundle).as_posix(), recursive=False)
        layer_type = "application/vnd.oci.image.layer.v1.tar+gzip"
        annotations = {{"org.opencontainers.image.title": "AICR Bundle"}}
        config = "application/vnd.oci.empty.v1+json"
        kind = "application/vnd.nvidia.aicr.artifact"
        artifact = Artifact(config, b"{{}}", layer_type, layer.getvalue(), annotations, artifact_type=kind)
    Registry(host, retries=Retries.model_construct(attempts=1, delay=0.1)).push(artifact, repository, tag)


{before}
if verb == "recipe":
    shutil.copy(answer / "recipe.yaml", output)
elif output.startswith("oci://"):
    push(options["--deployer"])
elif "--deployer" in options:
    shutil.copytree(answer / (options["--deployer"] + "-git"), output, dirs_exist_ok=True)
    for file in pathlib.Path(output).rglob("*"):
        if file.is_file():
            file.write_text(file.read_text().replace({made_for_git!r}, options["--repo"]))
else:
    helm = answer / "helm"
    shutil.copytree(helm if helm.is_dir() else answer, output, dirs_exist_ok=True)
{after}
"""


def trees(recipe: Recipe, directory: Path) -> Path:
    """At `directory` what the command line would make of a recipe: a tree for each shape, made by our own bundler."""
    bundler = BuiltinBundler()
    bundler.make(recipe, "helm", directory / "helm")
    for shape, lane in LANES.items():
        tag = f"{'0.0.0-' if shape == 'argocd-helm' else ''}{MADE_AS}-{lane}"
        bundler.make(recipe, shape, directory / shape, Target(f"{MADE_FOR}/{recipe.name}", tag, plain_http=True))
    for shape in ("argocd-git", "flux-git"):
        repository = MADE_FOR_GIT.removeprefix("https://")
        bundler.make(recipe, shape, directory / shape, Target(repository, "main", plain_http=False, scheme="https"))
    for file in directory.glob("flux*/*/helmrelease.yaml"):  # the command line leaves the name to Flux
        file.write_text("".join(line for line in file.read_text().splitlines(True) if "releaseName" not in line))
    shutil.copy(directory / "helm" / "recipe.yaml", directory)
    return directory


class StandIn:
    """An `aicr` that answers with what is at `answer`, and records how it was called; `before` runs first.

    At `answer` there is a recipe.yaml, and a bundle: of the helm shape, or one for each shape in a directory.
    """

    def __init__(self, directory: Path, answer: Path, before: str = "", after: str = "") -> None:
        self.binary = directory / "aicr"
        self._log = directory / "calls"
        text = PROGRAM.format(
            python=sys.executable,
            log=str(self._log),
            answer=str(answer),
            made_for=MADE_FOR,
            made_as=MADE_AS,
            made_for_git=MADE_FOR_GIT,
            lanes=LANES,
            before=before,
            after=after,
        )
        self.binary.write_text(text)
        self.binary.chmod(0o755)

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]


def options(call: list[str], name: str) -> list[str]:
    return [value for key, value in pairwise(call) if key == name]
