"""What a recipe assumes of the cluster's version, held against the version that there is.

Other constraints are about nodes (operating system, kernel, driver), of which a simulated cluster has none.
"""

from collections.abc import Iterator

from harness.errors import VerdictFailed
from harness.recipes.expressions import Expression, ExpressionError
from harness.recipes.model import Constraint, Recipe

NAME = "K8s.server.version"


class ConstraintUnmet(VerdictFailed):
    """The recipe says that it does not hold on a cluster of this version."""


def unmet(recipe: Recipe, version: str) -> Iterator[str]:
    """A sentence for each constraint on the cluster's version that `version` ("v1.34.2") does not meet."""
    for constraint in recipe.constraints:
        if constraint.name == NAME and not _holds(constraint, version):
            advice = f": {constraint.remediation}" if constraint.remediation else ""
            yield f"{recipe.name} wants {NAME} {constraint.value}, and the cluster is {version}{advice}"


def _holds(constraint: Constraint, version: str) -> bool:
    """What cannot be judged does not hold."""
    try:
        return Expression.parse(constraint.value).holds(version)
    except ExpressionError:
        return False
