"""What a recipe assumes of the cluster's version, held against the version that there is.

Other constraints are about nodes (operating system, kernel, driver), of which a simulated cluster has none.
"""

import re
from collections.abc import Iterator

from harness.errors import VerdictFailed
from harness.recipes.model import Constraint, Recipe

NAME = "K8s.server.version"

_EXPRESSION = re.compile(r"\s*(?P<operator>>=|<=|!=|==|>|<|)\s*(?P<version>\S.*?)\s*")
_VERSION = re.compile(r"v?(?P<numbers>\d+(?:\.\d+){0,2})(?:[-+].*)?")


class ConstraintUnmet(VerdictFailed):
    """The recipe says that it does not hold on a cluster of this version."""


def unmet(recipe: Recipe, version: str) -> Iterator[str]:
    """A sentence for each constraint on the cluster's version that `version` ("v1.34.2") does not meet."""
    for constraint in recipe.constraints:
        if constraint.name == NAME and not _holds(constraint, version):
            advice = f": {constraint.remediation}" if constraint.remediation else ""
            yield f"{recipe.name} wants {NAME} {constraint.value}, and the cluster is {version}{advice}"


def _holds(constraint: Constraint, version: str) -> bool:
    """Numbers are compared as far as both versions have them; what comes after them (-gke.1) does not count.

    Without an operator, and where either is no version, it is the texts that must be equal.
    """
    match = _EXPRESSION.fullmatch(constraint.value)
    if match is None:
        return False
    wanted, there = _numbers(match["version"]), _numbers(version)
    if not match["operator"]:
        return match["version"] == version
    if wanted is None or there is None:
        return {"==": match["version"] == version, "!=": match["version"] != version}.get(match["operator"], False)
    if match["operator"] in ("==", "!="):  # all three numbers, a missing one is 0
        equal = (*wanted, 0, 0)[:3] == (*there, 0, 0)[:3]
        return equal is (match["operator"] == "==")
    length = min(len(wanted), len(there))
    ours, theirs = there[:length], wanted[:length]
    return {">=": ours >= theirs, "<=": ours <= theirs, ">": ours > theirs, "<": ours < theirs}[match["operator"]]


def _numbers(text: str) -> tuple[int, ...] | None:
    match = _VERSION.fullmatch(text.strip())
    return tuple(int(number) for number in match["numbers"].split(".")) if match else None
