"""Files that are written in one step: whoever reads one sees the old or the new, never half of it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DRAFT = ".writing-"  # how the names of unfinished files begin; one that was killed may leave some


@contextmanager
def replacing(file: Path, mode: int = 0o600) -> Iterator[Path]:
    """A new file beside `file`, to be written in the block; at its end it takes the place of `file`, with `mode`.

    Where the block fails, `file` stays as it was and the new one is removed. Raises OSError.
    """
    handle, name = tempfile.mkstemp(prefix=DRAFT, dir=file.parent)
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        draft.chmod(mode)
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def replace(file: Path, text: str, mode: int = 0o600) -> None:
    """Write `text` as UTF-8, in one step; what cannot be encoded becomes a question mark. Raises OSError."""
    with replacing(file, mode) as draft:
        draft.write_text(text, encoding="utf-8", errors="replace", newline="")
