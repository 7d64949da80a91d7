"""What a registry can refuse or get wrong, and which of it may pass by itself."""

from harness.errors import HarnessError, RegistryUnreachable


class RegistryError(HarnessError):
    """The registry says no, or not what it should say. `status` is that of its answer, 0 where HTTP is not to blame;
    `after` are the seconds that it asks for until the next attempt.
    """

    def __init__(self, what: str, *, where: str, do: str = "", status: int = 0, after: float = 0.0) -> None:
        super().__init__(what, where=where, do=do)
        self.status = status
        self.after = after


class NoConnection(RegistryError, RegistryUnreachable):
    """No connection, or one that broke before the answer was complete; `final` where it will not be there later."""

    def __init__(self, what: str, *, where: str, do: str = "", final: bool = False) -> None:
        super().__init__(what, where=where, do=do)
        self.final = final


class AccessRefused(RegistryError, RegistryUnreachable):
    """The registry, or who makes tokens for it, did not accept the credentials, or wants some where there are none."""


class DigestMismatch(RegistryError):
    """What the registry holds, or says it holds, is not what was sent or asked for."""


def transient(error: BaseException) -> bool:
    """Whether the same request may succeed later without anybody changing anything."""
    match error:
        case NoConnection(final=final):
            return not final
        case RegistryError(status=status):
            return status == 429 or status >= 500
    return False
