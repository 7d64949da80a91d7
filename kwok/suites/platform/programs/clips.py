"""Makes the two clips that the suite scores, and refuses to replace a file that is not one of them.

    clips.py DIRECTORY

A clip has 8 frames of 64 x 64 pixels, planar 4:2:0 with 8 bits: 4,096 bytes of luma, then twice 1,024 bytes of chroma
(128, grey). The luma is 128 in ref.yuv and 121 in dist.yuv: a mean squared error of 49, so a PSNR of 31.23 dB.
"""

import argparse
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

WIDTH, HEIGHT, FRAMES = 64, 64, 8
GREY = 128


class Different(Exception):
    """A file of the name of a clip has another content."""


@dataclass(frozen=True)
class Clip:
    """One clip: its luma, and what its file has to be. `size` is in bytes."""

    name: str
    luma: int
    size: int
    sha256: str

    def content(self) -> bytes:
        """The bytes of the file."""
        plane = WIDTH * HEIGHT
        return (bytes([self.luma]) * plane + bytes([GREY]) * (plane // 2)) * FRAMES


CLIPS = (
    Clip("ref.yuv", 128, 49_152, "2af5ead05032faafc0818cc27fe86c562e70fe7bea63d38366ef7355051b8fe9"),
    Clip("dist.yuv", 121, 49_152, "2db6817000793cb15a71898cab96d134f88a95d1cc99614af2e7ec94f6105ce5"),
)


def check(clip: Clip, content: bytes, place: str) -> None:
    """Raises Different where `content` is not that of the clip."""
    if len(content) != clip.size:
        raise Different(f"{place}: expected {clip.size} bytes, found {len(content)}; remove the file to have it made")
    digest = hashlib.sha256(content).hexdigest()
    if digest != clip.sha256:
        raise Different(f"{place}: expected sha256 {clip.sha256}, found {digest}; remove the file to have it made")


def make(directory: Path) -> list[Path]:
    """Writes the clips that are absent, and checks all of them. Returns those that were written."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for clip in CLIPS:
        path = directory / clip.name
        if not path.exists():
            path.write_bytes(clip.content())
            written.append(path)
        check(clip, path.read_bytes(), str(path))
    return written


def main(arguments: list[str] | None = None) -> int:
    """Returns 1, with one sentence on stderr, where a file is there that is not the clip of its name."""
    parser = argparse.ArgumentParser(description="Makes the two clips that the suite scores.")
    parser.add_argument("directory", type=Path)
    try:
        written = make(parser.parse_args(arguments).directory)
    except (Different, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.writelines(f"{path}\n" for path in written)
    return 0


if __name__ == "__main__":
    sys.exit(main())
