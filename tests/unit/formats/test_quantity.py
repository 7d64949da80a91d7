"""Quantities are exact, and are those that Kubernetes means."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import DataError
from harness.formats import quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("1", 1),
        ("2", 2),
        ("+3", 3),
        ("-1.5", Fraction(-3, 2)),
        ("0.1", Fraction(1, 10)),
        (".5", Fraction(1, 2)),
        ("1.", 1),
        ("100m", Fraction(1, 10)),
        ("2500m", Fraction(5, 2)),
        ("7u", Fraction(7, 10**6)),
        ("9n", Fraction(9, 10**9)),
        ("4k", 4000),
        ("1M", 10**6),
        ("1G", 10**9),
        ("1T", 10**12),
        ("1P", 10**15),
        ("1E", 10**18),
        ("1Ki", 1024),
        ("1.5Ki", 1536),
        ("3Mi", 3 * 2**20),
        ("64Gi", 64 * 2**30),
        ("1Ti", 2**40),
        ("1Pi", 2**50),
        ("1Ei", 2**60),
        ("1e3", 1000),
        ("1E3", 1000),
        ("12e-3", Fraction(12, 1000)),
        (8, 8),
        (0.5, Fraction(1, 2)),
    ],
    ids=str,
)
def test_a_quantity_is_an_exact_number(text: str | int | float, number: Fraction) -> None:
    """Each suffix of the notation has its factor; E alone is exa, with digits an exponent."""
    assert quantity.parse(text) == number


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "m", "1K", "1mi", "1KiB", "1.2.3", "1e", "0x10", "1_000", "١", "1e9999"]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    """A misspelt amount is an error that names it, never zero."""
    with pytest.raises(DataError, match="is not a quantity"):
        quantity.parse(text)


@given(st.integers(0, 10**12), st.sampled_from(["n", "u", "m", "", "k", "M", "Ki", "Mi", "Gi"]))
def test_a_thousand_of_a_suffix_is_a_thousand_times_one(number: int, suffix: str) -> None:
    """Parsing is linear: nothing is rounded on the way, however small the unit."""
    assert quantity.parse(f"{number}{suffix}") * 1000 == quantity.parse(f"{number * 1000}{suffix}")


@given(st.lists(st.integers(0, 10**6), max_size=20))
def test_milli_cpus_add_up_without_error(millis: list[int]) -> None:
    """The sum of many small requests is exactly what one large request of as many milli-CPUs is."""
    assert sum((quantity.parse(f"{m}m") for m in millis), Fraction()) == quantity.parse(f"{sum(millis)}m")


@pytest.mark.parametrize(
    ("resource", "text", "shown"),
    [
        ("cpu", "2500m", "2.5"),
        ("cpu", "1000", "1000"),
        ("cpu", "1m", "0.001"),
        ("memory", "64Gi", "64Gi"),
        ("memory", "1536Mi", "1.5Gi"),
        ("memory", "2048Gi", "2Ti"),
        ("memory", "100", "100"),
        ("ephemeral-storage", "100G", "93.1323Gi"),
        ("hugepages-2Mi", "4Mi", "4Mi"),
        ("nvidia.com/gpu", "8", "8"),
        ("pods", "2000000", "2000000"),
    ],
    ids=lambda value: str(value),
)
def test_amounts_are_shown_as_people_write_them(resource: str, text: str, shown: str) -> None:
    """Bytes get their largest binary unit, everything else a plain number without an exponent."""
    assert quantity.show(resource, quantity.parse(text)) == shown
