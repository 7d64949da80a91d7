"""How an operation ends when it does not pass."""

from harness.errors import HarnessError
from harness.suites.record import Status


class OperationFailed(HarnessError):
    """It came out otherwise than the suite says; `output` is what a program wrote."""

    status = Status.FAILED

    def __init__(self, what: str, *, output: str = "") -> None:
        super().__init__(what)
        self.output = output


class NotJudged(OperationFailed):
    """Nothing can be said of it: a bad expression, a server that refuses, no cluster."""

    status = Status.ERROR


class CannotBeJudgedHere(OperationFailed):
    """What it asks for does not exist where nothing runs; it proves nothing either way."""

    status = Status.SKIPPED
