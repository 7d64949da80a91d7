"""An interrupt reaches the main thread, whatever it is just doing."""

import os
import select
import signal
import subprocess
import sys

import pytest

from harness.exits import Exit
from harness.processes import signals

SCRIPT = """
import gc, os, signal, sys, time
from harness.processes import signals
from harness.errors import Terminated

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.NUMBER)
        time.sleep(0.05)

signal.signal(signal.SIGINT, signal.SIG_IGN)
signals.install()
try:
    BODY
    time.sleep(10)
    print("went on")
except KeyboardInterrupt:
    print("interrupted")
except Terminated:
    print("terminated")
"""


@pytest.mark.parametrize(("number", "told"), [("SIGINT", "interrupted"), ("SIGTERM", "terminated")])
@pytest.mark.parametrize(
    "body", ["os.kill(os.getpid(), signal.NUMBER)", "Finalized(); gc.collect()"], ids=["plainly", "in a finalizer"]
)
def test_no_interrupt_gets_lost(number: str, told: str, body: str) -> None:
    """Nor one that comes where Python prints exceptions and forgets them; and nothing is printed."""
    script = SCRIPT.replace("BODY", body).replace("NUMBER", number)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == (f"{told}\n", "")


def test_other_exceptions_in_finalizers_are_still_told() -> None:
    """A defect there is printed as ever."""
    script = SCRIPT.replace("os.kill(os.getpid(), signal.NUMBER)", "raise ValueError('defect')")
    script = script.replace("BODY", "Finalized()").replace("time.sleep(10)", "pass")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "went on\n"
    assert "ValueError: defect" in done.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)], ids=str
)
def test_a_noted_interrupt_raises_nothing(number: signal.Signals, code: Exit) -> None:
    """It can be waited for, the first one counts, and afterwards everything is as it was."""
    before = signal.getsignal(number)
    with signals.noted() as noted:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGINT)
        assert select.select([noted], [], [], 5)[0]
        assert noted.exit is code
    assert signal.getsignal(number) is before
