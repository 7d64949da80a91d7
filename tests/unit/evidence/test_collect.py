"""The evidence directory, and collecting into it within a budget."""

import errno
import json
import os
import stat
import tempfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.deadline import MONOTONIC, Clock, Deadline
from harness.errors import HarnessError
from harness.evidence.collect import PARALLEL, Collector, EvidenceReport, Files, Incomplete, collect, summary
from harness.evidence.directory import EvidenceDirectory
from harness.evidence.redaction import Redactor
from harness.exits import Exit
from harness.results.outcome import Outcome, Phase
from tests.fakes.clock import ManualClock, until


@pytest.fixture
def directory(tmp_path: Path) -> EvidenceDirectory:
    return EvidenceDirectory(tmp_path / "artifacts", "eks-training", "helm", "r1")


def fixed(text: str | Files) -> Callable[[float], str | Files]:
    return lambda _: text


def failing(error: Exception) -> Callable[[float], str]:
    def produce(_: float) -> str:
        raise error

    return produce


def run(
    directory: EvidenceDirectory, *collectors: Collector, budget: float = 20, clock: Clock = MONOTONIC
) -> EvidenceReport:
    return collect(directory, collectors, Deadline.after(budget, clock=clock))


class Hanging:
    """A collector's work that never ends by itself. Once as many as run at once are under way, `seconds` pass."""

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        self.release = threading.Event()
        self._clock = clock
        self._seconds = seconds
        self._all = threading.Barrier(PARALLEL, action=self._pass)

    def __call__(self, _: float) -> str:
        self._all.wait(20)
        self.release.wait(20)
        return ""

    def _pass(self) -> None:
        self._clock.idle(1)
        self._clock.advance(self._seconds)


# --- the directory ---


def test_directory_has_the_documented_name_and_is_private(tmp_path: Path) -> None:
    """The name is the one people look for, and nobody else can read what is in it, whatever the umask."""
    before = os.umask(0)
    try:
        directory = EvidenceDirectory(tmp_path / "a" / "b", "eks-training", "helm", "20260101-ab12")
        directory.write("x/y.txt", "text")
    finally:
        os.umask(before)
    assert directory.path == tmp_path / "a" / "b" / "kwok-debug-eks-training-helm-20260101-ab12"
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    assert stat.S_IMODE((directory.path / "x").stat().st_mode) == 0o700
    assert stat.S_IMODE((directory.path / "x" / "y.txt").stat().st_mode) == 0o600


def test_directory_is_always_a_new_one(tmp_path: Path) -> None:
    """What has the name already, even a symbolic link laid out for us, is neither used nor touched."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "kwok-debug-r-helm-1").symlink_to(elsewhere)
    paths = [EvidenceDirectory(tmp_path, "r", "helm", "1").path.name for _ in range(2)]
    assert paths == ["kwok-debug-r-helm-1-2", "kwok-debug-r-helm-1-3"]
    assert list(elsewhere.iterdir()) == []


def test_name_stays_one_path_segment(tmp_path: Path) -> None:
    """A recipe's name cannot lead out of the artifacts directory."""
    directory = EvidenceDirectory(tmp_path, "../../x", "helm", "1")
    assert directory.path.parent == tmp_path


def test_parent_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Artifacts do not follow a symbolic link, which in a shared directory anybody may have laid."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(HarnessError, match="symbolic link"):
        EvidenceDirectory(tmp_path / "link", "r", "helm", "1")


@pytest.mark.parametrize(("mode", "owner", "refused"), [(0o755, 4711, True), (0o1777, 4711, True), (0o1777, 0, False)])
def test_parent_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, owner: int, refused: bool
) -> None:
    """Somebody else's directory is refused; the system's own with the sticky bit, such as /tmp, is not."""
    tmp_path.chmod(mode)
    real = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        fields = list(real(path))
        fields[4] = owner if path == tmp_path else fields[4]
        return os.stat_result(fields)

    monkeypatch.setattr(Path, "lstat", lstat)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    if refused:
        with pytest.raises(HarnessError, match="another user"):
            EvidenceDirectory(tmp_path, "r", "helm", "1")
    else:
        assert EvidenceDirectory(tmp_path, "r", "helm", "1").path.is_dir()


def test_parent_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    """A file in the way is told as the harness tells things, with the setting to change."""
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match="KWOK_DEBUG_ARTIFACTS_DIR"):
        EvidenceDirectory(tmp_path / "file", "r", "helm", "1")


@pytest.mark.parametrize("file", ["/etc/x", "../x", "a/../../x", ""])
def test_files_stay_below_the_directory(directory: EvidenceDirectory, file: str) -> None:
    """No collector can write anywhere else."""
    assert "no path below" in directory.write(file, "x")
    assert directory.files() == []


