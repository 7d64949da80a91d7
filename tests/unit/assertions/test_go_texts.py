"""Texts of Go and Kubernetes: how they are read, and how they are printed."""

import pytest

from harness.assertions.go import automaton, clock, duration, quantity, semver
from harness.assertions.go.printing import as_json, number, number32, plain, quoted, syntax


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("0", "0s"),
        ("1h", "1h0m0s"),
        ("90m", "1h30m0s"),
        ("1.5h", "1h30m0s"),
        ("-1m30s", "-1m30s"),
        ("1500ms", "1.5s"),
        ("250ms", "250ms"),
        ("1500us", "1.5ms"),
        ("1µs", "1µs"),
        (".5s", "500ms"),
        ("1ns", "1ns"),
        ("2562047h47m16.854775807s", "2562047h47m16.854775807s"),
    ],
)
def test_a_duration_is_printed_as_go_does(text: str, printed: str) -> None:
    """In hours, minutes and seconds; below a second in the largest unit that fits."""
    assert duration.text_of(duration.parse(text)) == printed


@pytest.mark.parametrize("text", ["", "1", "h", "1d", "1h 2m", "--1s", ".s", "2562047h47m16.854775808s", "1e3s", "٣s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Days, plain numbers, and what does not fit."""
    with pytest.raises(ValueError, match="invalid duration"):
        duration.parse(text)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("0", "0"),
        ("100m", "100m"),
        ("1500m", "1500m"),
        ("1000m", "1"),
        ("1.5", "1500m"),
        ("1.5Gi", "1536Mi"),
        ("1024Ki", "1Mi"),
        ("1025", "1025"),
        ("12000", "12k"),
        ("2e3", "2e3"),
        ("20E2", "2e3"),
        ("0.5Ki", "512"),
        ("1n", "1n"),
        ("0.1n", "1n"),
        ("-1Ki", "-1Ki"),
        (".5", "500m"),
        ("1E", "1E"),
        ("+1", "1"),
        ("9223372036854775807Ki", "9223372036854775807"),
    ],
)
def test_a_quantity_is_printed_in_its_canonical_form(text: str, printed: str) -> None:
    """Binary stays binary, an exponent stays one."""
    assert str(quantity.parse(text)) == printed


@pytest.mark.parametrize(
    "text", ["", "x", "1x", "1 Gi", "1Gii", "e3", "1e", "1e999999999", "1_0", "Ki", "9" * 500, "１"]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    """And so is what would take minutes to compute."""
    with pytest.raises(ValueError, match="not a quantity"):
        quantity.parse(text)


@pytest.mark.parametrize(
    ("layout", "text", "found"),
    [
        (clock.RFC3339, "2024-02-29T23:59:59.999Z", "2024-02-29T23:59:59Z"),
        (clock.RFC3339, "2024-02-29T23:59:59-07:00", "2024-02-29T23:59:59-07:00"),
        ("2006-01-02 15:04:05.000", "2024-03-15 1:02:03.123", "2024-03-15T01:02:03Z"),
        ("Jan _2 2006", "Mar  5 2024", "2024-03-05T00:00:00Z"),
        ("January 2, 2006 at 3:04pm (MST)", "march 5, 2024 at 12:04am (UTC)", "2024-03-05T00:04:00Z"),
        ("06-1-2 -0700", "69-12-1 +0530", "1969-12-01T00:00:00+05:30"),
        ("2006-002", "2024-366", "2024-12-31T00:00:00Z"),
        ("2006 Z07", "0001 -03", "0001-01-01T00:00:00-03:00"),
    ],
)
def test_a_time_is_read_by_its_layout(layout: str, text: str, found: str) -> None:
    """The layout is the reference time, 2006-01-02 15:04:05."""
    assert clock.parse(layout, text).text() == found


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        (clock.RFC3339, "2024-01-01"),
        (clock.RFC3339, "2024-02-30T00:00:00Z"),
        (clock.RFC3339, "2024-01-01T24:00:00Z"),
        (clock.RFC3339, "2024-01-01T00:00:00Zx"),
        ("Jan 2", "Foo 2"),
        ("2006-002", "2023-366"),
        ("15:04", "1"),
    ],
)
def test_a_text_that_is_not_in_the_layout_is_refused(layout: str, text: str) -> None:
    """With what was expected, and where."""
    with pytest.raises(ValueError, match=r"cannot read|out of range"):
        clock.parse(layout, text)


