"""Files of a Go module that are kept without compiling anything: the manifests that a controller's module carries.

What stands for the program of such a tool is a list, in the format of sha256sum, of each file that lies beside it: the
checksum of the list is in the tool's record, so that whatever is changed, added or taken away is seen.
"""

from pathlib import Path

from harness.errors import ToolError
from harness.tools.cache import sha256

FILES = "files"  # beside the program: the directories of its module that a pin asks for


def write_list(program: Path) -> None:
    """List every file below `files` beside it."""
    program.write_text("".join(f"{digest}  {name}\n" for name, digest in _found(program).items()), encoding="utf-8")


def changed_file(program: Path) -> str:
    """How the files beside the list are others than it says, or empty where they are not."""
    try:
        lines = program.read_text(encoding="utf-8").splitlines()
        found = _found(program)
    except (OSError, UnicodeDecodeError) as error:
        return f"cannot be read: {error}"
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in sorted(listed.keys() | found.keys()):
        if name not in found:
            return f"{name} is gone"
        if name not in listed:
            return f"{name} is not one of its files"
        if listed[name] != found[name]:
            return f"{name} was changed: its sha256 is not the one in the list"
    return ""


def require_files(module: str, version: str, directory: Path, name: str) -> list[Path]:
    """Every file below the directory `name` of a module that lies in `directory`."""
    found = [file for file in (directory / name).rglob("*") if file.is_file()]
    if not found:
        raise no_files(module, version, name)
    return found


def no_files(module: str, version: str, name: str) -> ToolError:
    """A pin asks for files that its module does not have."""
    return ToolError(f"{module} {version} has no files in {name}", do="correct the pin's `files`")


def _found(program: Path) -> dict[str, str]:
    kept = sorted(file for file in program.with_name(FILES).rglob("*") if file.is_file())
    return {file.relative_to(program.parent).as_posix(): sha256(file) for file in kept}
