"""The one file that takes images to a machine without a registry: what the engine saves, and an index at its end.

It is a tar that `docker load` understands too. The index is written last: a file that was cut has none, and is refused.
"""

import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import ClusterError
from harness.replacing import replacing

INDEX = "kwok-harness-images.json"
_REMEDY = "give the file that `kwok-harness images save FILE` wrote, whole"


class ImageFileError(ClusterError):
    """The file cannot be written, or is not one that the harness wrote."""


@dataclass(frozen=True)
class Entry:
    """One image: its logical `name`, the `reference` that it is or stands for, and by what it is recognised."""

    name: str
    reference: str
    tag: str
    id: str
    layers: tuple[str, ...]
    architecture: str


def write(file: Path, tar: Iterable[bytes], entries: Sequence[Entry]) -> None:
    """Write `file` in one step: beside its place, then renamed; readable by everybody."""
    try:
        with replacing(file, 0o644) as draft:
            with draft.open("wb") as out:
                for chunk in tar:
                    out.write(chunk)
            index = json.dumps({"images": [asdict(each) for each in entries]}, indent=2).encode()
            with tarfile.open(draft, "a") as archive:
                member = tarfile.TarInfo(INDEX)
                member.size, member.mode = len(index), 0o644
                archive.addfile(member, io.BytesIO(index))
    except (OSError, tarfile.TarError) as error:
        raise ImageFileError(f"cannot be written: {_why(error)}", where=str(file)) from error


def read(file: Path) -> tuple[Entry, ...]:
    """What is in the file, without unpacking it. Raises ImageFileError."""
    try:
        with tarfile.open(file, "r:") as archive:
            member = archive.extractfile(INDEX)
            listed = json.load(member)["images"] if member is not None else []
        return tuple(Entry(**{**each, "layers": tuple(each["layers"])}) for each in listed)
    except OSError as error:
        raise ImageFileError(f"cannot be read: {_why(error)}", where=str(file)) from error
    except (tarfile.TarError, KeyError, TypeError, ValueError) as error:
        raise ImageFileError(
            "is not a file of images of the harness, or is truncated", where=str(file), do=_REMEDY
        ) from error


def _why(error: BaseException) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
