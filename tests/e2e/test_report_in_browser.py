"""The HTML report in a real browser: 100 cells at once, light and dark, by keyboard, without network, without errors.

Screenshots go below KWOK_DEBUG_ARTIFACTS_DIR (report-screenshots) for a person to look at; CI keeps them.
"""

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness import reports
from harness.exits import Exit
from harness.results.outcome import Cause, Outcome, Phase
from harness.results.results import CellResult, Results
from harness.verdict import CauseKind
from tests.e2e import browser

pytestmark = pytest.mark.e2e

START = datetime(2026, 11, 21, 3, 2, 1, tzinfo=UTC)
LANES = ("helm", "argocd-oci", "argocd-helm-oci", "flux-oci")
COMPONENTS = ("cert-manager", "gpu-operator", "network-operator", "nfd", "kube-prometheus-stack", "nvsentinel", "kueue")
HOSTILE = "</script><script>console.error('hostile')</script><img src=x onerror=\"console.error('hostile')\">"
FOCUS = "document.activeElement.getAttribute('href') || document.activeElement.id"
SHOWN = "(document.querySelector('.detail:target') || {}).id || ''"


def outcome(recipe: str, lane: str, code: Exit, seconds: float) -> Outcome:
    """A cell as it is in earnest: phases, components, six nodes, and a reason that wants to be a script."""
    names = ("tools", "bundle", "render", "infrastructure", "sync", "verify")
    phases = [
        Phase(name, seconds / 6, "failed" if code and name == "verify" else "passed", "12 of 12", seconds / 6 * number)
        for number, name in enumerate(names)
    ]
    components = [
        {"name": name, "applied": seconds / 2 + number, "ready": None if code and name == "nfd" else seconds * 0.9}
        for number, name in enumerate(COMPONENTS)
    ]
    nodes = [
        {
            "name": f"kwok-{'accelerated' if number > 1 else 'system'}-{number}",
            "type": "accelerated" if number > 1 else "system",
            "pods": len(COMPONENTS),
            "workloads": {f"Deployment {name}/{name}": 1 for name in COMPONENTS},
            "gpus": 8 if number > 1 else 0,
            "gpusUsed": number if number > 1 else 0,
            "gpusFree": 8 - number if number > 1 else 0,
        }
        for number in range(6)
    ]
    totals = {"workloads": 20, "pods": 42, "scheduled": 42, "running": 42, "gpus": 32, "gpusUsed": 14}
    return Outcome(
        recipe,
        lane,
        "20261121-030201-8665",
        "host",
        "aicr-kwok-test-8665",
        START,
        seconds,
        code,
        f"pods are nowhere\n{HOSTILE}" if code else "42 pods are where they belong",
        tuple(phases),
        ("admission webhooks were not exercised: cert-manager-webhook",),
        "/nowhere/kwok-debug" if code else "",
        {"components": components, "nodes": nodes, "totals": totals},
        Cause(CauseKind.SCHEDULE, "DaemonSet nfd/worker", f"0/6 nodes are available {HOSTILE}") if code else None,
    )


