"""The image of the harness's own checks: Debian's Python, what the harness needs, and its sources."""

from hack.kind_images.images import Image
from hack.kind_images.layers import File, Files, Layer
from harness.settings import ROOT

VALIDATORS = "kind.local/kwok-harness-validators:latest"  # as the catalog names it
_SOURCES = "opt/kwok-harness"
_NOBODY = "65534:65534"


def validators(system: Layer, packages: Layer) -> Image:
    """The image of the checks: `python3 -m harness.validators NAME`, as a user without rights. See Containerfile."""
    sources = [
        File(f"{_SOURCES}/{file.relative_to(ROOT).as_posix()}", file)
        for file in sorted((ROOT / "harness").rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    ]
    return Image(
        VALIDATORS,
        [system, packages, Files(*sources)],
        {
            "Env": [f"PYTHONPATH=/{_SOURCES}", "PYTHONUNBUFFERED=1"],
            "User": _NOBODY,
            "WorkingDir": "/",
            "Entrypoint": ["python3", "-m", "harness.validators"],
        },
    )
