"""Chart mirrors in a bundle that is there already: the aicr command line knows nothing of them.

Only where a chart comes from is rewritten, in the files by which it is fetched; everything else keeps its bytes. What
then still leads past the mirrors is an error: it would be fetched from the internet without a word.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from harness.bundles.mirrors.files import Mirrors
from harness.bundles.shapes import find

_CHECKSUMS = "checksums.txt"


def mirror_tree(directory: Path, shape: str, mirrors: Mirrors) -> None:
    """Have every chart of the bundle at `directory` fetched from its mirror. Raises DataError, SettingsError."""
    changed: dict[str, bytes] = {}
    form = find(shape)
    for file in form.mirrored(directory) if mirrors else ():
        before = file.read_text(encoding="utf-8")
        after = form.rewritten(file, mirrors)
        if after != before:
            file.write_text(after, encoding="utf-8")
            changed[file.relative_to(directory).as_posix()] = after.encode()
    _correct_checksums(directory / _CHECKSUMS, changed)


def _correct_checksums(file: Path, changed: Mapping[str, bytes]) -> None:
    """Those of the files that were changed, where the bundle has checksums."""
    if not changed or not file.is_file():
        return
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        _, _, name = line.partition("  ")
        data = changed.get(name.removeprefix("./"))
        lines.append(line if data is None else f"{hashlib.sha256(data).hexdigest()}  {name}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
