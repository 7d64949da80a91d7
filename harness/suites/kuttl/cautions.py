"""What is worth a warning in an object that kuttl takes as it is."""

import re
from collections.abc import Iterator
from typing import Any

from harness.errors import DataError
from harness.formats.documents import Block
from harness.suites.kuttl.names import Role
from harness.suites.problems import Problems

_NAMESPACE = re.compile(r"\$NAMESPACE\b|\$\{NAMESPACE\}")
# Fields whose text is read by a shell, or by Kubernetes, in the container: $NAMESPACE may be meant for those.
_READ_LATER = {"args", "command"}


def look_at(block: Block, role: Role, problems: Problems) -> None:
    """Warn of what is not replaced and of a status that is applied. Raises DataError for an object without a name."""
    for path in _with_namespace(block.data, ()):
        do = "call the file NAME.gotmpl.yaml and write {{ .Namespace }}"
        problems.warning("$NAMESPACE is not replaced in objects", block.where(*path), do)
    if role is not Role.APPLY:
        return
    metadata = block.data.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        raise DataError("metadata.name is missing: such an object cannot be applied", where=block.where())
    binary = block.data.get("binaryData")
    for key in [key for key, value in binary.items() if not value] if isinstance(binary, dict) else ():
        do = "write the content in base64, or make the ConfigMap by a command"
        problems.warning(f"binaryData {key} is empty: nothing fills it", block.where("binaryData", key), do)
    if "status" in block.data:
        do = "to wait for it, put it into the assert file of the step"
        problems.warning("the API server ignores a status that is applied", block.where("status"), do)


def _with_namespace(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key not in _READ_LATER:
                yield from _with_namespace(each, (*path, key))
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from _with_namespace(each, (*path, position))
    elif isinstance(value, str) and _NAMESPACE.search(value):
        yield path
