"""Trying again: a bounded number of times, with pauses that double."""

import email.utils
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

import tenacity
from tenacity.nap import sleep as sleep_seconds
from tenacity.nap import sleep_using_event


class Attempts(Protocol):
    """How many attempts there are, and the seconds before the second one; each later pause is twice as long."""

    @property
    def attempts(self) -> int: ...

    @property
    def delay(self) -> float: ...


def retrying(
    attempts: Attempts,
    passes: Callable[[BaseException], bool],
    *,
    cancelled: threading.Event | None = None,
    asked: Callable[[BaseException], float] = lambda error: 0.0,
    sleep: Callable[[float], None] | None = None,
    pausing: Callable[[tenacity.RetryCallState], None] | None = None,
) -> tenacity.Retrying:
    """Calls again what raised an error of which `passes` says that it may pass; the last error is raised as it is.

    A pause lasts at least the seconds that the error `asked` for. Once `cancelled` is set nothing is tried again, and
    no pause goes on. `sleep` pauses in place of the wall clock, and `pausing` is called before each pause.
    """
    doubling = tenacity.wait_exponential(multiplier=attempts.delay)

    def pause(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return max(doubling(state), asked(error) if error else 0.0)

    enough = tenacity.stop_after_attempt(attempts.attempts)
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(passes),
        stop=tenacity.stop_any(enough, tenacity.stop_when_event_set(cancelled)) if cancelled else enough,
        wait=pause,
        sleep=sleep or (sleep_using_event(cancelled) if cancelled else sleep_seconds),
        before_sleep=pausing,
        reraise=True,
    )


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Seconds until the next attempt that an HTTP server asks for, as a number of them or a date (RFC 9110, 10.2.3).

    `now` in seconds since 1970. 0 where the server does not say.
    """
    value = next((text for name, text in headers.items() if name.lower() == "retry-after"), "")
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return 0.0
