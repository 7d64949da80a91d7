"""Which objects parity expects, out of two renderings and what helm made: a table, and what each row comes to."""

import pytest

from harness.expected.objects import Expected
from harness.objects import CONFIGMAPS, Reference
from harness.parity.reference import Sources, combined

IT = Reference("configmaps", "ns", "it")


def of(value: str | None) -> dict[Reference, Expected]:
    """The object with this value, or nothing."""
    if value is None:
        return {}
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "it"}, "data": {"a": value}}
    return {IT: Expected("app", CONFIGMAPS, item)}


@pytest.mark.parametrize(
    ("before", "after", "made", "kept", "served", "value", "optional", "varies"),
    [
        ("1", "1", None, False, True, "1", False, False),
        ("1", "1", "2", True, True, "1", False, False),
        ("1", "1", None, True, True, "1", False, False),
        ("1", "2", "3", True, True, "1", False, True),
        ("1", "2", None, False, True, "1", False, True),
        ("1", None, "1", True, True, "1", False, False),
        ("1", None, None, True, True, None, False, False),
        (None, "1", "2", True, True, "2", False, False),
        (None, "1", None, False, True, "1", True, True),
        ("1", None, None, False, True, "1", True, True),
        (None, None, "1", True, True, None, False, False),
        ("1", "1", None, True, False, None, False, False),
        ("1", "1", "2", True, False, "2", False, False),
        ("1", "1", None, False, False, "1", False, False),
    ],
    ids=[
        "always the same",
        "always the same, and made of something else: the rendering holds",
        "always the same, and lost from the release: it is missing",
        "varies: as it was made",
        "varies, and nobody knows how it was made",
        "made before it went from the rendering",
        "not made, though it was rendered before",
        "made, though it was not rendered before",
        "rendered afterwards only, and nobody knows: as it likes",
        "rendered before only, and nobody knows: as it likes",
        "made by a release of something else: nobody expects it",
        "of a kind that is not served, and not made",
        "of a version that is not served, and made at another one",
        "of a kind that is not served, and nobody knows: it is missing",
    ],
)
def test_what_is_expected(
    before: str | None,
    after: str | None,
    made: str | None,
    kept: bool,
    served: bool,
    value: str | None,
    optional: bool,
    varies: bool,
) -> None:
    """What both renderings agree on holds; else the release says, and where there is none it is left open."""
    sources = Sources(of(before), of(after), of(made), {"app"} if kept else (), {"v1/ConfigMap"} if served else ())
    found = combined(sources)
    if value is None:
        assert not found
        return
    one = found[IT]
    assert one.item["data"]["a"] == value
    assert (one.optional, bool(one.varies)) == (optional, varies)
    assert (one.made is not None) == (varies and made is not None)


def test_a_release_says_nothing_of_another_one() -> None:
    """Only those that helm made are known."""
    found = combined(Sources(of("1"), {}, {}, kept={"other"}, served={"v1/ConfigMap"}))
    assert found[IT].optional
