"""The argocd-helm-oci lane: a wrapper chart, installed by helm from the registry, makes the Applications.

What differs from argocd-oci is who makes the root: `helm upgrade --install` of the pushed chart, which is told where it
came from. From there on it is the same story.
"""

from harness.bundles.delivery import ARGOCD_NAMESPACE
from harness.lane import Lane, Run
from harness.verdict import Passed
from lanes import argocd_oci


def story(run: Run) -> Passed:
    """Push, install the wrapper, and expect its root and all its children."""
    published = run.push()
    with run.journal.phase("sync") as phase:
        run.helm.install_chart(
            f"{run.settings.release}-stack",
            ARGOCD_NAMESPACE,
            f"{run.pushed.target.parent}/{run.pushed.target.name}",
            version=published.tag,
            values={"repoURL": run.pushed.target.parent, "targetRevision": published.tag},
            timeout=run.settings.deadlines.release,
        )
        phase.detail = argocd_oci.synced(run, published).reason
    return run.verify()


LANE = Lane(
    name="argocd-helm-oci",
    shape="argocd-helm",
    tools=argocd_oci.LANE.tools,
    story=story,
    infrastructure=argocd_oci.infrastructure,
    look_again=argocd_oci.look_again,
    reconcilers=argocd_oci.LANE.reconcilers,
    collectors=argocd_oci.collectors,
)
