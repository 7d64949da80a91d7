"""What a chart's rendering depends on, read from its files."""

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness.bundles.model import Chart, Folder
from harness.expected.charts import Dependence, dependence

NOTHING = Dependence()
KINDS, VERSION, MOMENT = Dependence(kinds=True), Dependence(version=True), Dependence(moment=True)


def archive(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as made:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        made.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def folder(tmp_path: Path, file: str, content: bytes) -> Folder:
    path = tmp_path / "chart" / file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return Folder(1, "app", "app", "ns", tmp_path, Chart("app", "1", "", tmp_path / "chart"))


@pytest.mark.parametrize(
    ("text", "depends"),
    [
        ('{{ if .Capabilities.APIVersions.Has "policy/v1/PodDisruptionBudget" }}', KINDS),
        ("{{- $c := .Capabilities -}}{{ $c.APIVersions }}", KINDS),
        ('{{ if (lookup "v1" "Namespace" "" "x") }}', KINDS),
        ('{{\n  $x := lookup "v1" "Secret" "" "" -}}', KINDS),
        ("a lookup in prose, {{ .Values.x }} and after it", NOTHING),
        ("{{ .Capabilities.KubeVersion.Minor }}", VERSION),
        ("{{ randAlphaNum 5 | quote }}", MOMENT),
        ('{{ $ca := genCA "x" 1 }}', MOMENT),
        ('{{ now | date "2006" }}', MOMENT),
        ("{{ uuidv4 }}", MOMENT),
        ("{{ if .Release.IsUpgrade }}", MOMENT),
        ("{{ .Values.genuine }} {{ .Values.known }}", NOTHING),
        ("{{ .Release.Name }}", NOTHING),
        ("it happens now: {{ .Values.a }}", NOTHING),
    ],
)
@pytest.mark.parametrize("file", ["templates/a.yaml", "templates/_h.tpl", "templates/a.json", "templates/a.yml.in"])
def test_what_a_file_asks_for(tmp_path: Path, file: str, text: str, depends: Dependence) -> None:
    """Files of any suffix may be templates; only actions of templates count, not prose."""
    assert dependence(folder(tmp_path, file, text.encode())) == depends


def test_archives_are_looked_into(tmp_path: Path) -> None:
    """A chart in charts/ may be packed, and so may be one in there; or the chart itself."""
    inner = archive("sub/templates/x.txt", b"{{ lookup }}")
    packed = folder(tmp_path, "charts/sub.tgz", archive("mid/charts/inner.tgz", inner))
    assert dependence(packed) == KINDS
    whole = replace(packed, chart=replace(packed.chart, path=tmp_path / "chart/charts/sub.tgz"))
    assert dependence(whole) == KINDS


def test_values_may_be_templates(tmp_path: Path) -> None:
    """`tpl` renders them."""
    made = folder(tmp_path, "Chart.yaml", b"name: app\n")
    assert dependence(made) == NOTHING
    (tmp_path / "values.yaml").write_text("token: '{{ randAlphaNum 5 }}'\n")
    assert dependence(made) == MOMENT


def test_a_chart_that_is_not_on_disk_is_a_defect_of_the_caller() -> None:
    """It is not taken for one that asks nothing."""
    with pytest.raises(ValueError, match="not on disk"):
        dependence(Folder(1, "app", "app", "ns", Path("nowhere"), Chart("app", "1", "http://x")))
