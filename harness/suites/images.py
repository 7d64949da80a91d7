"""The images that a suite needs on a real node: those that its files name in containers, and that its set-up lists.

What a program makes up at run time is in no file: a suite lists it (`setup`, `images`). Helm charts are left out, since
their templates are no YAML; what they run is to be listed too.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from harness.errors import DataError
from harness.excerpts import first_line
from harness.names import KWOK_NODE_LABEL

EVERYWHERE = "*"
_SUITE = "suite.yaml"
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_FILES = (".yaml", ".yml")
_EXPRESSION = re.compile(r"\(.*\)|.*\$\w.*|.*\$\(.*", re.DOTALL)  # of chainsaw, or a name that is filled in


@dataclass(frozen=True)
class Named:
    """A reference, and where it stands: `file:line`."""

    reference: str
    place: str


@dataclass(frozen=True)
class _Around:
    """What the mappings around a node say: the namespace of its object, and whether it chooses simulated nodes."""

    namespace: str = ""
    simulated: bool = False


def needed(folder: Path, real: Collection[str]) -> tuple[Named, ...]:
    """The images of the suite in `folder`, each once. `real` are the namespaces whose pods run ("*": all of them).

    What runs in no such namespace, or selects simulated nodes, needs no image. Raises DataError where a container would
    be pulled whatever is there: no image that was made or loaded here would ever be taken.
    """
    found: dict[str, Named] = {}
    for file in _files(folder):
        try:
            documents = list(yaml.compose_all(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise DataError(f"cannot be read: {first_line(error)}", where=str(file)) from error
        for document in documents:
            for each in _in(document, file, _Around(_namespace_beside(file)), real):
                found.setdefault(each.reference, each)
    return tuple(found.values())


def _files(folder: Path) -> Iterator[Path]:
    """All YAML files, in order, but those of charts."""
    if (folder / "Chart.yaml").is_file():
        return
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.name.startswith("."):
            yield from _files(entry)
        elif entry.suffix in _FILES:
            yield entry


def _namespace_beside(file: Path) -> str:
    """The namespace of the chainsaw test in the same folder: its objects are made there where they name none."""
    test = file.with_name("chainsaw-test.yaml")
    if not test.is_file():
        return ""
    try:
        document = yaml.safe_load(test.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return ""  # whoever loads the test says what is wrong with it
    spec = document.get("spec") if isinstance(document, dict) else None
    return str(spec.get("namespace") or "") if isinstance(spec, dict) else ""


def _in(node: Node | None, file: Path, around: _Around, real: Collection[str]) -> Iterator[Named]:
    if isinstance(node, SequenceNode):
        for each in node.value:
            yield from _in(each, file, around, real)
    if not isinstance(node, MappingNode):
        return
    entries = _entries(node)
    around = _inside(entries, around)
    if file.name == _SUITE and isinstance(listed := entries.get("images"), SequenceNode):
        for each in listed.value:
            if isinstance(each, ScalarNode):
                yield Named(each.value, _place(file, each))
    for key, below in entries.items():
        if key in _CONTAINERS and isinstance(below, SequenceNode):
            if not around.simulated and (EVERYWHERE in real or around.namespace in real):
                yield from _of_containers(below, file)
        else:
            yield from _in(below, file, around, real)


def _inside(entries: dict[str, Node], around: _Around) -> _Around:
    if isinstance(metadata := entries.get("metadata"), MappingNode):
        namespace = _entries(metadata).get("namespace")
        if isinstance(namespace, ScalarNode) and namespace.value:
            around = replace(around, namespace=namespace.value)
    if isinstance(selector := entries.get("nodeSelector"), MappingNode):
        chosen = _entries(selector).get(KWOK_NODE_LABEL[0])
        around = replace(around, simulated=isinstance(chosen, ScalarNode) and chosen.value == KWOK_NODE_LABEL[1])
    return around


def _of_containers(containers: SequenceNode, file: Path) -> Iterator[Named]:
    for container in containers.value:
        entries = _entries(container) if isinstance(container, MappingNode) else {}
        image, policy = entries.get("image"), entries.get("imagePullPolicy")
        if not isinstance(image, ScalarNode) or not image.value or _EXPRESSION.fullmatch(image.value):
            continue
        place = _place(file, image)
        if isinstance(policy, ScalarNode) and policy.value == "Always":
            raise DataError(
                f"imagePullPolicy of {image.value} is Always: the node would ask a registry, whatever it has",
                where=_place(file, policy),
                do="write IfNotPresent, or Never",
            )
        if policy is None and _latest(image.value):
            raise DataError(
                f"{image.value} has the tag latest, whose imagePullPolicy is Always where none is written",
                where=place,
                do="name another tag, or write imagePullPolicy: IfNotPresent",
            )
        yield Named(image.value, place)


def _latest(reference: str) -> bool:
    """Whether Kubernetes takes it for the newest of its name."""
    _, colon, tag = reference.rpartition("/")[2].partition(":")
    return "@" not in reference and (not colon or tag == "latest")


def _entries(node: MappingNode) -> dict[str, Node]:
    return {key.value: value for key, value in node.value if isinstance(key, ScalarNode)}


def _place(file: Path, node: Node) -> str:
    return f"{file}:{node.start_mark.line + 1}"
