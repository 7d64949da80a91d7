"""The flux-git lane: Flux pulls the bundle from a Git repository and reconciles every release.

A GitRepository fetches the branch, a Kustomization applies the tree in it, and helm-controller installs a HelmRelease
for each release of the recipe, of charts by their path in the repository. Each step is bound to the pushed commit.
"""

from typing import Any

from harness.bundles.delivery import FLUX_NAMESPACE, SOURCE, Target
from harness.cells.lane import Lane
from harness.cells.run import Run
from harness.gates.flux import releases, sources
from harness.installers.catalog import FLUX, GIT
from harness.installers.flux.configuration import GIT_CREDENTIALS, git_secrets
from harness.installers.manifests import SECRETS
from harness.publishing.git.address import Access
from harness.verdict import Passed
from lanes import flux_oci


def story(run: Run) -> Passed:
    """Push, tell Flux, and expect source, Kustomization and releases in this order."""
    published, access = run.push(), run.access_as(Access)
    with run.journal.phase("sync") as phase:
        for secret in git_secrets(access):
            run.apply(SECRETS, secret)
        run.apply(sources.GITREPOSITORIES, source(run.pushed.target, access))
        flux_oci.look_again_at(run, (sources.GITREPOSITORIES,))  # those of the bundle's own, too
        passed = flux_oci.reconciled(run, f"sha1:{published.digest}", sources.GITREPOSITORIES)
        phase.detail = passed.reason
    return run.verify()


def look_again(run: Run) -> None:
    """Have Flux fetch, apply and compare everything once more."""
    flux_oci.look_again_at(run, (sources.GITREPOSITORIES, sources.KUSTOMIZATIONS, releases.HELMRELEASES))


def source(target: Target, access: Access) -> dict[str, Any]:
    """Where the repository is. Flux leaves out archives and pictures by default, and a chart may have some: all of the
    tree is wanted.
    """
    secret = git_secrets(access)
    return {
        "apiVersion": sources.GITREPOSITORIES.api_version,
        "kind": sources.GITREPOSITORIES.kind,
        "metadata": {"name": SOURCE, "namespace": FLUX_NAMESPACE, "annotations": {sources.REQUESTED: flux_oci.now()}},
        "spec": {
            "interval": "1m",
            "url": target.url,
            "ref": {"branch": target.tag},
            "ignore": "!*\n/.git/\n",
            **({"secretRef": {"name": GIT_CREDENTIALS}} if secret else {}),
        },
    }


LANE = Lane(
    name="flux-git",
    shape="flux-git",
    story=story,
    infrastructure=(GIT, FLUX),
    look_again=look_again,
)
