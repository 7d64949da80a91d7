"""What a chart's rendering depends on, besides its values.

Seen in its files, of which any may be a template (of any suffix, in `charts/` too, packed or not), and in values, which
`tpl` renders as well. In doubt the answer is yes: a chart that is rendered once more for nothing comes out as before.
"""

import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from harness.bundles.model import Folder

_WITHIN = rb"\{\{(?:(?!\}\}).)*?"  # an action of a template
_ASKING = re.compile(rb"APIVersions|" + _WITHIN + rb"\blookup\b", re.DOTALL)
# Functions of Helm and Sprig that give something else each time, or after an upgrade.
_CHANGING = re.compile(
    _WITHIN + rb"\b(?:rand\w*|gen[A-Z]\w+|uuidv4|shuffle|htpasswd|bcrypt|encryptAES|now|ago|getHostByName"
    rb"|Release\.Is(?:Upgrade|Install))\b",
    re.DOTALL,
)
_ARCHIVES = (".tgz", ".tar.gz")


@dataclass(frozen=True)
class Dependence:
    """`kinds`: on the API versions and objects of the cluster; `version`: on its version; `moment`: on when it is
    rendered.
    """

    kinds: bool = False
    version: bool = False
    moment: bool = False


def dependence(folder: Folder) -> Dependence:
    """Of a release whose chart is on disk, as a directory or an archive."""
    kinds = version = moment = False
    for content in _contents(folder):
        kinds = kinds or _ASKING.search(content) is not None
        version = version or b"KubeVersion" in content
        moment = moment or _CHANGING.search(content) is not None
    return Dependence(kinds, version, moment)


def _contents(folder: Folder) -> Iterator[bytes]:
    for name in ("values.yaml", "cluster-values.yaml"):
        values = folder.path / name
        if values.is_file():
            yield values.read_bytes()
    chart = folder.chart.path
    if chart is None:
        raise ValueError(f"the chart of {folder.release} is not on disk")
    files = [chart] if chart.is_file() else sorted(file for file in chart.rglob("*") if file.is_file())
    for file in files:
        yield from _unpacked(file.name, file.read_bytes())


def _unpacked(name: str, content: bytes) -> Iterator[bytes]:
    if not name.endswith(_ARCHIVES):
        yield content
        return
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                yield from _unpacked(member.name, file.read())
