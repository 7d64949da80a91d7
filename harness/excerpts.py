"""What is shown of a text or a list that is too long to be shown whole."""

from collections.abc import Sequence


def first_line(said: object) -> str:
    """The first line of a text or of an error's message; an error without a message is called by its type."""
    text = str(said).strip()
    if text:
        return text.splitlines()[0]
    return type(said).__name__ if isinstance(said, BaseException) else ""


def ending(text: str, most: int) -> str:
    """The last `most` lines."""
    return "\n".join(text.splitlines()[-most:])


def some(names: Sequence[str], most: int) -> str:
    """The first `most` names in one line: "a, b and 3 more"."""
    return " ".join((", ".join(names[:most]), *_rest(names, most)))


def cut(items: Sequence[str], most: int) -> list[str]:
    """The first `most` items; where there are others, one more says how many: "and 3 more"."""
    return [*items[:most], *_rest(items, most)]


def _rest(items: Sequence[str], most: int) -> tuple[str, ...]:
    return (f"and {len(items) - most} more",) if len(items) > most else ()
