"""What a Git server can refuse or get wrong, and which of it may pass by itself."""

import re

from harness.errors import GitRefused, GitUnreachable, HarnessError
from harness.publishing.git.address import PASSWORD, USER

# What git prints of a server that is not there, or went away in the middle.
_TRANSIENT = re.compile(
    r"Could not resolve host|Failed to connect|Couldn't connect|Connection (?:refused|reset|timed out)|Empty reply"
    r"|early EOF|hung up|RPC failed|unexpected disconnect|Recv failure|Operation too slow"
    r"|returned error: (?:429|5\d\d)",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"Authentication failed|could not read (?:Username|Password)|returned error: 40[13]|Unauthorized|Forbidden"
    r"|repository .* not found|Repository not found|Push to create is not enabled|not allowed to push"
    r"|Internal Server Error.*authoriz|User permission denied",
    re.IGNORECASE,
)
# In the words of OpenSSL and of GnuTLS.
_UNTRUSTED = re.compile(r"SSL certificate problem|server certificate verification failed|certificate subject name")
_MOVED = re.compile(r"\[(?:remote )?rejected\]|non-fast-forward|fetch first|stale info", re.IGNORECASE)


class GitError(HarnessError):
    """git could not do what it was asked for; the message has its own words. `passing`: the same may succeed later."""

    def __init__(self, what: str, *, where: str, do: str = "", passing: bool = False) -> None:
        super().__init__(what, where=where, do=do)
        self.passing = passing


class PushRejected(GitError):
    """The server has the branch at another commit than the one that this push goes on from."""


class Refused(GitError, GitRefused):
    """The server did not accept the user, or has no repository for them."""


class Untrusted(GitError, GitUnreachable):
    """The server's certificate could not be verified."""


def explained(words: str, *, doing: str, where: str) -> GitError:
    """What git's own `words` come to, on stderr of `doing` ("push"); secrets are kept out of them by the caller."""
    said = "\n  ".join(line for line in words.strip().splitlines() if line.strip())[-1500:]
    what = f"git {doing} failed: {said or 'it printed nothing'}"
    if _REFUSED.search(words):
        what = f"the server rejected the user, or the repository does not exist for this user (git {doing}): {said}"
        do = f"for a repository of your own: check {USER} and {PASSWORD}, and that this user has permission to push"
        return Refused(what, where=where, do=do)
    if _UNTRUSTED.search(words):
        what = f"the certificate of the server could not be verified (git {doing}): {said}"
        do = "set git.ca (KWOK_GIT_CA) to a PEM file with the certificate of the authority that issued it"
        return Untrusted(what, where=where, do=do)
    if _MOVED.search(words):
        return PushRejected(what, where=where, do="check which other client pushes to this branch, and run again")
    return GitError(what, where=where, passing=bool(_TRANSIENT.search(words)))


def transient(error: BaseException) -> bool:
    """Whether the same command may succeed later without anybody changing anything."""
    return isinstance(error, GitError) and error.passing
