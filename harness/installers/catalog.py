"""Everything that lanes can deliver through, each with how it is installed on either runtime."""

from harness.installers.argocd import configuration as argocd_configuration
from harness.installers.argocd import host as argocd
from harness.installers.argocd import kind as argocd_in_cluster
from harness.installers.flux import configuration as flux_configuration
from harness.installers.flux import host as flux
from harness.installers.flux import kind as flux_in_cluster
from harness.installers.git import configuration as git_configuration
from harness.installers.git import host as git
from harness.installers.git import kind as git_in_cluster
from harness.installers.git import store as git_store
from harness.installers.installer import HostInstallation, Installer, KindInstallation
from harness.installers.registry import configuration as registry_configuration
from harness.installers.registry import host as registry
from harness.installers.registry import kind as registry_in_cluster
from harness.installers.registry import store as registry_store

REGISTRY = Installer(
    name="registry",
    host=HostInstallation(("registry",), registry.install),
    kind=KindInstallation(registry_in_cluster.TOOLS, registry_in_cluster.install, registry_in_cluster.WORKLOADS),
    collectors=registry_configuration.collectors,
    store=registry_store.STORE,
)
GIT = Installer(
    name=git_configuration.NAME,
    host=HostInstallation(git.TOOLS, git.install),
    kind=KindInstallation(git_in_cluster.TOOLS, git_in_cluster.install, git_in_cluster.WORKLOADS),
    collectors=git_configuration.collectors,
    store=git_store.STORE,
)
ARGOCD = Installer(
    name="argocd",
    host=HostInstallation(argocd.TOOLS, argocd.install),
    kind=KindInstallation(argocd_in_cluster.TOOLS, argocd_in_cluster.install, argocd_in_cluster.WORKLOADS),
    collectors=argocd_configuration.collectors,
    reconcilers=argocd_configuration.SERVICES,
)
FLUX = Installer(
    name="flux",
    host=HostInstallation(flux_configuration.TOOLS, flux.install),
    kind=KindInstallation(flux_in_cluster.TOOLS, flux_in_cluster.install, flux_in_cluster.WORKLOADS),
    collectors=flux_configuration.collectors,
    reconcilers=flux_configuration.CONTROLLERS,
)
STORES = (registry_store.STORE, git_store.STORE)  # what bundles are pushed to
