"""An interrupt reaches the main thread, whatever it is just doing."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness.errors import Terminated
from harness.exits import Exit
from harness.processes import signals


@pytest.fixture(autouse=True)
def a_terminal() -> Iterator[None]:
    """The tests may run under nohup themselves, which programs that they start would inherit."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


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


@pytest.mark.parametrize(
    ("number", "told"), [("SIGINT", "interrupted"), ("SIGTERM", "terminated"), ("SIGHUP", "terminated")]
)
@pytest.mark.parametrize(
    "body", ["os.kill(os.getpid(), signal.NUMBER)", "Finalized(); gc.collect()"], ids=["plainly", "in a finalizer"]
)
def test_no_interrupt_gets_lost(number: str, told: str, body: str) -> None:
    """Nor one that comes where Python prints exceptions and forgets them; and nothing is printed."""
    script = SCRIPT.replace("BODY", body).replace("NUMBER", number)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == (f"{told}\n", "")


def test_under_nohup_a_closed_terminal_is_ignored() -> None:
    """Who wants the harness to outlive the terminal has said so."""
    script = SCRIPT.replace("SIGINT, signal.SIG_IGN", "SIGHUP, signal.SIG_IGN")
    script = script.replace("BODY", "os.kill(os.getpid(), signal.SIGHUP)").replace("time.sleep(10)", "pass")
    script = script.replace("signal.NUMBER", "signal.SIGHUP")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("went on\n", "")


def test_other_exceptions_in_finalizers_are_still_told() -> None:
    """A defect there is printed as ever."""
    script = SCRIPT.replace("os.kill(os.getpid(), signal.NUMBER)", "raise ValueError('defect')")
    script = script.replace("BODY", "Finalized()").replace("time.sleep(10)", "pass")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "went on\n"
    assert "ValueError: defect" in done.stderr


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED), (signal.SIGHUP, Exit.TERMINATED)],
    ids=str,
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=str)
def test_a_handed_interrupt_calls_once_and_the_second_raises(number: signal.Signals) -> None:
    """The first is handed on with its code; who repeats it wants the end."""
    called: list[str] = []
    with signals.handed(lambda: called.append("first")) as handed:
        os.kill(os.getpid(), number)
        with pytest.raises((KeyboardInterrupt, Terminated)):
            os.kill(os.getpid(), number)
    assert called == ["first"]
    assert handed.exit is (Exit.INTERRUPTED if number is signal.SIGINT else Exit.TERMINATED)