def test_what_is_written_is_redacted(directory: EvidenceDirectory) -> None:
    """Secrets known from the cluster and secrets by their looks are gone from files, whoever writes them."""
    directory.redactor = Redactor({"swordfish-9"})
    directory.write("a.txt", "x swordfish-9")
    directory.write_json("run.json", {"reason": "swordfish-9", "token": "abc123"})
    report = run(
        directory,
        Collector("one", "one.txt", fixed("y swordfish-9 password=hidden1")),
        Collector("many", "many", fixed({"z": "swordfish-9"})),
        Collector("broken", "broken", failing(HarnessError("no swordfish-9"))),
        Collector("partial", "partial", failing(Incomplete("swordfish-9", "no swordfish-9"))),
    )
    everything = b"".join(path.read_bytes() for path in directory.path.rglob("*") if path.is_file())
    assert b"swordfish" not in everything
    assert b"hidden1" not in everything
    assert report.problems == ("broken: no REDACTED", "partial: no REDACTED")
    assert json.loads((directory.path / "run.json").read_text()) == {"reason": "REDACTED", "token": "REDACTED"}


def test_full_disk_is_noted_and_leaves_no_half_file(
    directory: EvidenceDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full the cause is returned, nothing is raised, and no part of a file lies there."""

    def full(*arguments: object, **options: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    report = run(directory, Collector("pods", "pods.txt", fixed("text")))
    assert "No space left" in directory.write("run.json", "{}")
    assert [each.state for each in report.collected] == ["failed"]
    assert "No space left" in report.collected[0].problem
    assert list(directory.path.iterdir()) == []


def test_file_is_replaced_as_a_whole(directory: EvidenceDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second writing that fails leaves the first one as it was."""
    directory.write("run.json", "first")

    def refuse(*_: object, **__: object) -> tuple[int, str]:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    assert "Input/output" in directory.write("run.json", "second")
    assert (directory.path / "run.json").read_text() == "first"


# --- collecting ---


def test_everything_is_collected_side_by_side(directory: EvidenceDirectory) -> None:
    """Collectors run at the same time: each of these waits for the other one."""
    barrier = threading.Barrier(2, timeout=10)

    def produce(_: float) -> str:
        barrier.wait()
        return "met"

    report = run(directory, Collector("a", "a.txt", produce), Collector("b", "b.txt", produce))
    assert [each.state for each in report.collected] == ["ok", "ok"]
    assert (directory.path / "b.txt").read_text() == "met"


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (HarnessError("the API server is gone", do="look"), "the API server is gone"),
        (FileNotFoundError(2, "No such file", "x.log"), "FileNotFoundError: [Errno 2] No such file: 'x.log'"),
        (KeyError("items"), "KeyError: 'items'"),
        (ValueError(), "ValueError: "),
    ],
)
def test_collector_that_fails_stops_nothing(directory: EvidenceDirectory, error: Exception, problem: str) -> None:
    """Whatever a collector raises is noted as one line, and the others are written."""
    report = run(directory, Collector("bad", "bad.txt", failing(error)), Collector("good", "good.txt", fixed("text")))
    assert [(each.state, each.problem) for each in report.collected] == [("failed", problem), ("ok", "")]
    assert report.problems == (f"bad: {problem}",)
    assert directory.files() == ["collectors.txt", "good.txt"]


@pytest.mark.parametrize(("content", "file"), [("half a table", "bad"), ({"one.txt": "half a table"}, "bad/one.txt")])
def test_partial_output_is_kept_and_marked(directory: EvidenceDirectory, content: str | Files, file: str) -> None:
    """What a collector got before it failed is there, and says that it is not all."""
    report = run(directory, Collector("bad", "bad", failing(Incomplete(content, "exit status 1"))))
    assert report.collected[0].state == "incomplete"
    assert "half a table" in (directory.path / file).read_text()
    assert any("[incomplete: exit status 1]" in (directory.path / name).read_text() for name in directory.files())


def test_collector_that_hangs_costs_its_own_time_only(directory: EvidenceDirectory) -> None:
    """One that never answers is given up after its timeout, and what it brings later is not written."""
    release = threading.Event()
    ended = threading.Event()

    clock = ManualClock()

    def hang(_: float) -> str:
        until(lambda: "good.txt" in directory.files())
        clock.advance(15)
        release.wait(20)
        ended.set()
        return "too late"

    report = run(
        directory,
        Collector("hangs", "hangs.txt", hang, timeout=15),
        Collector("good", "good.txt", fixed("text")),
        clock=clock,
    )
    assert [each.problem for each in report.collected] == ["no answer after 15.0 s", ""]
    assert report.seconds == 15
    release.set()
    assert ended.wait(10)
    assert directory.files() == ["collectors.txt", "good.txt"]


