"""Everything that lanes can deliver through, each with how it is installed on either runtime."""

from harness.installers import HostInstallation, Installer, argocd, flux, registry

REGISTRY = Installer(
    name="registry",
    host=HostInstallation(("registry",), registry.install),
    collectors=registry.collectors,
)
ARGOCD = Installer(
    name="argocd",
    host=HostInstallation(argocd.TOOLS, argocd.install),
    collectors=argocd.collectors,
    reconcilers=argocd.SERVICES,
)
FLUX = Installer(
    name="flux",
    host=HostInstallation(flux.TOOLS, flux.install),
    collectors=flux.collectors,
    reconcilers=flux.CONTROLLERS,
)
