"""The delivery paths that the harness tests: one file each, and this one tuple that lists them."""

from harness.cells.lane import Lane
from harness.errors import UsageError, did_you_mean
from lanes import argocd_git, argocd_helm_oci, argocd_oci, flux_git, flux_oci, helm

LANES: tuple[Lane, ...] = (
    helm.LANE,
    argocd_oci.LANE,
    argocd_helm_oci.LANE,
    flux_oci.LANE,
    argocd_git.LANE,
    flux_git.LANE,
)


def find(name: str) -> Lane:
    """The lane of that name; UsageError (64) with the near names otherwise."""
    for lane in LANES:
        if lane.name == name:
            return lane
    raise UsageError(f"unknown deployer {name!r}", where="--deployer", do=did_you_mean(name, (x.name for x in LANES)))
