"""Charts that lie in the data directory itself, below the data root."""

from collections.abc import Iterator
from pathlib import Path

from harness.errors import DataError
from harness.formats.files import inside

LOCAL = "file://"  # a source below the data root


def local_chart(source: str, chart: str, root: Path, *, where: str = "") -> Path | None:
    """The directory of a `file://charts` chart below the data root; None for a chart of a repository.

    Raises DataError if it leaves the data root or holds no Chart.yaml.
    """
    if not source.startswith(LOCAL) or not chart:
        return None
    relative = f"{source.removeprefix(LOCAL)}/{chart}"
    inside(root, f"{relative}/Chart.yaml", where)
    return root / relative


def chart_files(chart: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """The files of a local chart, as Helm finds them: by their path in it, through links to what is below `root`.

    Raises DataError for a link that leads nowhere, out of the data root, or back to where it is.
    """
    yield from _below(chart, "", root.resolve(), ())


def _below(directory: Path, path: str, root: Path, above: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    above = (*above, directory.resolve())
    for file in sorted(directory.iterdir()):
        target = inside(root, str(file.absolute()), str(file)) if file.is_symlink() else file
        if target.is_dir() and target.resolve() in above:
            raise DataError("is a link to a directory that it is in", where=str(file))
        if target.is_dir():
            yield from _below(file, f"{path}{file.name}/", root, above)
        elif target.is_file():
            yield f"{path}{file.name}", file
