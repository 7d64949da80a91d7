"""The infrastructure of the host runtime: supervised processes beside the cluster."""

import threading
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.evidence import collectors
from harness.installers.installer import Installer, Site


@dataclass(frozen=True)
class HostInfrastructure:
    """An Infrastructure, of the services of a site."""

    site: Site

    @property
    def died(self) -> threading.Event:
        return self.site.services.died

    def install(self, installer: Installer) -> None:
        installer.host.install(self.site)

    def check(self, *names: str) -> None:
        self.site.services.check(*names)

    def stop(self, *names: str) -> None:
        self.site.services.stop(*names)

    def close(self) -> None:
        self.site.services.close()

    def log(self, name: str, lines: int) -> str:
        file = self.site.services.logs().get(name)
        if file is None:
            raise HarnessError(f"{name} was never started")
        return collectors.tail(file, lines)
