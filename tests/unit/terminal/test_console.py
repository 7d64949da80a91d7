"""What a person sees: plain lines with timestamps where nobody looks, one error, one table."""

import io
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from harness.errors import DataError
from harness.exits import Exit
from harness.results.critical_path import FACT, CriticalPath, Hop, Whose
from harness.results.outcome import Outcome, Phase
from harness.terminal.console import Console
from tests.fakes.results import cell, not_run, skipped, sweep


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def outcome(code: Exit = Exit.OK) -> Outcome:
    phases = (Phase("cluster", 4.04, "passed", "6 nodes"), Phase("verify", 1.26, "failed" if code else "passed", "[x]"))
    return Outcome(
        "eks-training", "helm", "id", "host", "c", datetime(2026, 1, 1, tzinfo=UTC), 5.3, code, "46 pods", phases,
        ("webhooks not exercised: a",), "debug/dir" if code else "",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "live"),
    [({"TERM": "xterm"}, True), ({"NO_COLOR": "1"}, False), ({"CI": "true"}, False), ({"TERM": "dumb"}, False)],
    ids=["terminal", "NO_COLOR", "CI", "dumb"],
)
def test_live_output_needs_a_terminal_that_wants_it(environment: Mapping[str, str], live: bool) -> None:
    """CI, NO_COLOR and a dumb terminal get plain lines, even on a terminal."""
    assert Console(stdout=Terminal(), stderr=Terminal(), environment=environment).live is live


def test_progress_that_cannot_be_written_ends_no_run() -> None:
    """A closed terminal or a full disk below stderr: clean-up that tells of itself goes on."""

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    with Console(stdout=io.StringIO(), stderr=Full()) as console:
        console.started("cluster")
        console.note("interrupted")
        console.failed("cluster", "gone")


def test_a_pipe_gets_plain_lines() -> None:
    """One end in a pipe is enough: `make ... | tee log` must stay readable."""
    assert not Console(stdout=io.StringIO(), stderr=Terminal(), environment={}).live


def test_plain_lines_carry_a_time_and_no_control_characters() -> None:
    """Each event is a line of its own with a UTC time; nothing has to be stripped."""
    err = io.StringIO()
    with Console(stdout=io.StringIO(), stderr=err, environment={}) as console:
        console.started("tool etcd", "building")
        console.finished("tool etcd", "built")
        console.failed("cluster", "no etcd")
    lines = err.getvalue().splitlines()
    assert len(lines) == 3
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines)
    assert "\x1b" not in err.getvalue()
    assert re.search(r"tool etcd: built \(0\.\d s\)$", lines[1])
    assert "✗ cluster: no etcd" in lines[2]


def test_an_error_is_one_message_on_stderr() -> None:
    """stdout stays clean for those who read results."""
    out, err = io.StringIO(), io.StringIO()
    Console(stdout=out, stderr=err, environment={}).error(DataError("[bad] key", where="a.yaml:3", do="mend it"))
    assert err.getvalue() == "error: a.yaml:3: [bad] key\n  mend it\n"
    assert out.getvalue() == ""


@pytest.mark.parametrize("code", [Exit.OK, Exit.SYNC_DEADLINE], ids=["passed", "failed"])
def test_the_table_ends_a_run(code: Exit) -> None:
    """Phases with seconds and verdict, the total, what the verdict leaves out, and the verdict in a sentence."""
    out = io.StringIO()
    Console(stdout=out, stderr=io.StringIO(), environment={}).outcome(outcome(code))
    lines = out.getvalue().splitlines()
    word = "failed" if code else "passed"
    assert lines[0].split() == ["phase", "seconds", "verdict", "detail"]
    assert lines[1].split() == ["cluster", "4.0", "passed", "6", "nodes"]
    assert lines[2].split() == ["verify", "1.3", word, "[x]"]
    assert lines[3].split() == ["total", "5.3", word]
    assert lines[4] == "note: webhooks not exercised: a"
    assert lines[5] == f"{word.upper()} eks-training under helm: 46 pods"
    assert lines[6:] == (["evidence: debug/dir"] if code else [])


def test_the_live_display_is_gone_at_the_end() -> None:
    """On a terminal finished work stays as lines; the moving part is erased."""
    err = Terminal()
    with Console(stdout=Terminal(), stderr=err, environment={"TERM": "xterm"}) as console:
        console.started("cluster", "booting")
        console.step("cluster", "waiting for etcd")
        console.finished("cluster", "ready")
    assert "cluster: ready" in err.getvalue()
    assert err.getvalue().rstrip().endswith("\x1b[?25h") or "\x1b[2K" in err.getvalue()


def test_a_sweep_ends_with_a_grid_and_a_line_for_what_is_not_green() -> None:
    """Recipes down, lanes across, seconds and verdict in each cell; then reasons; then the verdict of the whole."""
    out = io.StringIO()
    cells = (
        cell(recipe="eks"),
        cell(Exit.SYNC_DEADLINE, "eks", "flux-oci", reason="\x1b[31mnot ready\x1b[0m\nmore", evidence="/there"),
        not_run("gke"),
        skipped("gke", "flux-oci"),
    )
    with Console(stdout=out, stderr=io.StringIO(), environment={}) as console:
        console.results(sweep(*cells, stopped=Exit.TERMINATED, reason="terminated"))
    assert out.getvalue().splitlines() == [
        "recipe  helm             flux-oci",
        "eks     ✓ passed 12.5 s  ✗ failed 12.5 s",
        "gke     ○ not run        – skipped",
        "✗ kwok/eks/flux-oci failed (SYNC_DEADLINE): not ready",
        "  evidence: /there",
        "○ kwok/gke/helm not run: no time was left",
        "– kwok/gke/flux-oci skipped: no node profile",
        "FAILED 4 cells: 1 passed, 1 failed, 1 skipped, 1 not run in 5 min 00 s; terminated",
    ]


def test_the_table_says_whose_the_time_was() -> None:
    """The critical path is the last row, after the total, where it is known."""
    out = io.StringIO()
    hops = [Hop(0.0, 4.0, "cluster", "our boot", Whose.OURS), Hop(4.0, 5.3, "sync", "Argo CD syncs it", Whose.DEPLOYER)]
    known = replace(outcome(Exit.OK), facts={FACT: CriticalPath(hops).document()})
    Console(stdout=out, stderr=io.StringIO(), environment={}).outcome(known)
    total, path = out.getvalue().splitlines()[3:5]
    assert total.startswith("total")
    assert " ".join(path.split()) == (
        "critical path 5.3 ours 4.0 s, deployer 1.3 s, idle 0.0 s; most of it: our boot 4.0 s, Argo CD syncs it 1.3 s"
    )
