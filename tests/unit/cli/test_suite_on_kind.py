"""`suite run` on Kind: what is found out before there is a cluster. The engine behind the socket is a fake."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.__main__ import run
from harness.exits import Exit
from harness.settings import ROOT
from tests.fakes.engine import FakeEngine

SUITE = ROOT / "kwok" / "suites" / "platform"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("KWOK_DEBUG_ARTIFACTS_DIR", str(tmp_path / "artifacts"))
    with FakeEngine() as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.environment["DOCKER_HOST"])
        yield engine


def test_missing_images_end_the_run_before_anything_is_made(
    fake: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 10, with every one of them; no tool was prepared, and there is no cluster."""
    assert run(["suite", "run", str(SUITE), "--runtime", "kind"]) is Exit.SETTINGS
    said = capsys.readouterr().err
    for name in ("platform", "http-stub", "s3"):
        assert f"kwok-harness.invalid/{name}:1" in said
    assert fake.pulled == []
    assert "control plane" not in said
    assert not (tmp_path / "state" / "kwok-harness" / "kind" / "clusters").exists()


@pytest.mark.usefixtures("fake")
def test_real_gpus_need_a_real_node(capsys: pytest.CaptureFixture[str]) -> None:
    """On the host runtime there is none, so the words contradict each other."""
    assert run(["suite", "run", str(SUITE), "--runtime", "host", "--gpu", "real"]) is Exit.USAGE
    assert "add --runtime kind" in capsys.readouterr().err


def test_a_plan_for_kind_needs_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be for another machine."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    assert run(["suite", "plan", str(SUITE), "--runtime", "kind"]) is Exit.OK
