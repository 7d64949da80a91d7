"""Gates as data: a recording names the gate of each wait, and holds its fields, so that it is judged again offline."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from importlib import import_module
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from harness.errors import DataError, did_you_mean
from harness.gates import absence, combining, conditions, nodes
from harness.gates.argocd import remade, synced, warnings
from harness.gates.findings import Gate
from harness.gates.flux import releases, sources
from harness.gates.workloads import scheduled as workloads
from harness.gates.workloads.installing import NothingUnschedulable

GATES: Mapping[str, type[Gate]] = {  # the names are part of the format of recordings
    "absence.gone": absence.Gone,
    "absence.vanished": absence.Vanished,
    "applications.made_again": remade.MadeAgain,
    "applications.root_there": synced.RootThere,
    "applications.synced": synced.Synced,
    "applications.without_warnings": warnings.WithoutWarnings,
    "conditions.awaited": conditions.Awaited,
    "combining.both": combining.Both,
    "combining.unless_doomed": combining.UnlessDoomed,
    "nodes.nodes_ready": nodes.NodesReady,
    "releases.flux_bundle": releases.Reconciled,
    "sources.kustomization_there": sources.KustomizationThere,
    "workloads.nothing_unschedulable": NothingUnschedulable,
    "workloads.scheduled_as_intended": workloads.ScheduledAsIntended,
}
# Those that take long to import, and that most runs have no use for.
LATER: Mapping[str, str] = {
    "assertions.asserted": "harness.gates.assertions:Asserted",
    "assertions.kind_served": "harness.gates.assertions:KindServed",
    "health.all_served": "harness.gates.health:AllServed",
    "health.healthy": "harness.gates.health:Healthy",
    "rounds.together": "harness.gates.rounds:Together",
}
_LATER_NAMES = {place: name for name, place in LATER.items()}
_NAMES: Mapping[type, str] = {gate: name for name, gate in GATES.items()}


def data(gate: Callable[..., Any]) -> dict[str, Any] | None:
    """JSON-ready: `{"gate": name, "parameters": {...}}`; None where the gate has no name here."""
    name = _name(type(gate))
    return {"gate": name, "parameters": _plain(gate)} if name else None


def built(written: Mapping[str, Any]) -> Gate:
    """The gate of what `data` gave; DataError where no such gate is known, or it has other fields."""
    name = str(written.get("gate"))
    if name not in GATES and name not in LATER:
        raise DataError(f"no gate is called {name}", do=did_you_mean(name, [*GATES, *LATER]))
    try:
        gate = GATES[name] if name in GATES else _loaded(LATER[name])
        hints = get_type_hints(gate)
        return gate(**{key: _value(hints[key], each) for key, each in written["parameters"].items()})
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"the parameters of gate {name} are not what it takes: {error}") from error


def _name(gate: type) -> str | None:
    return _NAMES.get(gate) or _LATER_NAMES.get(f"{gate.__module__}:{gate.__qualname__}")


def _loaded(place: str) -> type[Gate]:
    module, _, name = place.partition(":")
    gate: type[Gate] = getattr(import_module(module), name)
    return gate


def _plain(value: Any) -> Any:
    """What `value` is made of; sets in order, so that equal gates are written alike."""
    if is_dataclass(value):
        parts = {each.name: getattr(value, each.name) for each in fields(value)}
        return {name: data(part) if _name(type(part)) else _plain(part) for name, part in parts.items()}
    match value:
        case set() | frozenset():
            return sorted(_plain(each) for each in value)
        case tuple() | list():
            return [_plain(each) for each in value]
        case None | str() | int() | float() | Mapping():
            return value
    raise TypeError(f"a gate's parameter that cannot be written down: {value!r}")


def _value(hint: Any, plain: Any) -> Any:
    return built(plain) if hint is Gate else _reader(hint).validate_python(plain)


@cache
def _reader(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint)
