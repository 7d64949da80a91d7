"""Artifacts: their bytes depend on names and content alone, and consumers find in them what they look for."""

import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from harness.errors import DataError
from harness.publishing.oci.artifact import (
    Artifact,
    chart_tag,
    content_digest,
    digest_of,
    pack_chart,
    pack_directory,
    tag_for,
    unpack,
)

BUNDLE = {
    "kustomization.yaml": "resources: [sources/repo.yaml]\n",
    "sources/repo.yaml": "kind: HelmRepository\n",
    "001-nfd/chart/templates/daemonset.yaml": "kind: DaemonSet\n",
    "é.txt": "é",
    f"{'deep/' * 30}{'name' * 20}.yaml": "x: 1\n",
}
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: stack\nversion: 1.2.0\nappVersion: 1.10\n",
    "values.yaml": "a: 1\n",
    "templates/config.yaml": "kind: ConfigMap\n",
    "templates/.hidden": "",
}


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return directory


def entries(artifact: Artifact) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(artifact.layer)) as tar:
        return tar.getmembers()


def files(artifact: Artifact) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(artifact.layer)) as tar:
        for entry in tar.getmembers():
            content = tar.extractfile(entry)
            if content is not None:
                found[entry.name] = content.read()
    return found


def test_same_files_same_digest_wherever_and_whenever(tmp_path: Path) -> None:
    """Another place, order of creation, time, mode, umask and empty directories change nothing."""
    one = write(tmp_path / "one", BUNDLE)
    umask = os.umask(0o077)
    try:
        two = write(tmp_path / "elsewhere" / "two", dict(reversed(BUNDLE.items())))
    finally:
        os.umask(umask)
    (two / "empty").mkdir()
    (two / "kustomization.yaml").chmod(0o755)
    os.utime(two / "kustomization.yaml", (1, 1))
    assert pack_directory(one) == pack_directory(two)
    assert pack_directory(one).digest == pack_directory(two).digest


@pytest.mark.parametrize(
    "change", [{"kustomization.yaml": "resources: []\n"}, {"sources/more.yaml": ""}, {"sources/repo.yam": ""}]
)
def test_other_files_other_digest(tmp_path: Path, change: dict[str, str]) -> None:
    """A changed byte or one more file, even an empty one, is another artifact."""
    before = pack_directory(write(tmp_path, BUNDLE))
    assert pack_directory(write(tmp_path, change)).digest != before.digest


def test_digest_does_not_change_from_release_to_release(tmp_path: Path) -> None:
    """The format itself is fixed: uncompressed, so that no other zlib makes a difference."""
    write(tmp_path, {"a/b.txt": "b", "c.txt": "c"})
    tar = gzip.decompress(pack_directory(tmp_path).layer)
    assert digest_of(tar) == "sha256:254b3be8fe3d7f19abcc410133461be1d655cadb66c592f30b015044baa18f96"


def test_layer_has_the_files_at_its_root(tmp_path: Path) -> None:
    """No top directory, for Argo CD and Flux look for files at the root; long and foreign names survive."""
    artifact = pack_directory(write(tmp_path / "bundle", BUNDLE))
    assert files(artifact) == {name: text.encode() for name, text in BUNDLE.items()}


def test_entries_are_sorted_and_nobodys(tmp_path: Path) -> None:
    """Names in order, directories before what is in them, time 0, owner 0 without a name, modes 0644 and 0755."""
    found = entries(pack_directory(write(tmp_path, BUNDLE)))
    names = [entry.name for entry in found]
    assert names == sorted(names)
    assert names.index("001-nfd") < names.index("001-nfd/chart") < names.index("001-nfd/chart/templates")
    assert {(entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname) for entry in found} == {(0, 0, 0, "", "")}
    assert {(entry.isdir(), entry.mode) for entry in found} == {(True, 0o755), (False, 0o644)}


def test_gzip_header_says_nothing(tmp_path: Path) -> None:
    """No name, no time, no system: ten bytes that are always the same."""
    assert pack_directory(write(tmp_path, BUNDLE)).layer[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"


def test_manifest_of_a_directory(tmp_path: Path) -> None:
    """The media types that bundles of the aicr command line have, one layer, sizes and digests of what is pushed."""
    artifact = pack_directory(write(tmp_path, BUNDLE))
    assert json.loads(artifact.manifest) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.nvidia.aicr.artifact",
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "size": 2,
        },
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": digest_of(artifact.layer),
                "size": len(artifact.layer),
            }
        ],
        "annotations": {"org.opencontainers.image.created": "1970-01-01T00:00:00Z"},
    }


