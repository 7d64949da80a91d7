"""Gates that can be written down and built again: each is a factory with a registered name, and its parameters.

A recording is judged again offline, by the gates that judged it live. So a gate that waits in earnest is made by
`described(factory, ...)`: it judges as the factory's own gate does, and says as plain data what it is.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from inspect import signature
from typing import Any, ParamSpec

from harness.errors import DataError, did_you_mean
from harness.gates import absence, argocd, combining, nodes
from harness.gates.findings import Gate
from harness.gates.flux import releases, sources
from harness.gates.workloads import scheduled as workloads
from harness.gates.workloads.manifest import Declared, Expected, ExpectedWorkload
from harness.objects import Kind, Objects
from harness.verdict import Verdict

FACTORIES: Mapping[str, Callable[..., Gate]] = {  # the names are part of the format of recordings
    "absence.gone": absence.gone,
    "applications.root_there": argocd.root_there,
    "applications.synced": argocd.synced,
    "combining.unless_doomed": combining.unless_doomed,
    "nodes.nodes_ready": nodes.nodes_ready,
    "releases.flux_bundle": releases.flux_bundle,
    "sources.kustomization_there": sources.kustomization_there,
    "workloads.nothing_unschedulable": workloads.nothing_unschedulable,
    "workloads.scheduled_as_intended": workloads.scheduled_as_intended,
}
_NAMES = {factory: name for name, factory in FACTORIES.items()}

P = ParamSpec("P")


@dataclass(frozen=True)
class Described:
    """A gate and what it was made of; parameters may be Described gates themselves."""

    name: str
    parameters: Mapping[str, Any]
    gate: Gate = field(repr=False, compare=False)

    def __call__(self, objects: Objects) -> Verdict:
        return self.gate(objects)

    def data(self) -> dict[str, Any]:
        """JSON-ready: `{"gate": name, "parameters": {...}}`; `built` makes the gate of it again."""
        return {"gate": self.name, "parameters": {name: _data(value) for name, value in self.parameters.items()}}


def described(factory: Callable[P, Gate], *args: P.args, **kwargs: P.kwargs) -> Described:
    """The gate that `factory` makes of these parameters. A factory that is not in FACTORIES is a defect (KeyError)."""
    bound = signature(factory).bind(*args, **kwargs)
    return Described(_NAMES[factory], dict(bound.arguments), factory(*args, **kwargs))


def built(data: Mapping[str, Any]) -> Described:
    """The gate of what `Described.data` gave; DataError where no such gate is known, or it takes other parameters."""
    name = str(data.get("gate"))
    factory = FACTORIES.get(name)
    if factory is None:
        raise DataError(f"no gate is called {name}", do=did_you_mean(name, FACTORIES))
    try:
        parameters = {key: _value(each) for key, each in data["parameters"].items()}
        return Described(name, parameters, factory(**parameters))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"the parameters of gate {name} are not what it takes: {error}") from error


def _data(value: Any) -> Any:
    match value:
        case Described():
            return value.data()
        case Expected():
            return {"workloads": [asdict(each) for each in value.workloads], "hooks": _data(value.hooks)}
        case None | str() | int() | float():
            return value
        case list() | tuple():
            return [_data(each) for each in value]
        case Collection() if not isinstance(value, Mapping):
            return [_data(each) for each in sorted(value)]
    raise TypeError(f"a gate's parameter that cannot be written down: {value!r}")


def _value(data: Any) -> Any:
    """Lists become tuples: what a gate is given is never changed, and keys have to be hashable."""
    match data:
        case {"gate": _}:
            return built(data)
        case {"workloads": workloads, "hooks": hooks}:
            return Expected(tuple(_workload(each) for each in workloads), frozenset(_value(hooks)))
        case list():
            return tuple(_value(each) for each in data)
    return data


def _workload(data: Mapping[str, Any]) -> ExpectedWorkload:
    return ExpectedWorkload(**{**data, "kind": Kind(**data["kind"]), "declared": Declared(**data["declared"])})
