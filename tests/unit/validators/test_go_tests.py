"""Go tests by the contract of a container: what neither their exit status nor a half log may hide."""

from pathlib import Path

import pytest

from harness.validators.go_tests import main

RUN = '{"Action":"run","Test":"TestA"}'


@pytest.mark.parametrize(
    ("events", "code", "message"),
    [
        ([RUN, '{"Action":"pass","Test":"TestA"}', '{"Action":"pass"}'], 0, ""),
        ([RUN, '{"Action":"fail","Test":"TestA"}', '{"Action":"fail"}'], 1, "1 tests: 0 passed, 1 failed, 0 skipped"),
        ([RUN, '{"Action":"skip","Test":"TestA"}', '{"Action":"pass"}'], 2, "1 tests: 0 passed, 1 skipped"),
        ([RUN, "panic: boom"], 1, "no test has ended"),
        ([RUN], 1, "no test has ended"),
        ([], 3, "no test was run"),
        (['{"Action":"output","Output":"sh: deployment.test: not found\\n"}', '{"Action":"fail"}'], 1, "failed"),
    ],
)
def test_the_exit_code_is_that_of_the_events(
    events: list[str], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A panic is no skip, though Go ends it with 2; nothing run is no pass."""
    log = tmp_path / "message"
    monkeypatch.setenv("AICR_TERMINATION_LOG", str(log))
    assert main(f"{each}\n" for each in events) == code
    assert message in (log.read_text() if log.exists() else "")
    assert log.exists() is (code != 0)


def test_the_output_of_each_test_is_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    """By test, with what it took."""
    events = [RUN, '{"Action":"output","Test":"TestA","Output":"seen\\n"}', '{"Action":"pass","Test":"TestA"}']
    assert main(events) == 0
    assert capsys.readouterr().out.splitlines() == ["pass: TestA (0 s)", "  seen"]