def test_answer_that_comes_too_late_is_dropped(directory: EvidenceDirectory) -> None:
    """What comes after its time, while others are still at work, changes neither the report nor the files."""
    clock = ManualClock()
    begun = threading.Event()

    def late(_: float) -> str:
        begun.wait(20)
        clock.idle(1)
        clock.advance(1)
        clock.idle(1)  # given up by now
        return "too late"

    def in_time(_: float) -> str:
        begun.set()
        until(lambda: all(thread.name != "slow" for thread in threading.enumerate()))
        return "in time"

    slow = Collector("slow", "slow.txt", late, timeout=1)
    slower = Collector("slower", "slower.txt", in_time, timeout=15)
    report = run(directory, slow, slower, clock=clock)
    assert [each.problem for each in report.collected] == ["no answer after 1.0 s", ""]
    assert directory.files() == ["collectors.txt", "slower.txt"]


def test_hanging_collectors_do_not_block_those_that_wait_for_their_turn(directory: EvidenceDirectory) -> None:
    """More hanging collectors than run at once still let the last one have its turn."""
    clock = ManualClock()
    hang = Hanging(clock, 1)
    hanging = [Collector(f"hangs {number}", f"{number}.txt", hang, timeout=1) for number in range(2 * PARALLEL)]
    report = run(directory, *hanging, Collector("last", "last.txt", fixed("text")), clock=clock)
    hang.release.set()
    assert report.collected[-1].state == "ok"


def test_budget_bounds_everything(directory: EvidenceDirectory) -> None:
    """When the budget is spent, what runs is given up and what has not begun is named; what is done is there."""
    clock = ManualClock()
    hang = Hanging(clock, 30)
    good = Collector("good", "good.txt", fixed("text"))
    hanging = [Collector(f"hangs {number}", f"{number}.txt", hang, timeout=60) for number in range(PARALLEL + 1)]
    report = run(directory, good, *hanging, budget=30, clock=clock)
    hang.release.set()
    assert report.seconds == 30
    assert report.collected[0].state == "ok"
    assert report.collected[1].problem == "no answer after 30.0 s"
    assert report.collected[-1].problem == "not begun: the 30 s were used up"
    assert directory.files() == ["collectors.txt", "good.txt"]


def test_collector_is_told_less_than_it_has(directory: EvidenceDirectory) -> None:
    """A collector gets a part of its time, bounded by the budget, so that it can return what it has before the end."""
    told: list[float] = []

    def produce(seconds: float) -> str:
        told.append(seconds)
        return ""

    run(directory, Collector("own", "a", produce, timeout=10), clock=ManualClock())
    run(directory, Collector("budget", "b", produce, timeout=10), budget=5, clock=ManualClock())
    assert told == [8, 4]


def test_nothing_to_collect_ends_at_once(directory: EvidenceDirectory) -> None:
    """Without collectors there is an empty table and no waiting."""
    assert run(directory).collected == ()
    assert (directory.path / "collectors.txt").read_text().split() == ["COLLECTOR", "SECONDS", "RESULT"]


def test_table_names_each_collector_with_its_result(directory: EvidenceDirectory) -> None:
    """collectors.txt has a row for each in the given order: name, seconds, what came of it."""
    run(directory, Collector("bad", "bad.txt", failing(KeyError("x"))), Collector("good", "good.txt", fixed("text")))
    rows = (directory.path / "collectors.txt").read_text().splitlines()[1:]
    assert [row.split(maxsplit=2)[::2] for row in rows] == [["bad", "failed: KeyError: 'x'"], ["good", "ok"]]


def test_summary_says_what_failed_and_what_is_there(directory: EvidenceDirectory) -> None:
    """A newcomer finds the reason, the phase that failed, each file with its meaning, and what is missing."""
    directory.write("run.json", "{}")
    report = run(
        directory,
        Collector("pods", "c-pods.txt", fixed("text"), about="every pod"),
        Collector("bundle", "bundle", fixed({"a/b.yaml": "", "c.yaml": ""}), about="what was delivered"),
        Collector("bad", "bad.txt", failing(KeyError("x"))),
    )
    outcome = Outcome(
        *("eks-training", "helm", "r1", "host", "c", datetime(2026, 1, 2, tzinfo=UTC), 12.34),
        *(Exit.FAILURE, "pod x has no node", (Phase("verify", 3.2, "failed", "pod x has no node"),)),
        notes=("webhooks were not exercised",),
    )
    text = summary(outcome, directory, report)
    lines = [line.strip() for line in text.splitlines()]
    assert "Recipe eks-training under helm: failed after 12.3 s (exit code 1, FAILURE)." in lines
    assert "pod x has no node" in lines
    assert any(line.startswith("failed") and "verify" in line for line in lines)
    shown = [line.split(maxsplit=1) for line in lines[lines.index("Phases") :]]
    assert ["c-pods.txt", "every pod"] in shown
    assert ["bundle/", "what was delivered"] in shown
    assert ["run.json", "the outcome, for scripts"] in shown
    assert any(line[0] == "run.jsonl" and "kwok-harness explain" in line[1] for line in shown if len(line) == 2)
    assert sum(line.startswith("bundle/") for line in lines) == 1
    assert "bad: KeyError: 'x'" in lines
    assert "webhooks were not exercised" in lines
