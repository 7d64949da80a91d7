"""A registry of the user's own in the place of the run's: nothing is installed, it is asked whether it can be used.

That its controllers reach it too is theirs to say: from this machine only those that run on it can be spoken for.
"""

from harness.errors import RegistryUnreachable
from harness.installers.installer import KindSite, Site, failing_as
from harness.installers.registry.configuration import NAME, access
from harness.progress import task
from harness.publishing.oci.registry import Registry


def check(site: Site | KindSite) -> None:
    """See that the registry answers, and takes the credentials. Raises RegistryUnreachable (21)."""
    there = access(site.settings)
    with task(site.progress, NAME, str(there.address)), failing_as(RegistryUnreachable):
        Registry.at(there, retries=site.settings.retries).require()
