"""Where a chart of a bundle comes from: a directory of the bundle, or a repository as each consumer writes it."""

import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.bundles.delivery import REMAKE
from harness.bundles.model import Chart
from harness.errors import DataError
from harness.formats.documents import Document

_NAMESPACE_OBJECT = re.compile(rb"^kind:\s*Namespace\s*$", re.MULTILINE)


def read_chart(directory: Path) -> Chart:
    """The chart in a directory, by its Chart.yaml. Raises DataError where that names no chart."""
    metadata = Document.read(directory / "Chart.yaml").root()
    return Chart(metadata.text("name", required=True), metadata.text("version", required=True), path=directory)


def remote_chart(file: Path) -> Chart:
    """CHART, REPO and VERSION, quoted for a shell; an OCI chart has its repository in CHART and an empty REPO."""
    found: dict[str, str] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise DataError(f"is not quoted properly: {error}", where=f"{file}:{number}", do=REMAKE) from error
        if not words:
            continue
        key, equals, value = words[0].partition("=")
        if len(words) > 1 or not equals or key not in ("CHART", "REPO", "VERSION"):
            raise DataError("is none of CHART, REPO and VERSION", where=f"{file}:{number}", do=REMAKE)
        found[key] = value
    chart, repository, version = (found.get(key, "") for key in ("CHART", "REPO", "VERSION"))
    if chart.startswith("oci://"):
        repository, _, chart = chart.rpartition("/")
    if not chart or not repository or not version:
        raise DataError("does not name a chart, its repository and its version", where=str(file), do=REMAKE)
    return Chart(chart, version, repository)


def upstream_env(chart: Chart) -> bytes:
    lines = {"CHART": chart.name, "REPO": chart.repository, "VERSION": chart.version}
    if chart.repository.startswith("oci://"):
        lines |= {"CHART": f"{chart.repository}/{chart.name}", "REPO": ""}
    return "".join(f"{key}={_quoted(value)}\n" for key, value in lines.items()).encode()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def remote_source(chart: Chart) -> dict[str, Any]:
    """An OCI chart is addressed by its whole path, and by its tag, in which `_` stands for the `+` of a version."""
    if chart.repository.startswith("oci://"):
        tag = chart.version.replace("+", "_")
        return {"repoURL": f"{chart.repository}/{chart.name}", "chart": chart.name, "targetRevision": tag}
    return {"repoURL": chart.repository, "chart": chart.name, "targetRevision": chart.version}


def argo_chart(url: str, name: str, revision: str) -> Chart:
    """An OCI chart's address has its name at the end, and its tag `_` for the `+` of a version."""
    if url.startswith("oci://"):
        return Chart(name, revision.replace("_", "+"), url.removesuffix(f"/{name}"))
    return Chart(name, revision, url)


def brings_namespace(templates: Iterable[bytes]) -> bool:
    """Whether a chart has a Namespace among its templates, told by its text: rendering it is Helm's business."""
    return any(_NAMESPACE_OBJECT.search(template) for template in templates)
