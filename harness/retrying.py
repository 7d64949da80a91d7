"""Trying again: as often as the settings say, with pauses that double."""

import threading
from collections.abc import Callable
from typing import Any

import tenacity
from tenacity.nap import sleep, sleep_using_event

from harness.settings import Retries


def retrying(
    retries: Retries,
    passes: Callable[[BaseException], bool],
    *,
    cancelled: threading.Event | None = None,
    pausing: Callable[[tenacity.RetryCallState], None] | None = None,
) -> tenacity.Retrying:
    """Calls again what raised an error of which `passes` says that it may pass; the last error is raised as it is.

    Once `cancelled` is set nothing is tried again, and no pause goes on. `pausing` is told of each pause.
    """
    stop: Any = tenacity.stop_after_attempt(retries.attempts)
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(passes),
        stop=stop if cancelled is None else stop | tenacity.stop_when_event_set(cancelled),
        wait=tenacity.wait_exponential(multiplier=retries.delay),
        sleep=sleep if cancelled is None else sleep_using_event(cancelled),
        before_sleep=pausing,
        reraise=True,
    )
