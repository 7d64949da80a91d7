"""The page: what is in it, and that nothing comes in from outside. How it behaves is tested in a browser."""

import re
from pathlib import Path

import pytest

from harness.exits import Exit
from harness.reports.html import page as html
from harness.results.critical_path import FACT, CriticalPath, Hop, Whose
from harness.results.outcome import Cause, Phase
from harness.results.results import CellResult
from harness.verdict import CauseKind
from tests.fakes.page import Page
from tests.fakes.results import cell, failed, not_run, skipped, sweep

CAUSE = Cause(CauseKind.RECONCILE, "HelmRelease a/b", "install retries exhausted")


def page(*cells: CellResult, directory: Path = Path("/nowhere")) -> str:
    return html.document(sweep(*cells), directory)


def text(*cells: CellResult) -> str:
    return " ".join(" ".join(Page(page(*cells)).text).split())


def test_it_needs_nothing_from_outside() -> None:
    """No address but fragments and an empty icon; the policy forbids everything else, and any script but its own."""
    made = page(cell(), failed(CAUSE), not_run("b"))
    assert {link for link in Page(made).links if not link.startswith("#")} == {"data:,"}
    assert "url(" not in made
    assert "@import" not in made
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', made)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; ")
    assert "script-src 'sha256-" in policy[1]


def test_each_cell_opens_its_details() -> None:
    """The link in the grid names the article, and each article leads back to its cell."""
    made = Page(page(cell(), failed(CAUSE, "b", "flux-oci"), skipped("c")))
    for name in ("cell-eks--helm", "cell-b--flux-oci", "cell-c--helm"):
        assert made.ids[name] == made.ids[f"at-{name}"] == 1
        assert f"#{name}" in made.links
        assert f"#at-{name}" in made.links


def test_health_checks_have_a_row_each() -> None:
    """What held on simulated nodes only is told apart, with what was not judged."""
    checks = [{"component": "nfd", "status": "simulated", "message": "2 asserts hold", "notes": ["no controller"]}]
    shown = text(cell(facts={"health": checks}))
    assert "Health checks component result why nfd simulated 2 asserts hold no controller" in shown
    assert "Health checks" not in text(cell())


def test_what_a_controller_said_stays_text() -> None:
    """Wherever it turns up: reason, cause, notes, phases, components, nodes, recipe names."""
    bad = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'"
    facts = {
        "components": [{"name": bad, "applied": 1.0, "ready": None}],
        "nodes": [{"name": bad, "type": bad, "pods": 1, "workloads": {bad: 1}, "gpus": 8, "gpusUsed": 1}],
        "digest": bad,
    }
    made = failed(
        Cause(CauseKind.APPLY, bad, bad), reason=bad, notes=(bad,), phases=(Phase(bad, 1, "failed", bad),), facts=facts
    )
    shown = Page(page(made, CellResult(bad, bad, reason=bad)))
    assert shown.tags["script"] == 1
    assert shown.tags["img"] == 0
    assert shown.text.count(bad) >= 12


def test_a_failure_tells_all_there_is() -> None:
    """Cause, whole reason, notes, evidence, exit code and cluster."""
    shown = text(failed(CAUSE, reason="first\nsecond", notes=("webhooks were not exercised",), evidence="/gone/debug"))
    for part in (
        "reconcile",
        "HelmRelease a/b",
        "install retries exhausted",
        "first second",
        "webhooks were not exercised",
        "/gone/debug",
        "50 SYNC_DEADLINE",
        "test-8665 (host)",
    ):
        assert part in shown


@pytest.mark.parametrize(
    ("component", "said"),
    [
        ({"name": "nfd", "applied": 2.0, "ready": 6.5}, "✓ nfd 2.0 s 4.5 s"),
        ({"name": "nfd", "applied": 2.0, "ready": None}, "✗ nfd 2.0 s not ready"),
        ({"name": "nfd", "applied": None, "ready": None}, "✗ nfd – never applied"),
        ({"name": "nfd", "applied": None, "ready": 3.0}, "✓ nfd 3.0 s 0.0 s"),
    ],
    ids=["ready", "not ready", "never applied", "not seen applied"],
)
def test_a_component_is_told_from_applied_to_ready(component: dict[str, object], said: str) -> None:
    """What never became ready is no short bar but an open one."""
    assert said in text(cell(facts={"components": [component]}))


