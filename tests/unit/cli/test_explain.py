"""What `explain` tells of a recording, in which order, and with which exit code."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from harness.cli.context import Context
from harness.cli.explain import explain
from harness.diagnosis.story import state
from harness.errors import HarnessError
from harness.evidence.recorder import Recorder
from harness.exits import Exit
from harness.gates.argocd.application import APPLICATIONS, KINDS
from harness.gates.argocd.synced import Synced
from harness.gates.flux.sources import KUSTOMIZATIONS
from harness.gates.workloads.installing import NothingUnschedulable
from harness.objects import NODES, PODS, Object, Objects
from harness.settings import DEFAULT_FILE
from harness.verdict import Failed, Waiting
from harness.waiting.loop import Expired, GateFailed, Judged
from tests.fakes.gitops import DIGEST, application, root, unready
from tests.fakes.gitops import kustomization as flux_kustomization
from tests.fakes.gitops import objects_of as gitops
from tests.fakes.objects import node, owned_by, pod
from tests.fakes.objects import objects_of as core

STORY: list[list[Object]] = [
    [],
    [root("web")],
    [root("web"), application("web", sync="OutOfSync", health="Missing", phase="")],
    [root("web"), application("web")],
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A directory of evidence with two waits: Applications that become synced, then a pod that fits nowhere."""
    directory = tmp_path / "kwok-debug-demo-argocd-oci-r1"
    directory.mkdir()
    recorder = Recorder(
        directory / "run.jsonl", run_id="r1", recipe="demo", deployer="argocd-oci", cluster="kwok-1", clock=lambda: 7.0
    )
    recorder.fact(digest=DIGEST)
    recorder.task("sync", "started")
    synced = Synced("root", ("web",), DIGEST)
    with recorder.wait(KINDS, synced, within=300) as seen:
        for number, items in enumerate(STORY):
            view = gitops(items)
            seen(Judged(view, synced(view), float(number), 0.025))
            seen(Judged(view, synced(view), number + 0.5))
    recorder.task("sync", "finished", "1 Application")
    danger = NothingUnschedulable(frozenset({"apps"}))
    view = core(node("gpu-0"), pod("ok", on="gpu-0", owner=owned_by("Job", "x")), pod("hook", refused="no room"))
    with suppress(Expired), recorder.wait(danger.kinds, danger, within=60) as seen:
        seen(Judged(view, danger(view), 0.1))
        raise Expired(danger(view), {}, None, 60.0)
    assert recorder.close() == ""
    return directory


