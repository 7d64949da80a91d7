"""No two reports of the same results say different things, and none says anything else than the exit code."""

import io
import json
import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.exits import Exit
from harness.reports import ctrf, junit, summary
from harness.reports.annotations import annotations
from harness.reports.html import page as html
from harness.results.outcome import Cause, Outcome, Phase
from harness.results.results import CellResult, Results, Status
from harness.terminal.console import Console
from harness.verdict import CauseKind
from tests.fakes.ctrf_schema import SCHEMA
from tests.fakes.page import Page
from tests.fakes.results import NOW

pytestmark = pytest.mark.no_cover  # random results are for depth, and tracing them doubles their time

LANES = ("helm", "argocd-oci", "argocd-helm-oci", "flux-oci")
NASTY = (
    "</script><script>alert(1)</script>",
    "\x1b[31mred\x1b[0m \x00\x08",
    "a | b `c` <td>",
    "::error::x\n%0A",
    "]]>&",
)

texts = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=()), max_size=40))
seconds = st.integers(0, 4_000_000).map(lambda number: number / 1000)
moments = st.integers(0, 10_000).map(lambda number: NOW + timedelta(seconds=number))
causes = st.builds(Cause, st.sampled_from(CauseKind), texts, texts)
phases = st.builds(
    Phase, st.sampled_from(["sync", "verify"]), seconds, st.sampled_from(["passed", "failed"]), texts, seconds
)
components = st.fixed_dictionaries(
    {"name": texts, "applied": st.none() | seconds, "ready": st.none() | seconds},
)
nodes = st.fixed_dictionaries(
    {
        "name": texts,
        "type": st.sampled_from(["system", "accelerated", ""]),
        "pods": st.integers(0, 9),
        "workloads": st.dictionaries(texts, st.integers(1, 3), max_size=2),
        "gpus": st.integers(0, 8),
        "gpusUsed": st.integers(0, 9),
    }
)
facts = st.fixed_dictionaries(
    {},
    optional={
        "components": st.lists(components, max_size=3),
        "nodes": st.lists(nodes, max_size=3),
        "digest": texts,
        "something": st.integers(),
    },
)


@st.composite
def cells(draw: st.DrawFn, recipe: str, deployer: str) -> CellResult:
    match draw(st.sampled_from(["outcome", "outcome", "outcome", "skipped", "not run"])):
        case "outcome":
            code = draw(st.sampled_from(Exit))
            outcome = Outcome(
                recipe,
                deployer,
                "id",
                "host",
                "cluster",
                draw(moments),
                draw(seconds),
                code,
                draw(texts),
                tuple(draw(st.lists(phases, max_size=3))),
                tuple(draw(st.lists(texts, max_size=2))),
                draw(st.sampled_from(["", "/nowhere/kwok-debug"])),
                draw(facts),
                draw(st.none() | causes) if code else None,
            )
            return CellResult(recipe, deployer, outcome, flaky=draw(st.booleans()))
        case other:
            return CellResult(recipe, deployer, skipped=other == "skipped", reason=draw(texts))


@st.composite
def sweeps(draw: st.DrawFn) -> Results:
    names = st.tuples(st.from_regex(r"[a-z][a-z0-9.-]{0,12}", fullmatch=True), st.sampled_from(LANES))
    made = tuple(draw(cells(*name)) for name in draw(st.lists(names, max_size=8, unique=True)))
    stopped = draw(st.sampled_from([None, None, Exit.SYNC_DEADLINE, Exit.INTERRUPTED, Exit.TERMINATED, Exit.FAILURE]))
    shard = draw(st.sampled_from(["", "2/5"]))
    return Results("run", NOW, draw(moments), made, stopped, draw(texts) if stopped else "", shard)


@settings(max_examples=20)
@given(sweeps())
def test_every_report_counts_the_same(results: Results) -> None:
    """CTRF, JUnit, the summary, the page and the console have as many cells of each status as the results."""
    counted = {status.value: number for status, number in results.counted().items() if number}

    document = json.loads(json.dumps(ctrf.document(results)))
    jsonschema.validate(document, SCHEMA)
    tests = document["results"]["tests"]
    assert Counter(test["rawStatus"] for test in tests) == counted
    for status, name in ctrf.STATUSES.items():
        said = document["results"]["summary"][name]
        assert said == counted.get(status.value, 0) == sum(test["status"] == name for test in tests)

    assert _junit(_parsed(junit.document(results))) == counted

    rows = re.findall(r"<td>\S (passed|failed|interrupted|skipped|not run)", summary.document(results))
    assert Counter(rows) == counted

    page = Page(html.document(results, Path("/nowhere")))
    assert page.cells == counted
    assert set(page.ids.values()) <= {1}
    assert all(link[1:] in page.ids for link in page.links if link.startswith("#"))
    assert page.tags["script"] == 1

    shown = io.StringIO()
    Console(stdout=shown, stderr=io.StringIO(), environment={}).results(results)
    table = shown.getvalue().split("\n")[1 : 1 + len({cell.recipe for cell in results.cells})]
    assert Counter(re.findall(r"  \S (passed|failed|interrupted|skipped|not run)", "\n".join(table))) == counted


@settings(max_examples=20)
@given(sweeps())
def test_every_report_ends_like_the_exit_code(results: Results) -> None:
    """PASSED is said, and nothing is marked as bad, exactly where the exit code is 0."""
    green = results.exit is Exit.OK
    word, other = ("PASSED", "FAILED") if green else ("FAILED", "PASSED")
    shown = io.StringIO()
    Console(stdout=shown, stderr=io.StringIO(), environment={}).results(results)
    assert shown.getvalue().splitlines()[-1].startswith(word) or results.reason
    assert f"\n{word} {len(results.cells)} cell" in f"\n{shown.getvalue()}"
    assert word in summary.document(results).splitlines()[0]
    heading = re.search(r"<h1>.*?</h1>", html.document(results, Path("/nowhere")))
    assert heading is not None
    assert word in heading[0]
    assert other not in heading[0]
    assert ctrf.document(results)["extra"]["exit"] == results.exit
    assert bool(annotations(results, lambda recipe: "")) is not green
    root = _parsed(junit.document(results))
    if green:
        assert (root.get("failures"), root.get("errors")) == ("0", "0")


@settings(max_examples=20)
@given(sweeps())
def test_results_are_read_as_they_were_written(results: Results) -> None:
    """CTRF loses nothing: what was merged is reported like what was run."""
    assert ctrf.read(json.loads(json.dumps(ctrf.document(results)))) == results


def _junit(root: ET.Element) -> dict[str, int]:
    """Cells by status, as a reader of JUnit counts them; the totals must be those of the elements."""
    counted: Counter[str] = Counter()
    for case in root.iter("testcase"):
        found = [child for child in case if child.tag in ("failure", "error", "skipped")]
        assert len(found) <= 1
        kind = found[0].get("type") if found else "passed"
        counted[str(kind) if kind in set(Status) else "failed"] += 1
    for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert root.get(attribute) == str(sum(1 for _ in root.iter(tag)))
        assert sum(int(suite.get(attribute, "")) for suite in root.iter("testsuite")) == int(root.get(attribute, ""))
    return counted


def _parsed(text: str) -> ET.Element:
    return ET.fromstring(text.encode(errors="strict"))  # noqa: S314 - our own