def test_bars_lie_where_their_time_is() -> None:
    """In parts of the cell's whole time, which is what the evidence ended at."""
    made = page(
        cell(seconds=20.0, phases=(Phase("sync", 5.0, "passed", "", 10.0), Phase("verify", 5.0, "failed", "", 15)))
    )
    assert '<i class="phase" style="left:50.000%;width:25.000%">' in made
    assert '<i class="phase failed" style="left:75.000%;width:25.000%">' in made


def test_the_critical_path_is_a_lane_of_the_timeline() -> None:
    """One track with a bar for each hop, coloured by whose time it was, and a row for each that a person can see."""
    hops = [
        Hop(0.0, 5.0, "cluster", "our boot", Whose.OURS),
        Hop(5.0, 5.01, "push", "our bundle", Whose.OURS),
        Hop(5.01, 12.5, "HelmRelease a/b", "a poll", Whose.IDLE),
    ]
    made = page(cell(facts={FACT: CriticalPath(hops).document()}))
    assert made.count('class="hop ours"') == 3
    assert made.count('class="hop idle"') == 2
    assert 'title="HelmRelease a/b: a poll, 7.5 s"' in made
    shown = text(cell(facts={FACT: CriticalPath(hops).document()}))
    assert "Critical path whose time ours 5.0 s, deployer 0.0 s, idle 7.5 s; most of it: a poll 7.5 s" in shown
    assert "HelmRelease a/b idle: a poll 5.0 s 7.5 s" in shown
    assert "Critical path" not in text(cell())


def test_placement_shows_gpus_used_and_free() -> None:
    """Per node, with its workloads; a node without GPUs has none to be free."""
    gpus = {"gpus": 8, "gpusUsed": 3, "gpusFree": 5}
    none = {"gpus": 0, "gpusUsed": 0, "gpusFree": 0}
    nodes = [
        {"name": "gpu-0", "type": "accelerated", "pods": 2, "workloads": {"Job a/b": 2}, **gpus},
        {"name": "cpu-0", "type": "system", "pods": 0, "workloads": {}, **none},
    ]
    totals = {"workloads": 4, "pods": 2, "scheduled": 2, "running": 1, "gpus": 8, "gpusUsed": 3}
    shown = text(cell(facts={"nodes": nodes, "totals": totals}))
    assert "gpu-0 accelerated 2 3 of 8 5 1 Job a/b × 2" in shown
    assert "cpu-0 system 0 – – none" in shown
    assert "2 of 2 pods of 4 workloads are on a node, 1 run; 3 of 8 GPUs are used." in shown


def test_checks_stand_beside_the_cell_that_they_ran_in() -> None:
    """With their phase, status and reason; what they say stays text."""
    check = {"phase": "deployment", "check": "operator-health", "status": "skipped", "message": "needs <a> real node"}
    shown = text(cell(facts={"validation": [check]}))
    assert "Validation" in shown
    for part in ("deployment", "operator-health", "skipped", "needs <a> real node"):
        assert part in shown
    assert "Validation" not in text(cell(facts={"validation": []}))


def test_evidence_is_linked_where_it_is(tmp_path: Path) -> None:
    """Relative to the page, so that both can be moved together; names are quoted."""
    evidence = tmp_path / "kwok-debug-a"
    (evidence / "logs").mkdir(parents=True)
    (evidence / "a b#.txt").write_text("")
    links = Page(page(cell(Exit.FAILURE, evidence=str(evidence)), directory=tmp_path)).links
    assert "kwok-debug-a/logs/" in links
    assert "kwok-debug-a/a%20b%23.txt" in links


def test_problems_lead_to_one_another() -> None:
    """From the first cell that is not green to the last."""
    made = page(failed(CAUSE, "a"), cell(recipe="b"), not_run("c"))
    articles = dict(re.findall(r'<article [^>]*id="cell-(\w)--helm".*?>(.*?)</article>', made, re.DOTALL))
    assert "next problem" in articles["a"]
    assert 'href="#cell-c--helm"' in articles["a"]
    assert "previous problem" in articles["c"]
    assert "problem" not in articles["b"]


def test_many_causes_do_not_push_the_grid_away() -> None:
    """Some are shown, the others unfold."""
    made = page(*(cell(Exit.FAILURE, f"r{number}", reason=f"reason {number}") for number in range(20)))
    assert "<summary>14 more</summary>" in made
