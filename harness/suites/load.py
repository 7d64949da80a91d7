"""From the command line to suites: a configuration, the tests of folders, what options change; all of it checked."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.suites import checking, kuttl
from harness.suites.chainsaw import configuration, discovery, tests
from harness.suites.fields import Fields, documents
from harness.suites.model import Language, Suite, Test, Timeouts
from harness.suites.problems import Problems, SuiteInvalid


@dataclass(frozen=True)
class Overrides:
    """What the command line says of a suite; None where it says nothing. Names are those of `Suite`."""

    test_file: str | None = None
    include: str | None = None
    exclude: str | None = None
    full_name: bool | None = None
    fail_fast: bool | None = None
    parallel: int | None = None
    repeat: int | None = None
    namespace: str | None = None
    skip_delete: bool | None = None
    template: bool | None = None
    propagation: str | None = None
    delay_before_cleanup: float | None = None
    grace_period: float | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)

    def over(self, suite: Suite) -> Suite:
        said = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "timeouts"}
        said = {name: value for name, value in said.items() if value is not None}
        return replace(suite, timeouts=self.timeouts.over(suite.timeouts), **said)


@dataclass(frozen=True)
class Selection:
    """Which of the tests that were found are run: labels (`a=b`, `a!=b`, `a`, `!a`), and one contiguous share."""

    selector: str = ""
    shard_index: int = 0
    shard_count: int = 0

    def of(self, found: list[Test]) -> list[Test]:
        """Raises UsageError for a selector or a shard that makes no sense."""
        wanted = [_requirement(part) for part in self.selector.split(",") if part.strip()]
        chosen = [test for test in found if all(holds(test) for holds in wanted)]
        if not self.shard_count:
            return chosen
        if not 0 <= self.shard_index < self.shard_count:
            raise UsageError(
                f"{self.shard_index} is not a shard of {self.shard_count}", where="--shard-index", do="count from 0"
            )
        share, rest = divmod(len(chosen), self.shard_count)
        start = self.shard_index * share + min(self.shard_index, rest)
        return chosen[start : start + share + (self.shard_index < rest)]


def _requirement(text: str) -> Any:
    found = re.fullmatch(r"\s*(!?)\s*([\w./-]+)\s*(?:(==|=|!=)\s*([\w.-]*))?\s*", text)
    if found is None or (found[1] and found[3]):
        raise UsageError(f"{text!r} is not a label selector", where="--selector", do="write name=value or name!=value")
    missing, name, operator, value = found.groups()
    if operator is None:
        return lambda test: (name in test.labels) is not bool(missing)
    return lambda test: (test.labels.get(name) == value) is (operator != "!=")


def load(
    places: Iterable[Path],
    problems: Problems,
    *,
    config: Path | None = None,
    overrides: Overrides | None = None,
    selection: Selection | None = None,
    language: Language | None = None,
    options: kuttl.Options | None = None,
) -> list[Suite]:
    """The suites of folders and files: one of all that are chainsaw's, one for each folder of kuttl's.

    The configuration of chainsaw is `.chainsaw.yaml` of the working directory by default; `options` are for kuttl.
    Without a `language` a folder tells by what is in it. Whatever is wrong is added to `problems`. Raises UsageError
    for a place that is not there.
    """
    over, chosen = overrides or Overrides(), selection or Selection()
    ours: list[Path] = []
    suites: list[Suite] = []
    for place in dict.fromkeys(places):
        if not place.exists():
            raise UsageError("file or folder not found", where=str(place))
        told = kuttl.is_kuttl(place) if place.is_dir() and language is None else language is Language.KUTTL
        if not told:
            ours.append(place)
        elif (found := _kuttl(place, options, problems)) is not None:
            found = over.over(found)
            suites.append(replace(found, tests=tuple(chosen.of(_matching(list(found.tests), found)))))
    if ours or not suites:
        suites.insert(0, _chainsaw(ours, config, over, chosen, problems))
    return suites


def _chainsaw(
    places: list[Path], config: Path | None, overrides: Overrides, selection: Selection, problems: Problems
) -> Suite:
    default = Path(configuration.FILE)
    suite = configuration.DEFAULT
    if config is not None or default.is_file():
        suite = configuration.read(config or default, problems)
    suite = overrides.over(suite)
    found: list[Test] = []
    for place in places:
        if place.is_dir():
            found += discovery.discover([place], problems, suite.test_file)
        else:
            found += tests.read(place, problems)
    suite = replace(suite, tests=tuple(selection.of(_matching(found, suite))))
    checking.check(suite, problems)
    return suite


def _kuttl(place: Path, options: kuttl.Options | None, problems: Problems) -> Suite | None:
    try:
        return kuttl.load(place, options, problems.found.append)
    except SuiteInvalid as error:
        problems.found += error.problems
    except OSError as error:  # a folder that cannot be listed
        problems.error(f"cannot be read: {error.strerror}", str(error.filename))
    return None


def check_file(file: Path, problems: Problems) -> Suite | None:
    """One file of any kind that a suite is made of: Test, Configuration or StepTemplate; its tests, if it has any."""
    found = documents(file, problems)
    kind = found[0].data.get("kind") if found and isinstance(found[0].data, dict) else None
    suite: Suite | None = None
    match kind:
        case "Configuration":
            suite = configuration.read(file, problems)
        case "StepTemplate" if len(found) == 1:
            step = tests.step_template(Fields(found[0], problems), file.parent)
            of_step = Test("", file.parent, step.place, configuration.DEFAULT.language, (step,))
            checking.check(replace(configuration.DEFAULT, tests=(of_step,)), problems)
            return None
        case _ if found:
            suite = replace(configuration.DEFAULT, tests=tuple(tests.read(file, problems)))
    if suite is not None:
        checking.check(suite, problems)
    return suite


def _matching(found: list[Test], suite: Suite) -> list[Test]:
    """Go test patterns, matched against `chainsaw/NAME`: each part between slashes is a regular expression."""
    kept = found
    for pattern, wanted in ((suite.include, True), (suite.exclude, False)):
        if pattern:
            try:
                parts = [re.compile(part) for part in pattern.split("/")]
            except re.error as error:
                option = "include" if wanted else "exclude"
                raise UsageError(f"{pattern!r} is not a regular expression: {error}", where=f"--{option}") from error
            kept = [test for test in kept if _fits(parts, test) is wanted]
    return kept


def _fits(parts: list[re.Pattern[str]], test: Test) -> bool:
    """A pattern of one part is looked for in the name of the test alone: its parent is called alike for all."""
    if len(parts) == 1:
        return bool(parts[0].search(test.name))
    names = [test.language.value, *test.name.split("/")]
    return all(part.search(each) for part, each in zip(parts, names, strict=False))
