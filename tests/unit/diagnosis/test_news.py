"""What of a verdict is new, beside those before it."""

import pytest

from harness.diagnosis.news import News, difference
from harness.evidence.replay import Step
from harness.verdict import Waiting


def step(second: float, reason: str, subject: str = "Application argocd/web") -> Step:
    return Step(1, second, second, 0.0, (), Waiting(reason, subject), "")


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ("is OutOfSync", "is Synced", "is Synced"),
        ("is OutOfSync; operation Running", "is OutOfSync; operation Succeeded", "operation Succeeded"),
        ("is OutOfSync; operation Running", "is OutOfSync", "no longer: operation Running"),
        ("not in order: a, b, c, d", "not in order: a, b, c", "not in order: no longer d"),
        ("not in order: a, b, c, d", "not in order: a, b, c, e", "not in order: also e, no longer d"),
        ("not in order: a, b, c, d", "not in order: a", "not in order: a"),
        ("waits: a", "waits: b", "waits: b"),
    ],
)
def test_what_changed_in_a_state(before: str, now: str, said: str) -> None:
    """Clauses that stay are not told again, nor what stays in a list, unless the list is the shorter way to say it."""
    assert difference(before, now) == said


def test_a_long_state_is_told_once() -> None:
    """Of the same subject only what changed; another subject between them does not make it new."""
    news = News()
    said = [
        news.of(step(0, "is OutOfSync; operation Running; not in order: a, b, c")),
        news.of(step(1, "is OutOfSync; operation Running; not in order: b, c")),
        news.of(step(2, "is not there", "Application argocd/db")),
        news.of(step(3, "is OutOfSync; operation Succeeded; not in order: b, c")),
    ]
    assert said == [
        "Application argocd/web: is OutOfSync; operation Running; not in order: a, b, c",
        "... not in order: no longer a",
        "Application argocd/db: is not there",
        "Application argocd/web: operation Succeeded",
    ]


def test_how_many_others_wait_is_no_news() -> None:
    """The count changes with every release, the state of this one does not."""
    news = News()
    assert news.of(step(0, "is being reconciled (6 more wait for it)\nand 8 more")) != ""
    assert news.of(step(1, "is being reconciled (1 more wait for it)\nand 7 more")) == ""
    assert news.told("Application argocd/web: is being reconciled (3 more wait for it)")