def told(path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[Any, str]:
    code = explain.main(args=[str(path), *words], standalone_mode=False, obj=Context(DEFAULT_FILE, ()))
    return code, capsys.readouterr().out


def in_order(text: str, *parts: str) -> None:
    position = 0
    for part in parts:
        assert part in text[position:], f"{part!r} is not in\n{text[position:]}"
        position += text[position:].index(part) + len(part)


def test_the_story_is_told_in_order(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who, which digest, each phase, each turn of the verdict once, each object that mattered, and the ends."""
    code, shown = told(run, capsys)
    assert code == Exit.OK
    in_order(
        shown,
        "run r1: demo under argocd-oci on kwok-1",
        f"digest: {DIGEST}",
        "sync started",
        "wait 1, for applications.synced over applications, at most 300 s",
        "waiting after 0.0 s: Application argocd/root: is not there",
        "waiting after 1.0 s: Application argocd/web: is not there yet",
        "waiting after 2.0 s: ... is OutOfSync and Missing",
        "passed after 3.0 s: root and its 1 Applications are synced",
        "Application argocd/root: seen at 1.0 s Synced, Healthy, Succeeded",
        "Application argocd/web: seen at 2.0 s, since 3.0 s Synced, Healthy, Succeeded",
        "wait 1 passed after",
        "the verdict came 25 ms after the event that completed it, and still held",
        "sync finished: 1 Application",
        "wait 2, for workloads.nothing_unschedulable over nodes, pods, replicasets, jobs",
        "waiting, doomed, after 0.1 s: Pod apps/hook: is not scheduled",
        "Pod apps/hook: seen at 0.1 s Pending, not scheduled",
        "wait 2 expired after",
        "after 60.0 s",
        "judged again: 9 verdicts in 2 waits, all as recorded",
    )
    assert shown.count("passed after 3.0 s") == 1
    assert "after 3.5 s" not in shown
    assert "Pod apps/ok" not in shown
    assert "killed" not in shown


def test_the_file_itself_can_be_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory of evidence and the recording within it tell the same."""
    assert told(run / "run.jsonl", capsys) == told(run, capsys)


def test_a_run_id_or_nothing_finds_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Below the artifacts directory: by the id, by its end, and the newest one where nothing is named."""
    directory = tmp_path / "kwok-run-demo-helm-20260102-030405-ab12"
    directory.mkdir()
    recorder = Recorder(directory / "run.jsonl", run_id="r9", recipe="demo", deployer="helm", cluster="kwok-ab12")
    assert recorder.close() == ""
    context = Context(DEFAULT_FILE, (f"artifacts={tmp_path}",))
    for words in ([], ["ab12"], ["20260102-030405-ab12"], [str(directory)]):
        assert explain.main(args=words, standalone_mode=False, obj=context) == Exit.OK
        assert "run r9: demo under helm on kwok-ab12" in capsys.readouterr().out


def test_scripts_get_the_same_as_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One document: the story, the turns of the verdict, the objects, the end."""
    code, shown = told(run, capsys, "--json")
    document = json.loads(shown)
    assert code == Exit.OK
    assert (document["recipe"], document["facts"], document["differences"]) == ("demo", {"digest": DIGEST}, [])
    waits = [each for each in document["story"] if "wait" in each]
    assert [wait["how"] for wait in waits] == ["passed", "expired"]
    assert [(each["seconds"], each["type"]) for each in waits[0]["verdicts"]][-1] == (3.0, "Passed")
    assert waits[0]["judged"] == 8
    assert waits[0]["gate"]["parameters"]["digest"] == DIGEST
    web = {"subject": "Application argocd/web", "appeared": 2.0, "changed": 3.0, "state": "Synced, Healthy, Succeeded"}
    assert web in waits[0]["objects"]


@pytest.mark.parametrize("words", [[], ["--json"]], ids=["people", "scripts"])
def test_a_verdict_that_differs_is_exit_code_1(words: list[str], run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole story is told all the same, and then what differs."""
    file = run / "run.jsonl"
    text = file.read_text()
    assert text.count("is not there") > 0
    file.write_text(text.replace("is not there", "is on its way"))
    code, shown = told(run, capsys, *words)
    assert code == Exit.FAILURE
    assert "now it is Waiting (Application argocd/root: is not there)" in shown
    assert "all as recorded" not in shown
    assert "expired" in shown


def test_a_harness_that_was_killed_is_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that was cut off, a wait without an end, a recording that was not closed: said, and no error."""
    file = run / "run.jsonl"
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-2]) + lines[-2][:20])
    code, shown = told(run, capsys)
    assert code == Exit.OK
    in_order(shown, "wait 2 was not over when the recording ended", "the last line is cut off")
    assert json.loads(told(run, capsys, "--json")[1])["truncated"] is True
    file.write_bytes(b"".join(lines[:-1]))
    assert "the recording was not closed" in told(run, capsys)[1]


