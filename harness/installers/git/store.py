"""The Git server as what bundles are pushed to and pulled from, and the user's own in its place."""

from harness.errors import GitRefused, GitUnreachable
from harness.installers.git.configuration import NAME, credentials, own_access, repositories
from harness.installers.git.kind import ADDRESS
from harness.installers.installer import KindSite, Site, Store, failing_as
from harness.progress import task
from harness.publishing.git.address import Access
from harness.runtime import RunningCluster
from harness.settings import Settings


def _here(settings: Settings, running: RunningCluster | None) -> Access:
    return own_access(settings) or Access(
        repositories(f"localhost:{settings.ports.git}"), credentials(running), public=True
    )


def _inside(settings: Settings, running: RunningCluster | None) -> Access:
    return own_access(settings) or Access(repositories(ADDRESS), credentials(running), public=True)


def check(site: Site | KindSite) -> None:
    """See that the user's own repository answers, and would take a push. Raises GitUnreachable (71), GitRefused (72).

    Where its URL has the recipe in it, which repository that is is not known here: the push says so.
    """
    access = _here(site.settings, None)
    with task(site.progress, NAME, str(access.address)):
        if "{" in access.address.template:
            return
        try:
            with failing_as(GitUnreachable):
                access.client(retries=site.settings.retries).require(access.address.target("", ""))
        except GitUnreachable as error:
            if isinstance(error.__cause__, GitRefused):
                raise error.__cause__ from None
            raise


STORE = Store(
    here=_here,
    inside=_inside,
    elsewhere=lambda settings: settings.git.remote,
    setting="git.remote",
    example=("Git repository", "https://git.example.com/team/{recipe}.git"),
    external=check,
)
