"""What each verdict of a wait says that those before it did not: a state is told once, and then what changed in it."""

import re
from dataclasses import dataclass, field

from harness.evidence.replay import Step

_COUNTS = re.compile(r" \(\d+ more wait for it\)")  # how many wait for it is no state of it
_REST = re.compile(r"and \d+ more")
_SUBJECT = re.compile(r"[A-Z]\w* \S+")


@dataclass
class News:
    """Hears the verdicts of one wait, in order."""

    _lines: dict[str, float] = field(default_factory=dict)  # when each was first told, in seconds; the newest last
    _texts: dict[str, str] = field(default_factory=dict)  # by subject, what was said of it last

    def told(self, line: str) -> bool:
        return _COUNTS.sub("", line) in self._lines

    def of(self, step: Step) -> str:
        """The first line that is new, and of that what differs from what was last said of its subject; when it was
        told, where all of it was; empty where that was just now.

        The subject is left out where it is that of the newest line.
        """
        lines = [line for line in _COUNTS.sub("", str(step.verdict)).splitlines() if not _REST.fullmatch(line)]
        newest = next(reversed(self._lines), "")
        fresh = [line for line in lines if line not in self._lines]
        before = self._lines.pop(lines[0], None)
        self._lines |= dict.fromkeys(fresh, step.seconds) | {lines[0]: step.seconds if before is None else before}
        changes = [self._change(line) for line in lines]
        if not fresh:
            return "" if newest == lines[0] else f"as after {before:.1f} s"
        subject, change = changes[lines.index(fresh[0])]
        if not subject:
            return change
        return f"... {change}" if newest.startswith(f"{subject}: ") else f"{subject}: {change}"

    def _change(self, line: str) -> tuple[str, str]:
        """The subject of a line, and what is new in what it says."""
        subject, _, text = line.partition(": ")
        if not text or not _SUBJECT.fullmatch(subject):
            return "", line
        before = self._texts.get(subject)
        self._texts[subject] = text
        return subject, text if before is None else difference(before, text)


def difference(before: str, now: str) -> str:
    """What a text of clauses, such as "is OutOfSync; not in order: a, b", says that it did not say before."""
    old, new = before.split("; "), now.split("; ")
    fresh = [_listed(clause, old) for clause in new if clause not in old]
    if fresh:
        return "; ".join(fresh)
    gone = [clause for clause in old if clause not in new]
    return f"no longer: {'; '.join(gone)}" if gone else now


def _listed(clause: str, old: list[str]) -> str:
    """A clause with a list, "not in order: a, b": what came and what went, where that is less to read."""
    head, _, items = clause.partition(": ")
    was = next((other.partition(": ")[2] for other in old if items and other.startswith(f"{head}: ")), "")
    then, now = was.split(", "), items.split(", ")
    came, went = [each for each in now if each not in then], [each for each in then if each not in now]
    if not was or len(came) + len(went) >= len(now):
        return clause
    changes = [f"also {', '.join(came)}"] * bool(came) + [f"no longer {', '.join(went)}"] * bool(went)
    return f"{head}: {', '.join(changes)}"