def test_symbolic_links_are_refused(tmp_path: Path) -> None:
    """A link to a file, to a directory or to nothing is an error that names it: its target is not in the artifact."""
    for target in ("kustomization.yaml", "sources", "nowhere"):
        directory = write(tmp_path / target, BUNDLE)
        (directory / "sources" / "link").symlink_to(directory / target)
        with pytest.raises(DataError, match="symbolic link") as raised:
            pack_directory(directory)
        assert raised.value.where == str(directory / "sources" / "link")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A pipe is not waited for."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="neither a file nor a directory"):
        pack_directory(tmp_path)


def test_nothing_to_pack_is_an_error(tmp_path: Path) -> None:
    """An empty or absent directory makes no artifact, since nothing would be deployed from it."""
    with pytest.raises(DataError, match="contains no files"):
        pack_directory(tmp_path)
    with pytest.raises(DataError, match="No such file"):
        pack_directory(tmp_path / "absent")


def test_chart_is_in_a_directory_of_its_name(tmp_path: Path) -> None:
    """Files as they are, but those that Helm leaves out, below one directory, which Helm and Argo CD expect."""
    artifact = pack_chart(write(tmp_path / "any", CHART))
    wanted = {f"stack/{name}": text.encode() for name, text in CHART.items() if name != "templates/.hidden"}
    assert files(artifact) == wanted


def test_chart_leaves_out_what_helmignore_says(tmp_path: Path) -> None:
    """.helmignore of the chart counts, that of a chart within it does not; a directory goes with all that is in it."""
    write(tmp_path, CHART | {".helmignore": "*.bak\ndocs/\n", "x.bak": "", "docs/deep/y.md": "", "docs.md": ""})
    write(tmp_path, {"charts/sub/.helmignore": "values.yaml\n", "charts/sub/values.yaml": ""})
    names = files(pack_chart(tmp_path)).keys()
    assert {"stack/docs.md", "stack/charts/sub/values.yaml"} <= names
    assert not {"stack/x.bak", "stack/docs/deep/y.md"} & names


def test_chart_files_lose_their_byte_order_mark(tmp_path: Path) -> None:
    """As Helm does it, for the mark would be part of the first key, or the first pattern."""
    write(tmp_path, CHART | {"a.bak": ""})
    (tmp_path / "values.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    (tmp_path / ".helmignore").write_bytes(b"\xef\xbb\xbf*.bak\n")
    found = files(pack_chart(tmp_path))
    assert found["stack/values.yaml"] == b"a: 1\n"
    assert "stack/a.bak" not in found


def test_chart_config_is_its_metadata(tmp_path: Path) -> None:
    """The config is Chart.yaml as Helm reads it: texts where it wants texts, and no field that it does not know."""
    maintainers = "maintainers: [{name: me}]\nx-own: 1\nannotations: {}\n"
    artifact = pack_chart(write(tmp_path, {"Chart.yaml": CHART["Chart.yaml"] + maintainers}))
    assert json.loads(artifact.config) == {
        "apiVersion": "v2",
        "name": "stack",
        "version": "1.2.0",
        "appVersion": "1.1",
        "maintainers": [{"name": "me"}],
    }
    document = json.loads(artifact.manifest)
    assert document["config"]["mediaType"] == "application/vnd.cncf.helm.config.v1+json"
    assert [layer["mediaType"] for layer in document["layers"]] == [
        "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
    ]
    assert document["annotations"]["org.opencontainers.image.version"] == "1.2.0"
    assert "artifactType" not in document


@pytest.mark.parametrize(
    ("written", "read"), [("1.10", "1.1"), ("2.0", "2"), ("3", "3"), ("true", "true"), ("'1.10'", "1.10")]
)
def test_chart_config_has_texts_as_go_reads_them(tmp_path: Path, written: str, read: str) -> None:
    """A number or a truth value becomes the text that it is to Helm; a chart without apiVersion is v1."""
    write(tmp_path, {"Chart.yaml": f"name: stack\nversion: 1.2.0\nappVersion: {written}\n"})
    config = json.loads(pack_chart(tmp_path).config)
    assert (config["appVersion"], config["apiVersion"]) == (read, "v1")


def test_chart_takes_another_version(tmp_path: Path) -> None:
    """A version given replaces that in Chart.yaml everywhere, even one that no registry could hold."""
    write(tmp_path, {"Chart.yaml": "apiVersion: v2\nname: stack\nversion: dev\ndescription: '1.0'\n"})
    artifact = pack_chart(tmp_path, version="0.0.0-abc-argocd-helm-oci")
    assert json.loads(artifact.config)["version"] == "0.0.0-abc-argocd-helm-oci"
    assert b"version: 0.0.0-abc-argocd-helm-oci\n" in files(artifact)["stack/Chart.yaml"]
    assert artifact.annotations["org.opencontainers.image.version"] == "0.0.0-abc-argocd-helm-oci"


def test_chart_without_a_version_given_keeps_its_bytes(tmp_path: Path) -> None:
    """Comments and order of an author's Chart.yaml survive."""
    text = "# mine\nversion: 1.2.0 # this\nname: stack\napiVersion: v2\n"
    assert (
        files(pack_chart(write(tmp_path, {"Chart.yaml": text}), version="1.2.0"))["stack/Chart.yaml"] == text.encode()
    )


@pytest.mark.parametrize("version", ["1.2.0", "v25.12.0", "1.2", "0.0.0-0a1b2c-argocd-helm-oci", "1.0.0-rc.1+build.5"])
def test_versions_that_helm_asks_for_by_tag(tmp_path: Path, version: str) -> None:
    """All that Helm reads as one version, charts with a v in front among them."""
    write(tmp_path, {"Chart.yaml": f"apiVersion: v2\nname: stack\nversion: '{version}'\n"})
    assert json.loads(pack_chart(tmp_path).config)["version"] == version


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("apiVersion: v2\nname: stack\nversion: dev\n", "version 'dev'"),
        ("apiVersion: v2\nname: stack\n", "version ''"),
        ("apiVersion: v2\nname: stack\nversion: 1.2.0-01\n", "version '1.2.0-01'"),
        ("apiVersion: v2\nversion: 1.2.0\n", "names its chart ''"),
        ("apiVersion: v2\nname: ../stack\nversion: 1.2.0\n", "names its chart"),
        ("apiVersion: v2\nname: Stack\nversion: 1.2.0\n", "names its chart"),
        ("[]\n", "no mapping"),
        ("a: [\n", "not valid YAML"),
        (None, "no chart"),
    ],
)
def test_charts_that_helm_would_not_find(tmp_path: Path, text: str | None, message: str) -> None:
    """Wrong metadata is an error of the data that names Chart.yaml, seen before anything is pushed."""
    write(tmp_path, {"values.yaml": ""} | ({"Chart.yaml": text} if text is not None else {}))
    with pytest.raises(DataError, match=message) as raised:
        pack_chart(tmp_path)
    assert raised.value.where == str(tmp_path / "Chart.yaml")


