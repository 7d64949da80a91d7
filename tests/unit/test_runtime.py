"""Where clusters are kept, and what they may be called."""

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.runtime import checked_name, state_directory


@pytest.mark.parametrize(
    ("environment", "directory"),
    [
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/kwok-harness"),
        ({"HOME": "/h"}, "/h/.local/state/kwok-harness"),
        ({"XDG_STATE_HOME": "", "HOME": "/h"}, "/h/.local/state/kwok-harness"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/kwok-harness"),
    ],
)
def test_state_lies_where_the_xdg_rules_say(environment: dict[str, str], directory: str) -> None:
    """A relative XDG_STATE_HOME counts as unset."""
    assert state_directory(environment) == Path(directory)


@pytest.mark.parametrize("name", ["a", "aicr-kwok-test", "a" * 52, "0"])
def test_names_that_can_be_a_directory_and_a_context(name: str) -> None:
    """What settings allow, this allows."""
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "a" * 53, "-a", "a-", "A", "a.b", "a\n"])
def test_names_that_cannot(name: str) -> None:
    """Refused as a usage error, before anything is touched."""
    with pytest.raises(UsageError):
        checked_name(name)
