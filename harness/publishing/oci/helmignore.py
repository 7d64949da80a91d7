"""What Helm leaves out of a chart: `.helmignore`, with Helm's own rules and not those of git.

Order does not count, `**` is refused, and a pattern with `!` in front leaves out everything that it does not match
(helm.sh/helm/v3/pkg/ignore). Patterns are those of Go's path/filepath.Match.
"""

import re
from dataclasses import dataclass

from harness.errors import DataError

FILE = ".helmignore"
_DEFAULT = "templates/.?*"


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    negated: bool
    directories: bool  # for directories only
    whole: bool  # matched against the whole path, not only its last segment

    def ignores(self, path: str, directory: bool) -> bool:
        name = path if self.whole else path.rpartition("/")[2]
        matches = (directory or not self.directories) and self.pattern.fullmatch(name) is not None
        return matches is not self.negated


class HelmIgnore:
    """The rules in `text`, and the one that always applies: hidden files right under templates/.

    Raises DataError, naming `where` and the line, for a pattern that Helm refuses.
    """

    def __init__(self, text: str = "", *, where: str = FILE) -> None:
        rules = [_rule(line.strip(), f"{where}:{number}") for number, line in enumerate(text.split("\n"), start=1)]
        self._rules = [rule for rule in (*rules, _rule(_DEFAULT, where)) if rule]

    def ignores(self, path: str, *, directory: bool) -> bool:
        """`path` is relative to the chart, with slashes; with a directory goes all that is in it."""
        return any(rule.ignores(path, directory) for rule in self._rules)


def _rule(line: str, where: str) -> _Rule | None:
    if not line or line.startswith("#"):
        return None
    if "**" in line:
        raise DataError("has a pattern with **, which Helm does not know", where=where)
    pattern = line.removeprefix("!")
    directories = pattern.endswith("/")
    pattern = pattern.removesuffix("/")
    return _Rule(
        pattern=_expression(pattern.removeprefix("/"), where),
        negated=line.startswith("!"),
        directories=directories,
        whole="/" in pattern,
    )


_TOKEN = re.compile(r"(\*)|(\?)|\[(\^?)((?:\\.|[^\\\]])+)\]|\\(.)|([^\\\[])", re.DOTALL)


def _expression(pattern: str, where: str) -> re.Pattern[str]:
    """Go's filepath.Match as a regular expression: * and ? stop at a slash, [^a] is a negated class."""
    parts = []
    position = 0
    while position < len(pattern):
        token = _TOKEN.match(pattern, position)
        if not token:
            raise DataError(f"has a pattern that cannot be read: {pattern!r}", where=where)
        star, question, negation, members, escaped, literal = token.groups()
        if members:
            inside = re.sub(r"([\[&~|])", r"\\\1", members)
            parts.append(f"[{negation}{inside}]")
        else:
            parts.append("[^/]*" if star else "[^/]" if question else re.escape(escaped or literal))
        position = token.end()
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error as error:
        raise DataError(f"has a pattern that cannot be read: {pattern!r}", where=where) from error