@pytest.mark.parametrize(
    ("version", "versions", "satisfied"),
    [
        ("1.2.3", "1.2.3", True),
        ("1.2.3", "=1.2.3 || >9.0.0", True),
        ("1.2.3", ">1.2.x", False),
        ("1.3.0", ">1.2.x", True),
        ("1.2.9", "<=1.2.x", True),
        ("2.0.0", "<=1.x", False),
        ("1.2.3", "!=1.2.x", False),
        ("3.0.0", "!=1.2.x", False),
        ("1.0.0-alpha.2", ">1.0.0-alpha.1", True),
        ("1.0.0-alpha.1", ">1.0.0-1", True),
        ("1.0.0+build", "1.0.0", True),
    ],
)
def test_a_range_of_versions_is_read_as_blang_does(version: str, versions: str, satisfied: bool) -> None:
    """Its faults included: != with a wildcard is never satisfied."""
    assert semver.satisfies(version, versions) is satisfied


@pytest.mark.parametrize("versions", ["~1.2.0", "1.2", "v1.2.3", ">", "|| 1.0.0", ">=1.0.0 1.0.0.0", "01.0.0"])
def test_what_is_no_range_is_refused(versions: str) -> None:
    """Nothing of npm's, and no short versions."""
    with pytest.raises(ValueError, match=r"version|comparison|range"):
        semver.satisfies("1.0.0", versions)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("a|ab", "ab", "[]b"),
        ("(a|ab)(c|bcd)", "abcd", "[a]"),
        ("a*?b", "aab", "[]"),
        ("(?i)STRASSE", "strasse", "[]"),
        ("(?i)[k]", "\u212a", "[]"),
        ("(?s).", "\n", "[]"),
        (".", "\n", "\n"),
        ("(?m)^b$", "a\nb", "a\n[]"),
        ("^b$", "a\nb", "a\nb"),
        (r"\bfoo\b", "a foo b", "a [] b"),
        (r"\Bo", "foo", "f[][]"),
        (r"[[:upper:]]+", "abC", "ab[]"),
        (r"[^[:alpha:]]", "a1", "a[]"),
        (r"\p{Lu}", "aÄ", "a[]"),
        (r"\PL", "a1", "a[]"),
        (r"[\d\-x]+", "a1-x", "a[]"),
        (r"\D\W\S", "a-b", "[]"),
        (r"[\D]", "1a", "1[]"),
        (r"\x{41}\x42", "AB", "[]"),
        (r"\Qa.b\E.", "a.bc", "[]"),
        (r"a{2,3}", "aaaa", "[]a"),
        (r"a{,2}", "a{,2}", "[]"),
        (r"(?U)a+", "aa", "[][]"),
        (r"(?:a|(b))", "ab", "[][b]"),
        (r"(a)*b", "aab", "[a]"),
        (r"\101", "A", "[]"),
        ("x*", "axb", "[]a[]b[]"),
        ("[]a]", "]", "[]"),
        ("", "", "[]"),
    ],
)
def test_a_pattern_matches_as_re2_does(pattern: str, text: str, found: str) -> None:
    """Leftmost, and of several the preferred; each match is replaced by its first group in brackets."""
    assert automaton.replaced(pattern, text, "[$1]", lambda _steps: None, literal=False) == found


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "[a",
        "a**",
        "+",
        r"\1",
        r"(?=a)",
        r"(?!a)",
        r"(?<=a)",
        r"\8",
        "a{1001}",
        "a{2,1}",
        "[b-a]",
        r"\p{Greek}",
        "(?P<1)",
        r"\y",
        "\\",
    ],
)
def test_a_pattern_that_re2_does_not_know_is_refused(pattern: str) -> None:
    """No backreference and no look-around: they would take time without bound."""
    with pytest.raises(ValueError, match="in the pattern"):
        automaton.compiled(pattern)


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (3, "3"),
        (3.0, "3"),
        (-0.0, "-0"),
        (2.5, "2.5"),
        (100000.5, "100000.5"),
        (1e6, "1e+06"),
        (123456789.0, "1.23456789e+08"),
        (1e21, "1e+21"),
        (1.25e-7, "1.25e-07"),
        (0.0001, "0.0001"),
        (2**63 - 1, "9223372036854775807"),
        (2**63, "9.223372036854776e+18"),
        (float("inf"), "+Inf"),
        (float("nan"), "NaN"),
    ],
)
def test_a_number_is_printed_as_go_does(value: float, printed: str) -> None:
    """With as few digits as tell it from others, an exponent from a million on; what is no int64 is a float."""
    assert number(value) == printed


def test_values_are_printed_as_go_does() -> None:
    """Texts in quotes, maps with sorted keys, null in two ways."""
    assert quoted('a"\n\t\x00ü\u200b') == '"a\\"\\n\\t\\x00ü\\u200b"'
    assert syntax({"b": [1, None], "a": "x"}) == (
        'map[string]interface {}{"a":"x", "b":[]interface {}{1, interface {}(nil)}}'
    )
    assert plain(None) == "<nil>"
    assert as_json({"b": True, "a": [None, 1.5]}) == '{"a":[null,1.5],"b":true}'
    assert number32(3.14) == "3.14"
    assert number32(16777217.0) == "16777216"
