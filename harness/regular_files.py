"""Files that a user names are files: a pipe would be waited for until somebody writes to it, a device for ever."""

import errno
import stat
from pathlib import Path


def require_regular(file: Path) -> None:
    """Raises OSError where nothing is there, or neither a file nor a folder (reading that says so by itself)."""
    mode = file.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(file))
