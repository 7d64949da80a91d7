"""What can go wrong with an assertion: it does not compile, or it cannot be evaluated."""

from harness.errors import DataError


class ExpressionInvalid(DataError):
    """The text of an expression does not parse; `column` counts characters from 1."""

    def __init__(self, what: str, *, column: int, do: str = "") -> None:
        super().__init__(what, where=f"column {column}", do=do)
        self.column = column


class TreeInvalid(DataError):
    """An assertion tree does not compile; `path` names the key, `column` the place inside its expression."""

    def __init__(self, what: str, *, path: str, column: int | None = None, do: str = "") -> None:
        super().__init__(what, where=f"{path}, column {column}" if column else path, do=do)
        self.path = path
        self.column = column


class EvaluationFailed(Exception):
    """An expression has no value: an unknown function, a wrong type, an undefined binding.

    chainsaw ends the operation at once. A judgement answers with `CannotEvaluate` and lets none of these through.
    """
