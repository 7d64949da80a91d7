"""Would its consumer take this artifact? Asked before any cluster is touched.

A controller that refuses an artifact says so minutes later, and some say nothing: a release whose dependency is missing
waits, and a root without children is healthy. So what is pushed is held against the rules of who will pull it, and a
bundle of the aicr command line, which pushes by itself, against the same ones when its digest is read back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.bundles.contract.artifact import ENTRY
from harness.bundles.contract.delivered import Delivered
from harness.bundles.contract.rule import Rule
from harness.bundles.delivery import Target
from harness.bundles.shapes import pulled
from harness.errors import VerdictFailed


@dataclass(frozen=True)
class Violation:
    """One rule broken in one place; `do` is the remedy."""

    rule: str
    where: str
    what: str
    do: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}: {self.what}\n    {self.do}"


class ContractBroken(VerdictFailed):
    """The bundle cannot be delivered as it is: what `check` found, in one message. `where` is its address."""

    def __init__(self, violations: Sequence[Violation], *, where: str) -> None:
        lines = "\n  ".join(str(violation) for violation in violations)
        super().__init__(f"the bundle breaks its contract in {len(violations)} places\n  {lines}", where=where)
        self.violations = tuple(violations)


def check(
    directory: Path,
    shape: str,
    manifest: Mapping[str, Any],
    target: Target,
    *,
    layer: bytes | None = None,
    applied: Sequence[Mapping[str, Any]] | None = None,
) -> tuple[Violation, ...]:
    """Every rule that the bundle at `directory` breaks, published at `target` under the OCI `manifest`.

    `layer` is the blob of its one layer, where it is at hand, and `applied` are the objects that the lane itself
    creates (OCIRepository, repo-creds Secret): without them the rules about them are left out. Raises DataError for
    files that cannot be read at all.
    """
    it = Delivered(directory, pulled(shape), manifest, target, layer, applied)
    return _broken(ENTRY, it) or tuple(violation for rule in it.shape.rules for violation in _broken(rule, it))


def _broken(rule: Rule, it: Delivered) -> tuple[Violation, ...]:
    return tuple(Violation(rule.name, where, what, rule.do) for where, what in rule.find(it))
