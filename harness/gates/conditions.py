"""What `kubectl wait` waits for: objects that are made, gone, or have a condition or a value, as a gate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.excerpts import some
from harness.gates.findings import subject
from harness.objects import Kind, Object, Objects, condition, key_of
from harness.verdict import Failed, Passed, Verdict, Waiting


@dataclass(frozen=True)
class Awaited:
    """`what` is creation, deletion, condition or jsonPath; `name` is a condition or a path, `value` what it must be.

    All objects that are shown are meant, or those of a namespace and a name. Without a value, a condition must be True,
    and a path must find something.
    """

    kind: Kind
    what: str
    name: str = ""
    value: str | None = None
    namespace: str = ""
    called: str = ""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return (self.kind,)

    def __call__(self, objects: Objects) -> Verdict:
        items = [item for item in objects.all(self.kind) if self._meant(item)]
        names = some([subject(self.kind, item) for item in items], 3)
        if self.what == "creation":
            return Passed(f"{names} is there") if items else Waiting(f"there is no such {self.kind.kind}")
        if self.what == "deletion":
            return Waiting(f"{names} is still there") if items else Passed(f"no such {self.kind.kind} is there")
        if not items:
            return Failed(f"no matching {self.kind.kind} was found")
        for item in items:
            if why := self._lacks(item):
                return Waiting(why, subject(self.kind, item))
        wanted = f"{self.name}={self.value}" if self.value is not None else self.name
        return Passed(f"{names}: {wanted}")

    def _meant(self, item: Object) -> bool:
        namespace, name = key_of(item)
        return self.namespace in ("", namespace) and self.called in ("", name)

    def _lacks(self, item: Object) -> str:
        if self.what == "condition":
            return self._lacks_condition(item)
        from harness.assertions import jsonpath  # takes long to import, and most gates have no use for it
        from harness.assertions.errors import EvaluationFailed

        try:
            values = jsonpath.found(self.name, item)
        except EvaluationFailed as error:
            return str(error)
        if not values:
            return f"{self.name} is not there"
        if self.value is None:
            return ""
        texts = [jsonpath.text_of(value) for value in values]
        return "" if texts == [self.value] else f"{self.name} is {some(texts, 3)}, expected {self.value}"

    def _lacks_condition(self, item: Object) -> str:
        wanted = self.value or "True"
        there: Mapping[str, Any] = condition(item, self.name) or _by_lower_case(item, self.name)
        if not there:
            return f"there is no condition {self.name}"
        observed = there.get("observedGeneration") or (item.get("status") or {}).get("observedGeneration")
        generation = item["metadata"].get("generation")
        if isinstance(observed, int) and isinstance(generation, int) and observed < generation:
            return f"condition {self.name} is of generation {observed}, not yet of {generation}"
        found = str(there.get("status"))
        if found.lower() == wanted.lower():
            return ""
        why = there.get("message") or there.get("reason") or ""
        return f"condition {self.name} is {found}, expected {wanted}" + (f": {why}" if why else "")


def _by_lower_case(item: Object, name: str) -> Mapping[str, Any]:
    for each in (item.get("status") or {}).get("conditions") or ():
        if str(each.get("type")).lower() == name.lower():
            return dict(each)
    return {}
