"""Everything that lanes can deliver through, each with how it is installed on either runtime."""

from harness.installers import HostInstallation, Installer, KindInstallation, argocd, flux, registry
from harness.installers.in_cluster import argocd as argocd_in_cluster
from harness.installers.in_cluster import flux as flux_in_cluster
from harness.installers.in_cluster import registry as registry_in_cluster

REGISTRY = Installer(
    name="registry",
    host=HostInstallation(("registry",), registry.install),
    kind=KindInstallation(registry_in_cluster.TOOLS, registry_in_cluster.install, registry_in_cluster.WORKLOADS),
    collectors=registry.collectors,
)
ARGOCD = Installer(
    name="argocd",
    host=HostInstallation(argocd.TOOLS, argocd.install),
    kind=KindInstallation(argocd_in_cluster.TOOLS, argocd_in_cluster.install, argocd_in_cluster.WORKLOADS),
    collectors=argocd.collectors,
    reconcilers=argocd.SERVICES,
)
FLUX = Installer(
    name="flux",
    host=HostInstallation(flux.TOOLS, flux.install),
    kind=KindInstallation(flux_in_cluster.TOOLS, flux_in_cluster.install, flux_in_cluster.WORKLOADS),
    collectors=flux.collectors,
    reconcilers=flux.CONTROLLERS,
)
