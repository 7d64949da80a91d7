"""A selection as the matrix of a GitHub Actions job: what `fromJSON` makes of it goes to `strategy.matrix`.

Workflows put these words into command lines. So only words go in that mean nothing to a shell: names, no reasons.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import DataError
from harness.matrix.model import Cell
from harness.matrix.shards import MOST_JOBS, Shard

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def of_cells(cells: Sequence[Cell]) -> dict[str, Any]:
    """A job for each cell. Raises ValueError for more of them than a matrix may have: those go by shards."""
    if len(cells) > MOST_JOBS:
        raise ValueError(f"{len(cells)} jobs")
    return {"include": [{"recipe": cell.recipe, "deployer": cell.deployer, "cells": _words([cell])} for cell in cells]}


def of_shards(parts: Sequence[Shard]) -> dict[str, Any]:
    """A job for each shard that has cells: there is nothing to do in the others."""
    return {"include": [{"shard": part.name, "cells": _words(part.cells)} for part in parts if part.cells]}


def cells(matrix: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Recipe and lane of every cell in a matrix made here. Raises KeyError, TypeError or ValueError."""
    found = []
    for entry in matrix["include"]:
        for key in entry["cells"].split():
            recipe, deployer = key.split("/")
            found.append((recipe, deployer))
    return found


def _words(cells: Sequence[Cell]) -> str:
    for cell in cells:
        for name in (cell.recipe, cell.deployer):
            if not _WORD.fullmatch(name):
                do = "name it with letters, digits, '.', '_' and '-'"
                raise DataError(f"{name!r} cannot go into the command line of a workflow", where="--format", do=do)
    return " ".join(cell.key for cell in cells)
