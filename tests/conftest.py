"""What every test has in common."""

import os

import pytest
from hypothesis import settings

# A container engine on the machine must not change what a test is about: those of Kind ask for it.
os.environ["RUNTIME"] = "host"

# By default an example that takes more than 200 ms fails its test: that is a fact about the machine. HISTORIES is for
# deep runs (`make test`); a check before each push tells fewer.
settings.register_profile("no clock", deadline=None, max_examples=int(os.environ.get("HISTORIES", "40")))
settings.load_profile("no clock")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of data beside the clone are not traced: a clone without that data must have the same coverage."""
    for item in items:
        if any("../shared" in mark.kwargs.get("reason", "") for mark in item.iter_markers("skipif")):
            item.add_marker(pytest.mark.no_cover)
