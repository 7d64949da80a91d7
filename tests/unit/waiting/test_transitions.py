"""The last transition of an object is found in whatever form its status has."""

from typing import Any

import pytest

from harness.waiting.transitions import last_transition


def at(second: int) -> str:
    return f"2026-01-02T03:04:{second:02}Z"


READY = {"type": "Ready", "status": "False", "reason": "InstallFailed", "lastTransitionTime": at(5)}
BUSY = {"type": "Reconciling", "status": "True", "lastTransitionTime": at(7)}


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"conditions": [READY]}, f"Ready=False (InstallFailed) at {at(5)}"),
        ({"conditions": [BUSY, READY]}, f"Reconciling=True at {at(7)}"),
        ({"conditions": [{"type": "SyncError", "message": "x", "lastTransitionTime": at(1)}]}, f"SyncError at {at(1)}"),
        ({"conditions": [{"type": "SyncError", "message": "x"}]}, ""),
        (
            {
                "health": {"status": "Progressing", "lastTransitionTime": at(2)},
                "operationState": {"phase": "Running", "startedAt": at(3)},
            },
            f"operation=Running at {at(3)}",
        ),
        (
            {
                "health": {"status": "Healthy", "lastTransitionTime": at(4)},
                "operationState": {"phase": "Succeeded", "startedAt": at(1), "finishedAt": at(3)},
            },
            f"health=Healthy at {at(4)}",
        ),
        ({}, ""),
        (None, ""),
    ],
    ids=["condition", "newest", "no-status", "no-time", "operation", "health", "empty", "none"],
)
def test_the_newest_transition_is_told(status: dict[str, Any] | None, told: str) -> None:
    """What it became, why, and when."""
    assert last_transition({"status": status}) == told
