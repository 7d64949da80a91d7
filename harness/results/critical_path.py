"""The critical path of a cell: what each second of it was spent on, and who could have made it shorter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

FACT = "critical path"  # its name among the facts of an outcome
SHOWN = 0.05  # seconds: hops that are shorter are left out where a person reads


class Whose(StrEnum):
    """Whose time it was.

    `OURS`: the harness and the cluster that it boots. `DEPLOYER`: helm or the controllers of the lane at work, with
    Kubernetes. `IDLE`: no controller worked, a timer of one had to ring first.
    """

    OURS = "ours"
    DEPLOYER = "deployer"
    IDLE = "idle"


@dataclass(frozen=True)
class Hop:
    """A piece of the path: seconds of its beginning and of its end, what was under way, and what it waited for."""

    begun: float
    ended: float
    what: str
    cause: str
    whose: Whose

    @property
    def seconds(self) -> float:
        return self.ended - self.begun


@dataclass(frozen=True)
class CriticalPath:
    """Hops in order, each beginning where the one before it ended. Seconds count from the start of the cell."""

    hops: Sequence[Hop]

    @property
    def seconds(self) -> float:
        return self.hops[-1].ended - self.hops[0].begun if self.hops else 0.0

    def share(self, whose: Whose) -> float:
        """Seconds of the path."""
        return sum(hop.seconds for hop in self.hops if hop.whose is whose)

    def later(self, seconds: float) -> Self:
        """The same path, counted from a moment that many seconds earlier."""
        return replace(
            self, hops=[replace(hop, begun=hop.begun + seconds, ended=hop.ended + seconds) for hop in self.hops]
        )

    def summary(self) -> str:
        """Whose the time was, and on what most of it was spent, in a line."""
        shares = ", ".join(f"{whose} {self.share(whose):.1f} s" for whose in Whose)
        longest = ", ".join(f"{cause} {seconds:.1f} s" for cause, seconds in self.longest_causes(2))
        return f"{shares}; most of it: {longest}" if longest else shares

    def longest_causes(self, number: int) -> list[tuple[str, float]]:
        """The causes on which most seconds were spent, with these, the longest first."""
        spent: dict[str, float] = {}
        for hop in self.hops:
            spent[hop.cause] = spent.get(hop.cause, 0.0) + hop.seconds
        return sorted(spent.items(), key=lambda each: -each[1])[:number]

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "seconds": round(self.seconds, 3),
            "shares": {whose.value: round(self.share(whose), 3) for whose in Whose},
            "hops": [
                {
                    "begun": round(hop.begun, 3),
                    "ended": round(hop.ended, 3),
                    "what": hop.what,
                    "cause": hop.cause,
                    "whose": hop.whose.value,
                }
                for hop in self.hops
            ],
        }

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self | None:
        """The path among the facts of an outcome; None where there is none, or none that can be read."""
        try:
            hops = facts[FACT]["hops"]
            return cls(
                [
                    Hop(float(h["begun"]), float(h["ended"]), str(h["what"]), str(h["cause"]), Whose(h["whose"]))
                    for h in hops
                ]
            )
        except (LookupError, TypeError, ValueError):
            return None
