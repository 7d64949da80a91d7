"""Chart mirrors in a bundle that is there already: the aicr command line knows nothing of them.

Only where a chart comes from is rewritten, in the files by which it is fetched; everything else keeps its bytes. What
then still leads past the mirrors is an error: it would be fetched from the internet without a word.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.bundles.delivery import included, resources
from harness.bundles.mirrors.addresses import rewrite
from harness.bundles.model import Chart
from harness.bundles.read import remote_chart
from harness.bundles.shapes.argocd import remote_source
from harness.bundles.shapes.helm import upstream_env
from harness.errors import DataError
from harness.formats import go_yaml
from harness.formats.addresses import plain_http
from harness.formats.documents import Document

Mirrors = Mapping[str, str]

_CHECKSUMS = "checksums.txt"
_REPOSITORY = re.compile(r"\s*(?:- )?repoURL:\s*[\"']?((?:https?|oci)://[^\s\"'{]+)[\"']?\s*")


def mirror_tree(directory: Path, shape: str, mirrors: Mirrors) -> None:
    """Have every chart of the bundle at `directory` fetched from its mirror. Raises DataError, SettingsError."""
    changed: dict[str, bytes] = {}
    for file in _FILES[shape](directory) if mirrors else ():
        before = file.read_text(encoding="utf-8")
        after = _REWRITTEN[shape](file, mirrors)
        if after != before:
            file.write_text(after, encoding="utf-8")
            changed[file.relative_to(directory).as_posix()] = after.encode()
    _correct_checksums(directory / _CHECKSUMS, changed)


def _upstream(file: Path, mirrors: Mirrors) -> str:
    before = remote_chart(file)
    after = replace(before, repository=rewrite(before.repository, mirrors))
    return upstream_env(after).decode() if after != before else file.read_text(encoding="utf-8")


def _application(file: Path, mirrors: Mirrors) -> str:
    """An Application, which may be a template of Helm: written like YAML, but none. So it is taken line by line."""
    lines = file.read_text(encoding="utf-8").split("\n")
    keys = _source_keys(lines)
    url, name, revision = (_value(lines, keys.get(key)) for key in ("repoURL", "chart", "targetRevision"))
    if name and "{{" not in url:  # else the source is the bundle itself
        before = _chart(url, name, revision)
        after = replace(before, repository=rewrite(before.repository, mirrors))
        wanted = remote_source(after) if after != before else {}
        for key in keys.keys() & wanted.keys():
            if _value(lines, keys[key]) != wanted[key]:
                lines[keys[key]] = f"{lines[keys[key]].partition(':')[0]}: {json.dumps(wanted[key])}"
    for number, line in enumerate(lines):
        left = _REPOSITORY.fullmatch(line)
        if left and rewrite(left[1], mirrors) != left[1] and not (name and number == keys.get("repoURL")):
            raise DataError(f"has {left[1]}, which has a mirror, in a place that is not understood", where=str(file))
    return "\n".join(lines)


def _source_keys(lines: Sequence[str]) -> dict[str, int]:
    """The keys of the Application's source, and in which line each is."""
    start = next((number for number, line in enumerate(lines) if line.strip() == "source:"), len(lines)) + 1
    depth = _depth(lines[start]) if start < len(lines) else 0
    found: dict[str, int] = {}
    for number in range(start, len(lines)):
        if lines[number].strip() and _depth(lines[number]) < depth:
            break
        if _depth(lines[number]) == depth:
            found.setdefault(lines[number].strip().partition(":")[0], number)
    return found


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _value(lines: Sequence[str], number: int | None) -> str:
    return "" if number is None else lines[number].partition(":")[2].strip().strip("\"'")


def _chart(url: str, name: str, revision: str) -> Chart:
    """An OCI chart's address has its name at the end, and its tag `_` for the `+` of a version."""
    if url.startswith("oci://"):
        return Chart(name, revision.replace("_", "+"), url.removesuffix(f"/{name}"))
    return Chart(name, revision, url)


def _repository(file: Path, mirrors: Mirrors) -> str:
    item = Document.read(file).root().data
    url = rewrite(item["spec"]["url"], mirrors)
    if url == item["spec"]["url"]:
        return file.read_text(encoding="utf-8")
    spec = {key: value for key, value in item["spec"].items() if key not in ("type", "insecure")} | {"url": url}
    if url.startswith("oci://"):
        spec["type"] = "oci"
    if plain_http(url):
        spec["insecure"] = True
    return go_yaml.dump({**item, "spec": spec}).decode()


def _repositories(directory: Path) -> Iterator[Path]:
    for path in resources(directory):
        file = directory / path
        if file.is_file() and Document.read(file).root().text("kind") == "HelmRepository":
            yield file


_FILES: Mapping[str, Callable[[Path], Iterator[Path]]] = {
    "helm": lambda directory: iter(sorted(directory.glob("*/upstream.env"))),
    "argocd": lambda directory: iter(included(directory)),
    "argocd-helm": lambda directory: iter(sorted((directory / "templates").glob("*.yaml"))),
    "flux": _repositories,
}
_REWRITTEN: Mapping[str, Callable[[Path, Mirrors], str]] = {
    "helm": _upstream,
    "argocd": _application,
    "argocd-helm": _application,
    "flux": _repository,
}


def _correct_checksums(file: Path, changed: Mapping[str, bytes]) -> None:
    """Those of the files that were changed, where the bundle has checksums."""
    if not changed or not file.is_file():
        return
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        _, _, name = line.partition("  ")
        data = changed.get(name.removeprefix("./"))
        lines.append(line if data is None else f"{hashlib.sha256(data).hexdigest()}  {name}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
