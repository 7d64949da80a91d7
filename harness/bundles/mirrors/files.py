"""Chart mirrors in one file of a bundle: what `upstream.env`, an Application or a HelmRepository says of its chart."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.bundles.charts import argo_chart, remote_chart, remote_source, upstream_env
from harness.bundles.kustomization import resources
from harness.bundles.mirrors.addresses import rewrite
from harness.errors import DataError
from harness.formats import go_yaml
from harness.formats.addresses import plain_http
from harness.formats.documents import Document

Mirrors = Mapping[str, str]

_REPOSITORY = re.compile(r"\s*(?:- )?repoURL:\s*[\"']?((?:https?|oci)://[^\s\"'{]+)[\"']?\s*")


def upstream(file: Path, mirrors: Mirrors) -> str:
    before = remote_chart(file)
    after = replace(before, repository=rewrite(before.repository, mirrors))
    return upstream_env(after).decode() if after != before else file.read_text(encoding="utf-8")


def application(file: Path, mirrors: Mirrors) -> str:
    """An Application, which may be a template of Helm: written like YAML, but none. So it is taken line by line."""
    lines, understood = file.read_text(encoding="utf-8").split("\n"), set[int]()
    for keys in _sources(lines):
        url, name, revision = (_value(lines, keys.get(key)) for key in ("repoURL", "chart", "targetRevision"))
        if not name:
            continue  # the source is the bundle itself
        understood.add(keys.get("repoURL", -1))
        if "{{" not in url:
            before = argo_chart(url, name, revision)
            after = replace(before, repository=rewrite(before.repository, mirrors))
            wanted = remote_source(after) if after != before else {}
            for key in keys.keys() & wanted.keys():
                if _value(lines, keys[key]) != wanted[key]:
                    lines[keys[key]] = f"{lines[keys[key]].partition(':')[0]}: {json.dumps(wanted[key])}"
    for number, line in enumerate(lines):
        left = _REPOSITORY.fullmatch(line)
        if left and rewrite(left[1], mirrors) != left[1] and number not in understood:
            raise DataError(f"has {left[1]}, which has a mirror, in a place that is not understood", where=str(file))
    return "\n".join(lines)


def _sources(lines: Sequence[str]) -> Iterator[dict[str, int]]:
    """The keys of each source of the Application, and in which line each is: of `source`, or the items of `sources`."""
    heads = [number for number, line in enumerate(lines) if line.strip() in ("source:", "sources:")]
    start = heads[0] + 1 if heads else len(lines)
    if start >= len(lines):
        return
    depth, several = _depth(lines[start]), lines[start].lstrip().startswith("- ")
    if several != (lines[start - 1].strip() == "sources:"):
        return
    item, found = depth + 2 * several, dict[str, int]()
    for number in range(start, len(lines)):
        line = lines[number]
        if several and line.startswith(f"{' ' * depth}- "):
            if found:
                yield found
            found, line = {}, line.replace("- ", "  ", 1)
        if line.strip() and _depth(line) < item:
            break
        if _depth(line) == item:
            found.setdefault(line.strip().partition(":")[0], number)
    if found:
        yield found


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _value(lines: Sequence[str], number: int | None) -> str:
    return "" if number is None else lines[number].partition(":")[2].strip().strip("\"'")


def repository(file: Path, mirrors: Mirrors) -> str:
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


def repositories(directory: Path) -> Iterator[Path]:
    """The files of a Flux bundle that name a repository of charts."""
    for path in resources(directory):
        file = directory / path
        if file.is_file() and Document.read(file).root().text("kind") == "HelmRepository":
            yield file
