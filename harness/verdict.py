"""What a gate says of the objects that it is shown. There are three answers, and none of them is a boolean.

Each may name the kind of its cause: where, between the settings and the harness, a failure lies.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn


class CauseKind(StrEnum):
    """Where the first cause of a failure lies, from what a user gave to what the harness got wrong."""

    SETTINGS = "settings"  # settings, recipe data, a word on the command line
    TOOLS = "tools"
    REGISTRY = "registry"  # the registry or the Git server itself, or the push to it
    PULL = "pull"  # a controller cannot fetch the artifact or a chart
    RENDER = "render"  # a chart or a kustomization does not render
    APPLY = "apply"  # the API server or an admission webhook refuses an object
    RECONCILE = "reconcile"  # a controller gave up, or an object came out other than intended
    SCHEDULE = "schedule"  # pods are nowhere, or not where they belong
    DEADLINE = "deadline"  # time was up, and nothing more particular is known
    INFRASTRUCTURE = "infrastructure"  # the cluster or a controller did not come up, or died
    HARNESS = "harness"  # a defect of the harness


@dataclass(frozen=True)
class _Answer:
    """`reason` is a sentence for people; `subject` names the object that decided (kind namespace/name), if one did.

    `kind` says where the cause lies, as far as it is known; it classifies an answer and does not tell two apart.
    """

    reason: str
    subject: str = ""
    kind: CauseKind | None = field(default=None, compare=False, kw_only=True)

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict is Waiting, Passed or Failed; ask which with isinstance")

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}" if self.subject else self.reason


@dataclass(frozen=True)
class Waiting(_Answer):
    """Not yet: the reason says what is missing.

    `doomed` is the cause of the failure that this will be if it stays so: gates have no clock, the waiting loop has,
    and it turns a subject that was doomed for all of its patience into a Failed with that cause. `certain`: nothing
    that is still to come changes it, so the loop has less patience with it.
    """

    doomed: str = ""
    certain: bool = field(default=False, compare=False, kw_only=True)


class Passed(_Answer):
    """It is as intended: the reason says what was seen."""


class Failed(_Answer):
    """It will not become right by waiting: the reason is the cause."""


Verdict = Waiting | Passed | Failed


def worst(*verdicts: Verdict) -> Verdict:
    """The first Failed, else the first Waiting, else the last Passed; at least one verdict is needed.

    Nothing is green because nothing was there: an empty call is a defect of the caller.
    """
    if not verdicts:
        raise ValueError("no verdicts: a gate over nothing must say so itself")
    for kind in (Failed, Waiting):
        for verdict in verdicts:
            if isinstance(verdict, kind):
                return verdict
    return verdicts[-1]
