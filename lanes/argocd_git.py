"""The argocd-git lane: Argo CD pulls an app-of-apps from a Git repository and syncs a child for each release.

From argocd-oci it differs in what is bound to: a branch moves, so Argo CD is told to look again once it has been pushed
to, as a webhook of the server would, and every child must have been compared with the very commit.
"""

from harness.bundles.applications import APP_OF_APPS
from harness.cells.lane import Lane
from harness.cells.run import Run
from harness.formats.go_yaml import load_all
from harness.gates.argocd.application import APPLICATIONS
from harness.installers.argocd.configuration import git_credentials
from harness.installers.catalog import ARGOCD, GIT
from harness.installers.manifests import SECRETS
from harness.publishing.git.address import Access
from harness.verdict import Passed
from lanes import argocd_oci


def story(run: Run) -> Passed:
    """Push, apply the root, have Argo CD look, and expect the root and all its children."""
    published = run.push()
    with run.journal.phase("sync") as phase:
        for secret in git_credentials(run.access_as(Access), run.pushed.target):
            run.apply(SECRETS, secret)
        file = run.pushed.directory / APP_OF_APPS
        for document in load_all(file.read_text(encoding="utf-8")):
            run.apply(APPLICATIONS, document)
        argocd_oci.look_again(run)
        phase.detail = argocd_oci.synced(run, published).reason
    return run.verify()


LANE = Lane(
    name="argocd-git",
    shape="argocd-git",
    story=story,
    infrastructure=(GIT, ARGOCD),
    look_again=argocd_oci.look_again,
)
