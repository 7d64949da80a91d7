"""The argocd-helm-oci lane: a wrapper chart, installed by helm from the registry, makes the Applications.

What differs from argocd-oci is who makes the root: `helm upgrade --install` of the pushed chart, which is told where it
came from. From there on it is the same story.
"""

from harness.bundles.delivery import ARGOCD_NAMESPACE
from harness.cells.lane import Lane
from harness.cells.run import Run
from harness.verdict import Passed
from lanes import argocd_oci


def story(run: Run) -> Passed:
    """Push, install the wrapper, and expect its root and all its children."""
    published, target = run.push(), run.pushed.target
    with run.journal.phase("sync") as phase:
        run.helm.install_chart(
            f"{run.settings.release}-stack",
            ARGOCD_NAMESPACE,
            target.at(published.registry).url,
            version=published.tag,
            values={"repoURL": target.parent, "targetRevision": published.tag},
            timeout=run.settings.deadlines.release,
            registry=run.registry,
        )
        phase.detail = argocd_oci.synced(run, published).reason
    return run.verify()


LANE = Lane(
    name="argocd-helm-oci",
    shape="argocd-helm",
    story=story,
    infrastructure=argocd_oci.LANE.infrastructure,
    look_again=argocd_oci.look_again,
)
