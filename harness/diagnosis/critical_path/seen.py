"""What became of each object over several waits: its states in the order in which they were seen."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from harness.evidence.replay import Told, Wait
from harness.objects import JOBS, Key, Kind, Object, holds

HOOK = "helm.sh/hook"


@dataclass(frozen=True)
class State:
    """An object as it was from `begun` on, until its next state; it is None while absent."""

    begun: float
    item: Object | None


@dataclass
class Seen:
    """The states of all objects, and which ones controllers were told to look at (by subject, at what times)."""

    states: dict[tuple[Kind, Key], list[State]] = field(default_factory=dict)
    nudged: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, waits: Iterable[Wait], story: Iterable[object]) -> "Seen":
        """A wait that begins sees everything again: what is as it was before is no new state."""
        seen = cls()
        for wait in waits:
            for step in wait.steps:
                for move in step.moves:
                    states = seen.states.setdefault((move.kind, move.key), [])
                    if not states or states[-1].item != move.item:
                        states.append(State(step.at, move.item))
        for told in story:
            if isinstance(told, Told) and told.state == "nudged":
                seen.nudged.setdefault(told.task, []).append(told.at)
        return seen

    def all(self, kind: Kind) -> Iterator[tuple[Key, list[State]]]:
        return ((key, states) for (each, key), states in self.states.items() if each == kind)

    def of_object(self, kind: Kind, key: Key) -> list[State]:
        return self.states.get((kind, key), [])

    def appeared(self, kind: Kind, key: Key) -> float | None:
        return next((state.begun for state in self.of_object(kind, key) if state.item is not None), None)

    def was_nudged(self, subject: str, begun: float, ended: float) -> bool:
        return any(begun <= at <= ended for at in self.nudged.get(subject, ()))

    def activity(self, namespace: str, begun: float, ended: float) -> list[float]:
        """When something changed in a namespace, in order."""
        times = {
            state.begun
            for (_, (where, _)), states in self.states.items()
            if where == namespace
            for state in states
            if begun <= state.begun <= ended
        }
        return sorted(times)

    def hooks(self, namespace: str, begun: float, ended: float) -> list[tuple[str, float, float]]:
        """Jobs that helm runs as hooks: name, when each was made, and when it was done (`ended` if it was not)."""
        found = []
        for (where, name), states in self.all(JOBS):
            first = next((state for state in states if state.item is not None), None)
            if where != namespace or first is None or not begun <= first.begun <= ended:
                continue
            if HOOK in ((first.item or {}).get("metadata", {}).get("annotations") or {}):
                done = next((state.begun for state in states if _over(state.item)), ended)
                found.append((name, first.begun, min(done, ended)))
        return sorted(found, key=lambda each: each[1])


def _over(job: Object | None) -> bool:
    """A Job that has completed or failed, or was taken away, as helm does with hooks that have ended."""
    return job is None or holds(job, "Complete") or holds(job, "Failed")
