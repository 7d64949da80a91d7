"""A store of the user's own in the place of the run's: nothing is installed, it is asked whether it can be used.

That its controllers reach it too is theirs to say: from this machine only those that run on it can be spoken for.
"""

from collections.abc import Sequence
from dataclasses import replace

from harness.evidence.collect import Collector
from harness.evidence.collectors import EvidenceSite
from harness.installers.installer import HostInstallation, Installer, KindInstallation
from harness.settings import Settings


def nothing(_: EvidenceSite) -> Sequence[Collector]:
    """Its log is not ours."""
    return ()


def located(installers: tuple[Installer, ...], settings: Settings) -> tuple[Installer, ...]:
    """These installers, with the stores that the settings name in the place of the run's own."""
    return tuple(_external(each) if each.store and each.store.elsewhere(settings) else each for each in installers)


def _external(installer: Installer) -> Installer:
    if installer.store is None:
        raise ValueError(f"nothing is pushed to {installer.name}")
    check = installer.store.external
    return replace(
        installer, host=HostInstallation((), check), kind=KindInstallation((), check, ()), collectors=nothing
    )
