"""The strike rule: controllers that time out three times in a row will do so again, and every cell takes minutes.

Only an end with 50 counts, and anything else in between starts the count anew. Lanes have controllers of their own, so
each is counted by itself, in the order in which its cells end.
"""

from dataclasses import dataclass, field

from harness.exits import Exit

LIMIT = 3


@dataclass
class Strikes:
    """How many cells of each lane have ended with 50 since one last ended otherwise."""

    _counts: dict[str, int] = field(default_factory=dict)
    _out: str = ""  # the first lane that struck out: the count may fall again, the verdict stands

    def ended(self, deployer: str, code: Exit) -> None:
        count = self._counts.get(deployer, 0) + 1 if code is Exit.SYNC_DEADLINE else 0
        self._counts[deployer] = count
        if count >= LIMIT and not self._out:
            self._out = deployer

    @property
    def out(self) -> str:
        """Why the sweep is over, in a sentence; empty while it is not."""
        if not self._out:
            return ""
        return f"{LIMIT} cells of {self._out} in a row ended with {int(Exit.SYNC_DEADLINE)}: the {LIMIT}-strike rule"
