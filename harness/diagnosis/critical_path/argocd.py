"""The path of a delivery by Argo CD: which Application completed the wait, what it went through, and the waves of the
root before it was made.
"""

import re
from collections.abc import Mapping
from typing import Any

from harness.diagnosis.critical_path.backward import Backward
from harness.diagnosis.critical_path.seen import Seen, State
from harness.evidence.replay import Step
from harness.gates.argocd.application import APPLICATIONS
from harness.gates.findings import named
from harness.objects import Key, Object
from harness.results.critical_path import Whose

WAVE = "argocd.argoproj.io/sync-wave"
QUIET = 1.0  # seconds without any movement, before a timer is held to be what is waited for
_HOOK = re.compile(r"waiting for completion of hook [\w.-]*/?([A-Z]\w*/[\w.-]+)")
_HEALTH = re.compile(r"waiting for healthy state of [\w.-]*/?([A-Z]\w*/[\w.-]+)")


def deliver(path: Backward, seen: Seen, completed: Step | None, blamed: str, delay: float) -> None:
    """Lead the path from where it is back to where the root was compared. `blamed` is the subject of the last verdict
    of a wait that did not pass, `delay` what Argo CD sleeps after each wave, in seconds.
    """
    key = _last_of(seen, completed, blamed, path.at)
    if key is None:
        return
    _application(path, seen, key)
    wave = _wave(seen, key)
    if wave is not None:
        _waves(path, seen, wave, delay)
    root = _root(seen)
    if root is not None and root != key:
        _application(path, seen, root)


def _last_of(seen: Seen, completed: Step | None, blamed: str, at: float) -> Key | None:
    """The Application that the wait ended with: the one that is blamed, or that moved last, before `at`."""
    moved = [move.key for move in completed.moves if move.kind == APPLICATIONS] if completed else []
    if blamed_for := [key for key, _ in seen.all(APPLICATIONS) if named(APPLICATIONS, key) == blamed]:
        return blamed_for[0]
    if moved:
        return moved[-1]
    latest = [
        (state.begun, key) for key, states in seen.all(APPLICATIONS) for state in states[-1:] if state.begun <= at
    ]
    return max(latest)[1] if latest else None


def _application(path: Backward, seen: Seen, key: Key) -> None:
    """From where the path is back to where the Application was made."""
    subject = named(APPLICATIONS, key)
    states = [state for state in seen.of_object(APPLICATIONS, key) if state.item is not None and state.begun < path.at]
    for state in reversed(states):
        cause, whose = _under_way(state)
        if whose is Whose.IDLE and seen.was_nudged(subject, state.begun, path.at):
            cause = f"{cause}; it was asked to look again"
        if cause == _AFTERWARDS or cause.startswith(_AWAITS):
            _health(path, seen, subject, state)
        path.back(state.begun, subject, cause, whose)


_AWAITS = "its sync waits for the health of"
_AFTERWARDS = "Argo CD compares it again, and its health"


def _under_way(state: State) -> tuple[str, Whose]:
    """What goes on while an Application is in this state."""
    status: Mapping[str, Any] = (state.item or {}).get("status") or {}
    operation: Mapping[str, Any] = status.get("operationState") or {}
    message, phase = str(operation.get("message") or ""), operation.get("phase")
    if not status.get("reconciledAt"):
        return "Argo CD renders and compares it (repo server)", Whose.DEPLOYER
    if phase is None:
        return "Argo CD begins to sync it", Whose.DEPLOYER
    if phase == "Running" and "Retrying attempt" in message:
        return "pause before another attempt of its sync", Whose.IDLE
    if phase == "Running" and (found := _HOOK.search(message)):
        return f"hook wait: {found[1]}", Whose.DEPLOYER
    if phase == "Running" and (found := _HEALTH.search(message)):
        return f"{_AWAITS} {found[1]}", Whose.DEPLOYER
    if phase == "Running":
        return "Argo CD syncs it", Whose.DEPLOYER
    if phase in ("Failed", "Error"):
        return "pause before another sync", Whose.IDLE
    return _AFTERWARDS, Whose.DEPLOYER


def _health(path: Backward, seen: Seen, subject: str, state: State) -> None:
    """The end of a state in which Argo CD only has to look, when nothing moved where the Application deploys to."""
    spec = (state.item or {}).get("spec") or {}
    namespace = str((spec.get("destination") or {}).get("namespace") or "")
    moved = seen.activity(namespace, state.begun, path.at)[-1:] if namespace else []
    since = moved[0] if moved else state.begun
    if path.at - since >= QUIET:
        path.back(since, subject, "until Argo CD looked again (resync)", Whose.IDLE)


def _wave(seen: Seen, key: Key) -> int | None:
    """The wave of a child; None of the root."""
    return next((wave for each in seen.of_object(APPLICATIONS, key) if (wave := _number(each.item)) is not None), None)


def _number(item: Object | None) -> int | None:
    found = ((item or {}).get("metadata", {}).get("annotations") or {}).get(WAVE)
    try:
        return None if found is None else int(found)
    except ValueError:
        return None


def _root(seen: Seen) -> Key | None:
    """The Application that was there first and belongs to no wave."""
    found = [(states[0].begun, key) for key, states in seen.all(APPLICATIONS) if _wave(seen, key) is None and states]
    return min(found)[1] if found else None


def _waves(path: Backward, seen: Seen, wave: int, delay: float) -> None:
    """From where a child of `wave` was made back to where the first child of all was."""
    made: dict[int, list[float]] = {}
    for key, _ in seen.all(APPLICATIONS):
        number, at = _wave(seen, key), seen.appeared(APPLICATIONS, key)
        if number is not None and at is not None:
            made.setdefault(number, []).append(at)
    root = _root(seen)
    subject = named(APPLICATIONS, root) if root else "the root Application"
    for number in sorted((each for each in made if each < wave), reverse=True):
        last = max(at for at in made[number])
        path.back(last + delay, subject, f"goes on to the next wave after wave {number}", Whose.DEPLOYER)
        path.back(last, subject, f"Argo CD's delay after a wave ({delay:g} s)", Whose.IDLE)
        path.back(min(made[number]), subject, f"makes the Applications of wave {number}", Whose.DEPLOYER)
