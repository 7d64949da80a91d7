"""What Helm leaves out of a chart, rule by rule. tests/e2e/test_oci_e2e.py compares with Helm itself."""

import pytest

from harness.errors import DataError
from harness.publishing.oci.helmignore import HelmIgnore

DIRECTORY = True


@pytest.mark.parametrize(
    ("text", "path", "directory", "ignored"),
    [
        ("", "templates/.hidden", False, True),
        ("", "templates/sub/.hidden", False, False),
        ("", ".hidden", False, False),
        ("", "templates/.", False, False),
        ("*.bak", "a.bak", False, True),
        ("*.bak", "deep/a.bak", False, True),
        ("*.bak", "a.bak.yaml", False, False),
        ("# *.yaml\n\n   \n", "a.yaml", False, False),
        ("  a.yaml  ", "a.yaml", False, True),
        ("a.yaml\r\n", "a.yaml", False, True),
        ("docs/", "docs", DIRECTORY, True),
        ("docs/", "docs", False, False),
        ("/a.yaml", "a.yaml", False, True),
        ("/a.yaml", "deep/a.yaml", False, False),
        ("deep/*.yaml", "deep/a.yaml", False, True),
        ("deep/*.yaml", "deep/er/a.yaml", False, False),
        ("deep/*.yaml", "x/deep/a.yaml", False, False),
        ("a?c", "abc", False, True),
        ("x/a?c", "x/a/c", False, False),
        ("a[bc]d", "abd", False, True),
        ("a[^bc]d", "abd", False, False),
        ("a[^bc]d", "axd", False, True),
        ("a[0-3]d", "a2d", False, True),
        ("a[[&]d", "a&d", False, True),
        (r"a[\]]d", "a]d", False, True),
        (r"a\*d", "a*d", False, True),
        (r"a\*d", "abd", False, False),
        ("a.c", "abc", False, False),
        ("!keep.yaml", "keep.yaml", False, False),
        ("!keep.yaml", "other.yaml", False, True),
        ("other.yaml\n!keep.yaml", "other.yaml", False, True),
        ("!docs/", "docs", DIRECTORY, False),
        ("!docs/", "docs", False, True),
    ],
)
def test_rules(text: str, path: str, directory: bool, ignored: bool) -> None:
    """A pattern, a path, and whether Helm leaves it out; `!` leaves out all that does not match."""
    assert HelmIgnore(text).ignores(path, directory=directory) is ignored


@pytest.mark.parametrize("pattern", ["**/a", "a**", "[", "a[", "[]", "a\\"])
def test_patterns_that_helm_refuses(pattern: str) -> None:
    """The error names the line."""
    with pytest.raises(DataError) as raised:
        HelmIgnore(f"# first\n{pattern}\n", where="chart/.helmignore")
    assert raised.value.where == "chart/.helmignore:2"
