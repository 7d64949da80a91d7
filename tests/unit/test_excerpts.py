"""What is shown of what is too long."""

import pytest

from harness.excerpts import cut, ending, first_line, some


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("one\ntwo", "one"),
        ("\n  one\ntwo", "one"),
        ("", ""),
        (ValueError("a: b\nc"), "a: b"),
        (ValueError("\n"), "ValueError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_the_first_line_says_something_where_there_is_something_to_say(said: object, expected: str) -> None:
    """Of a text, of an error, and of an error without a message."""
    assert first_line(said) == expected


def test_the_ending_is_whole_lines() -> None:
    """As many as asked for, or all."""
    assert ending("a\nb\nc\n", 2) == "b\nc"
    assert ending("a", 2) == "a"
    assert ending("", 2) == ""


@pytest.mark.parametrize(
    ("names", "line", "lines"),
    [
        ([], "", []),
        (["a", "b"], "a, b", ["a", "b"]),
        (["b", "a", "c", "d"], "b, a and 2 more", ["b", "a", "and 2 more"]),
    ],
)
def test_what_is_left_out_is_counted(names: list[str], line: str, lines: list[str]) -> None:
    """In the order given; nothing is said where nothing is left out."""
    assert some(names, 2) == line
    assert cut(names, 2) == lines
