"""A path under construction, from its end to its beginning. No second is left out, or told twice."""

from collections.abc import Sequence

from harness.results.critical_path import Hop, Whose

_LEAST = 0.0005  # seconds: recordings have milliseconds


class Backward:
    """The path between two moments; `at` is how far back it goes by now, in seconds of the recording."""

    def __init__(self, begun: float, ended: float) -> None:
        self._begun = begun
        self.at = max(begun, ended)
        self._hops: list[Hop] = []

    @property
    def complete(self) -> bool:
        return self.at - self._begun < _LEAST

    def back(self, to: float, what: str, cause: str, whose: Whose) -> None:
        """The time from `to` on. What lies before the beginning is left out, as is what is on the path already."""
        to = min(max(to, self._begun), self.at)
        if self.at - to < _LEAST:
            return
        hop = Hop(to, self.at, what, cause, whose)
        self.at = to
        if self._hops and (last := self._hops[-1]).what == what and (last.cause, last.whose) == (cause, whose):
            self._hops[-1] = Hop(to, last.ended, what, cause, whose)
        else:
            self._hops.append(hop)

    def extend(self, hops: Sequence[Hop]) -> None:
        """Put the hops of another path on this one."""
        for hop in reversed(hops):
            self.back(hop.begun, hop.what, hop.cause, hop.whose)

    def hops(self, what: str, cause: str, whose: Whose) -> list[Hop]:
        """All of it, in order; what is missing at its beginning is called as told."""
        self.back(self._begun, what, cause, whose)
        return self._hops[::-1]