def test_tags_name_lane_and_content() -> None:
    """The form of the bash harness, with the content in the place of the commit; a chart's is strict SemVer."""
    digest = "sha256:" + "0123456789ab" + "f" * 52
    assert tag_for("flux-oci", digest) == "0123456789ab-flux-oci"
    assert tag_for("argocd-helm-oci", digest, chart=True) == "0.0.0-0123456789ab-argocd-helm-oci"
    with pytest.raises(ValueError, match="not a digest"):
        tag_for("flux-oci", "0123456789ab")


def test_chart_tag_has_no_plus() -> None:
    """As Helm writes build metadata into a tag."""
    assert chart_tag("1.0.0+b7.x") == "1.0.0_b7.x"


def test_content_digest_is_that_of_the_files() -> None:
    """Order does not count; names, contents and where one file ends and the next begins do."""
    known = {"a": b"1", "b": b"2"}
    assert content_digest(known) == content_digest(dict(reversed(known.items())))
    others = ({"a": b"2", "b": b"1"}, {"a": b"1", "c": b"2"}, {"a": b"12"}, {"a": b"1", "b": b"2", "c": b""})
    assert len({content_digest(each) for each in (known, *others)}) == 5


def test_a_layer_is_unpacked_as_it_was_packed(tmp_path: Path) -> None:
    """Every file with its bytes, below its directories."""
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"1")
    (tmp_path / "a" / "deep" / "two").write_bytes(b"2")
    unpack(pack_directory(tmp_path / "a").layer, tmp_path / "b")
    assert pack_directory(tmp_path / "b") == pack_directory(tmp_path / "a")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("../out", tarfile.REGTYPE), ("/out", tarfile.REGTYPE), ("link", tarfile.SYMTYPE), ("pipe", tarfile.FIFOTYPE)],
)
def test_a_layer_with_more_than_files_is_refused(name: str, kind: bytes, tmp_path: Path) -> None:
    """Whoever packed it: nothing is written beside the directory, and no link is followed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, "/etc/hostname"
        tar.addfile(entry, io.BytesIO(b""))
    with pytest.raises(DataError, match="not a file below its root"):
        unpack(buffer.getvalue(), tmp_path / "b")
    assert list(tmp_path.rglob("*")) == [tmp_path / "b"]


@pytest.mark.parametrize(
    "layer",
    [b"", b"no archive", gzip.compress(b"no tar"), gzip.compress(b"x" * 2000)[:-20]],
    ids=["nothing", "no archive", "no tar", "cut off"],
)
def test_what_is_no_archive_is_told(layer: bytes, tmp_path: Path) -> None:
    """One error, not a traceback of the tar module."""
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(layer, tmp_path / "b")
