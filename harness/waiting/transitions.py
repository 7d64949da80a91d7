"""When an object last changed its mind, as its own status tells it."""

from collections.abc import Iterator

from harness.objects import Object


def last_transition(item: Object) -> str:
    """The newest transition in an object's status: "Ready=False (InstallFailed) at 2026-01-02T03:04:05Z".

    Empty where the status has none. The time is that of whoever wrote the status, to the second.
    """
    at, what = max(_transitions(item), default=("", ""), key=lambda found: found[0])
    return f"{what} at {at}" if at else ""


def _transitions(item: Object) -> Iterator[tuple[str, str]]:
    """(time, what) of conditions, and of an Application's health and operation. Times (RFC 3339, UTC) sort."""
    status = item.get("status") or {}
    for each in status.get("conditions") or ():
        state = f"{each['type']}={each['status']}" if "status" in each else each["type"]
        reason = f" ({each['reason']})" if each.get("reason") else ""
        yield each.get("lastTransitionTime") or "", f"{state}{reason}"
    health, operation = status.get("health") or {}, status.get("operationState") or {}
    yield health.get("lastTransitionTime") or "", f"health={health.get('status')}"
    yield operation.get("finishedAt") or operation.get("startedAt") or "", f"operation={operation.get('phase')}"