def hundred() -> Results:
    """25 recipes under 4 lanes, of every status; one recipe's name is as long as they get."""
    chance = random.Random(5)
    cells = []
    for number in range(25):
        recipe = f"recipe-{number:02}" if number else "gb200-eks-ubuntu-inference-dynamo-disaggregated-nvlink"
        for lane in LANES:
            kind, seconds = chance.random(), 20 + 90 * chance.random()
            if number == 3:
                cells.append(CellResult(recipe, lane, skipped=True, reason="no node profile"))
            elif kind < 0.1 or (number, lane) == (0, "helm"):
                cells.append(CellResult(recipe, lane, outcome(recipe, lane, Exit.SYNC_DEADLINE, seconds)))
            elif number == 24:
                cells.append(CellResult(recipe, lane, reason="no time was left"))
            else:
                cells.append(CellResult(recipe, lane, outcome(recipe, lane, Exit.OK, seconds), flaky=kind > 0.97))
    return Results("20261121-030201-8665", START, START + timedelta(minutes=31), cells)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report of 100 cells."""
    place = tmp_path_factory.mktemp("report")
    assert reports.write(hundred(), place) == ()
    return (place / "kwok-results.html").as_uri()


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Tab]:
    program = browser.find()
    if program is None:
        pytest.skip(f"NOT TESTED: the HTML report, for no browser is on PATH ({', '.join(browser.NAMES)})")
    with browser.tab(program, tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture(autouse=True)
def fresh(tab: browser.Tab, page: str) -> Iterator[None]:
    """Each test begins with the page as it opens, and ends without a complaint in the console."""
    tab.size(1440, 900)
    tab.prefer("light")
    tab.open(page)
    yield
    assert tab.complaints() == []
    assert {address.partition("#")[0] for address in tab.requests()} <= {page, "data:,"}


def test_a_hundred_cells_are_there_at_once(tab: browser.Tab) -> None:
    """A second or two of work for all of them, and nothing moves afterwards."""
    worked = tab.work()
    assert tab.evaluate("document.querySelectorAll('#grid td a').length") == 100
    milliseconds = tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    print(f"100 cells were there after {milliseconds:.0f} ms, {worked:.2f} s of work")
    assert 0 < worked < 2
    shifts = (
        "new Promise((done) => { let sum = 0; new PerformanceObserver((list) => list.getEntries().forEach("
        "(entry) => { sum += entry.value; })).observe({type: 'layout-shift', buffered: true}); "
        "setTimeout(() => done(sum), 300); })"
    )
    assert tab.evaluate(shifts) == 0


def test_the_keyboard_is_enough(tab: browser.Tab) -> None:
    """Tab reaches the grid, arrows move in it, Enter opens a cell, Escape closes it where one was."""
    for _ in range(200):
        tab.press("Tab")
        if tab.evaluate("!!document.activeElement.closest('#grid a')"):
            break
    first = tab.evaluate(FOCUS)
    assert first.endswith("--helm")
    tab.press("ArrowRight")
    tab.press("ArrowDown")
    focused = tab.evaluate(FOCUS)
    assert focused == "#cell-recipe-01--argocd-oci"
    scrolled = tab.evaluate("scrollY")
    tab.press("Enter")
    tab.until(f"({SHOWN}) === 'cell-recipe-01--argocd-oci'")
    tab.until("document.activeElement.id === 'cell-recipe-01--argocd-oci-title'")
    tab.press("Escape")
    tab.until(f"({SHOWN}) === ''")
    tab.until(f"({FOCUS}) === '{focused}'")
    assert tab.evaluate("scrollY") == scrolled


def test_a_cell_shows_its_story(tab: browser.Tab) -> None:
    """Bars that are seen, where the pods are, the cause; what it says is text, and the grid behind it stays."""
    grid = "JSON.stringify(document.getElementById('grid').getBoundingClientRect())"
    before = tab.evaluate(grid)
    tab.evaluate("document.querySelector('#grid td.failed a').click()")
    tab.until(f"({SHOWN}) !== ''")
    detail = "document.querySelector('.detail:target')"
    widths = tab.evaluate(f"[...{detail}.querySelectorAll('.track i')].map((bar) => bar.getBoundingClientRect().width)")
    assert len(widths) == 6 + len(COMPONENTS)
    assert min(widths) >= 3
    text = tab.evaluate(f"{detail}.innerText")
    for part in (HOSTILE, "DaemonSet nfd/worker", "not ready", "kwok-accelerated-5", "5 of 8", "/nowhere/kwok-debug"):
        assert part in text
    assert tab.evaluate("document.images.length") == 0
    assert tab.evaluate(grid) == before


def test_the_filter_leaves_what_was_asked_for(tab: browser.Tab) -> None:
    """And moves nothing sideways."""
    left = tab.evaluate("document.querySelector('#grid td').getBoundingClientRect().left")
    failed = tab.evaluate("document.querySelectorAll('#grid td.failed').length")
    tab.evaluate("document.querySelector('#show-failed').click()")
    visible = "[...document.querySelectorAll('#grid td a')].filter((link) => link.offsetParent !== null)"
    assert tab.evaluate(f"{visible}.length") == failed > 0
    assert tab.evaluate(f"{visible}.every((link) => link.closest('td').className === 'failed')")
    assert tab.evaluate("document.querySelector('#grid td').getBoundingClientRect().left") == left


def test_light_and_dark(tab: browser.Tab, page: str) -> None:
    """As the system has it, or as the button says, which is remembered; text is readable in both."""
    background = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(background)
    tab.prefer("dark")
    dark = tab.evaluate(background)
    assert light != dark
    tab.evaluate("document.getElementById('theme').click()")
    assert tab.evaluate(background) == light
    tab.open(page)
    assert tab.evaluate(background) == light
    for scheme in ("dark", "light"):
        tab.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
        assert tab.evaluate(CONTRASTS) == []
    tab.evaluate("localStorage.clear()")


def test_it_works_without_script(tab: browser.Tab, page: str) -> None:
    """The grid, the details and the filter are the browser's own."""
    tab.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open(f"{page}#cell-recipe-01--flux-oci")
        found = tab.send("DOM.getDocument")["root"]["nodeId"]
        shown = tab.send("DOM.querySelector", nodeId=found, selector=".detail:target")["nodeId"]
        assert tab.send("DOM.getBoxModel", nodeId=shown)["model"]["width"] > 500
    finally:
        tab.send("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("width", [1440, 420], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_are_kept_for_people(tab: browser.Tab, page: str, width: int, scheme: str) -> None:
    """Of grid and details; the page is never wider than the window."""
    place = Path(os.environ.get("KWOK_DEBUG_ARTIFACTS_DIR") or "/tmp/kwok-debug-artifacts") / "report-screenshots"
    place.mkdir(parents=True, exist_ok=True)
    tab.size(width, 1200)
    tab.prefer(scheme)
    name = f"{'wide' if width > 1000 else 'narrow'}-{scheme}"
    assert len(tab.screenshot(place / f"grid-{name}.png")) > 10_000
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.evaluate("document.querySelector('#grid td.failed a').click()")
    tab.until(f"({SHOWN}) !== ''")
    assert len(tab.screenshot(place / f"cell-{name}.png")) > 10_000
    detail = "document.querySelector('.detail:target')"
    assert tab.evaluate(f"{detail}.scrollWidth <= {detail}.clientWidth")


# Texts whose contrast with what lies behind them is below 4.5 (WCAG AA), as [text, ratio]; of the page and of one cell.
CONTRASTS = """
(() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    context.clearRect(0, 0, 1, 1); context.fillStyle = color; context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = rgba(getComputedStyle(e).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  location.hash = "cell-gb200-eks-ubuntu-inference-dynamo-disaggregated-nvlink--helm";
  const bad = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.offsetParent === null || element.closest("script, .unseen")) continue;
    const [one, two] = [light(rgba(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    if (ratio < 4.5) bad.push([element.textContent.trim().slice(0, 40), ratio.toFixed(2)]);
  }
  return bad;
})()
"""