def test_a_long_reason_is_told_whole_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A turn of the verdict takes one line; how the wait ended takes as many as there are."""
    recorder = Recorder(tmp_path / "run.jsonl", run_id="r", recipe="d", deployer="helm", cluster="k")
    gate = NothingUnschedulable(frozenset({"apps"}))
    view = core(node("gpu-0"), pod("a", refused="no"), pod("b", refused="no"))
    verdict = gate(view)
    assert isinstance(verdict, Waiting)
    assert "\n" in verdict.doomed
    with suppress(GateFailed), recorder.wait(gate.kinds, gate, within=1) as seen:
        seen(Judged(view, verdict, 0.0))
        raise GateFailed(Failed(verdict.doomed, verdict.subject), 1.0)
    recorder.close()
    code, shown = told(tmp_path, capsys)
    assert code == Exit.OK
    assert "Pod apps/b" in shown.partition("wait 1 failed")[2]


@pytest.mark.parametrize(
    ("content", "code"), [(None, Exit.USAGE), ("hello\n", Exit.SETTINGS)], ids=["no file", "no recording"]
)
def test_what_is_no_recording_has_its_exit_code(content: str | None, code: Exit, tmp_path: Path) -> None:
    """A wrong path is 64, a broken file 10."""
    if content is not None:
        (tmp_path / "run.jsonl").write_text(content)
    with pytest.raises(HarnessError) as caught:
        explain.main(args=[str(tmp_path)], standalone_mode=False, obj=Context(DEFAULT_FILE, ()))
    assert caught.value.exit is code


@pytest.mark.parametrize(
    ("kind", "item", "text"),
    [
        (APPLICATIONS, {"status": {}}, "not compared yet"),
        (APPLICATIONS, application("a", "OutOfSync", "Missing", ""), "OutOfSync, Missing"),
        (PODS, pod("a"), "Pending, not scheduled"),
        (PODS, pod("a", on="gpu-0"), "Running, on gpu-0"),
        (KUSTOMIZATIONS, flux_kustomization(), "Ready=True Succeeded"),
        (KUSTOMIZATIONS, unready(flux_kustomization(), "BuildFailed", "x"), "Ready=False BuildFailed"),
        (NODES, node("gpu-0"), "Ready=True"),
        (NODES, {"status": {"conditions": [{"type": "Failed", "status": "False"}]}}, "there"),
        (NODES, {}, "there"),
    ],
)
def test_an_object_in_a_few_words(kind: Any, item: Any, text: str) -> None:
    """What one looks for in an object of that kind; of anything else, that it is there."""
    assert state(kind, item) == text


def test_the_critical_path_alone_can_be_shown(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each hop, then whose the time was; as JSON the same, and nothing is judged."""
    code, shown = told(run, capsys, "--critical-path")
    assert code == Exit.OK
    in_order(shown, "run r1: demo under argocd-oci", "begins", "whose", "cause", "ours: ", "deployer: ", "idle: ")
    assert "judged again" not in shown
    (run / "run.jsonl").write_text((run / "run.jsonl").read_text().replace("is not there", "is on its way"))
    code, shown = told(run, capsys, "--critical-path", "--json")
    assert (code, json.loads(shown)["run"], set(json.loads(shown)["shares"])) == (
        Exit.OK,
        "r1",
        {"ours", "deployer", "idle"},
    )


def test_a_state_is_told_once_and_then_what_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Findings that were told are not told again, nor a subject that stays; what comes back says when it was told."""
    recorder = Recorder(tmp_path / "run.jsonl", run_id="r", recipe="demo", deployer="helm", cluster="k")
    reasons = ["has 0 of 3 pods", "has 1 of 3 pods", "has 1 of 3 pods\nDeployment a/db: is not in the cluster"]
    reasons += ["has 1 of 3 pods", "has 0 of 3 pods", "has 2 of 3 pods"]
    with recorder.wait([PODS], lambda objects: Failed(""), within=9) as seen:
        for second, reason in enumerate(reasons):
            seen(Judged(Objects({PODS: {}}), Waiting(reason, "Deployment a/web"), float(second)))
    recorder.close()
    _, shown = told(tmp_path, capsys)
    assert [line.partition("after ")[2] for line in shown.splitlines() if "  waiting " in line] == [
        "0.0 s: Deployment a/web: has 0 of 3 pods",
        "1.0 s: ... has 1 of 3 pods",
        "2.0 s: Deployment a/db: is not in the cluster",
        "4.0 s: as after 0.0 s",
        "5.0 s: ... has 2 of 3 pods",
    ]
