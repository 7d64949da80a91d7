"""What the factory cannot work without is said before anything is made, with what to do."""

import json
from pathlib import Path

import pytest

from hack.kind_images.preconditions import bounded_runtime, check
from harness.errors import ToolError


def test_a_machine_that_has_everything_passes() -> None:
    """Linux, root, and the programs."""
    check(which=lambda name: f"/usr/sbin/{name}", user=lambda: 0, system="Linux")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"system": "Darwin"}, "only be made on Linux"),
        ({"which": lambda name: None if name == "debootstrap" else name}, "apt-get install debootstrap"),
        ({"user": lambda: 1000}, "sudo -E make kind-images"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(words: dict[str, object], said: str) -> None:
    """Each in one error."""
    complete: dict[str, object] = {"which": str, "user": lambda: 0, "system": "Linux"}
    with pytest.raises(ToolError) as raised:
        check(**(complete | words))  # type: ignore[arg-type]
    assert said in str(raised.value)


def test_the_lines_for_the_engine_are_exact() -> None:
    """What stands between the braces is JSON, and names the file that the line above installs."""
    text = bounded_runtime(Path("/cache/runc-bounded"))
    said = json.loads(text[text.index("{") : text.rindex("}") + 1])
    path = said["runtimes"][said["default-runtime"]]["path"]
    assert f"install -m 0755 /cache/runc-bounded {path}" in text
