"""What a shape of a bundle is: one value, which says all that others ask about it.

A shape is defined in one file of `shapes/` and listed in its tuple; nobody else knows a shape by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.bundles.delivery import Delivery, Target
from harness.formats.documents import Block
from harness.recipes.model import Recipe
from harness.recipes.values import NodePlacement, SetOverride

if TYPE_CHECKING:
    from harness.bundles.contract.rule import Rule

Files = dict[str, bytes]  # a bundle's content by path
Write = Callable[[Recipe, Sequence[SetOverride], NodePlacement], Files]
WriteFor = Callable[[Recipe, Sequence[SetOverride], NodePlacement, Target], Files]


@dataclass(frozen=True)
class Shape:
    """A form in which a recipe is delivered.

    `mirrored` lists the files that say where charts come from, and `rewritten` is such a file's text with mirrors.
    """

    name: str
    mirrored: Callable[[Path], Iterable[Path]]
    rewritten: Callable[[Path, Mapping[str, str]], str]


@dataclass(frozen=True)
class FolderShape(Shape):
    """A shape that a program installs folder by folder from the disk."""

    write: Write


@dataclass(frozen=True)
class PulledShape(Shape):
    """A shape that a controller pulls.

    `transport` names how it gets to where it is pulled: "oci" or "git". `entry` is the file by which its consumer finds
    the rest, `layer` the media type of the one layer that it reads of an artifact. `deployer` is what the aicr command
    line calls it.
    `read` gives what the bundle must lead to, `listed` what it delivers before anything is said of it, `objects` those
    that it holds as plain files, `templates` its files that are templates of Helm. `is_chart`: the artifact is a Helm
    chart, and has its name and version. `names_address`: the bundle says where it is published. `names_releases`: it
    says what its Helm releases are called, whoever made it.
    """

    write: WriteFor
    entry: str
    deployer: str
    read: Callable[[Path], Delivery]
    listed: Callable[[Path], Sequence[object]]
    objects: Callable[[Path], Sequence[Block]]
    rules: tuple[Rule, ...]
    transport: str = "oci"
    layer: str = ""
    templates: Callable[[Path], Iterable[Path]] = lambda _: ()
    is_chart: bool = False
    names_address: bool = False
    names_releases: bool = True
