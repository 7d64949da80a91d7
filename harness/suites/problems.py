"""What is wrong with the files of a suite: all of it is told at once, each with its file and line."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from harness.assertions.lint import Severity
from harness.errors import DataError


@dataclass(frozen=True, slots=True)
class Problem:
    """`place` is file:line, `do` the remedy; a warning does not keep a suite from being run."""

    place: str
    what: str
    do: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" + (f"\n  {self.do}" if self.do else "")


class SuiteInvalid(DataError):
    """A suite that is refused before anything of it runs; its text has every error, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        first, *rest = self.problems
        super().__init__(first.what, where=first.place, do="\n".join(filter(None, (first.do, *map(str, rest)))))


@dataclass(slots=True)
class Problems:
    """Those found so far. `lenient` takes fields that nobody reads for warnings."""

    lenient: bool = False
    found: list[Problem] = field(default_factory=list)

    def error(self, what: str, place: str, do: str = "") -> None:
        self.found.append(Problem(place, what, do))

    def warning(self, what: str, place: str, do: str = "") -> None:
        self.found.append(Problem(place, what, do, Severity.WARNING))

    def unread(self, what: str, place: str, do: str = "") -> None:
        """A field that nobody reads."""
        (self.warning if self.lenient else self.error)(what, place, do)

    @contextmanager
    def caught(self) -> Iterator[None]:
        """An error in the block is one more problem."""
        try:
            yield
        except DataError as error:
            self.error(error.what, error.where, error.do)

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.found if problem.severity is Severity.ERROR]

    @property
    def warnings(self) -> list[Problem]:
        return [problem for problem in self.found if problem.severity is Severity.WARNING]

    def require(self) -> None:
        """Raises SuiteInvalid with all errors, if there is one."""
        if errors := self.errors:
            raise SuiteInvalid(errors)
