"""Rules of Argo CD, about Applications as files and about the templates of a wrapper chart."""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.bundles.applications import folders, included
from harness.bundles.contract.delivered import Delivered
from harness.bundles.contract.rule import Finding, Rule
from harness.bundles.delivery import REMAKE
from harness.formats.documents import Block

_GIT = re.compile(r"YOUR[-_](?:ORG|REPO)|^(?:git|ssh)(?:@|://)|\.git(?:$|[\"'/?#\s])")
_FILE = re.compile(r'\.Files\.Get\s+"([^"]+)"')
_CHART = re.compile(r"^\s*repoURL:\s*[\"']?(oci://[^\s\"'{]+)", re.MULTILINE)
_PATH = re.compile(r"^\s*path:\s*[\"']?([^\s\"'{]+)", re.MULTILINE)


def git_placeholder(it: Delivered) -> Iterator[Finding]:
    """Sources in Git, and the placeholders that the command line writes where it was not told of a repository."""
    for where, source in _sources(it):
        url = source.text("repoURL")
        if _GIT.search(url) or (not source.text("chart") and not url.startswith("oci://")):
            yield where, f"has its files at {url}, and this artifact is not in Git"
    for file, text in it.templates.items():
        for line in text.splitlines():
            if "repoURL" in line and _GIT.search(line):
                yield str(file), f"has its files in Git: {line.strip()}"


def _sources(it: Delivered) -> Iterator[tuple[str, Block]]:
    """(where, source) of each Application."""
    for item in it.of("Application"):
        spec = item.block("spec")
        for source in (spec.block("source"), *spec.blocks("sources")):
            if source.data:
                yield source.where(), source


def values_reference(it: Delivered) -> Iterator[Finding]:
    for where, source in _sources(it):
        references = [path for path in source.block("helm").texts("valueFiles") if path.startswith("$")]
        if source.text("ref") or references:
            yield where, f"refers to values of another source ({(references or ['ref'])[0]}), which works with Git only"
    for file, text in it.templates.items():
        if "$values/" in text:
            yield str(file), "refers to values of another source ($values/), which works with Git only"


def stray_manifest(it: Delivered) -> Iterator[Finding]:
    for file in included(it.directory):
        if file.parent.parent != it.directory:
            yield str(file), "is taken for a manifest of the root: the pattern of its `include` also matches here"


def own_address(it: Delivered) -> Iterator[Finding]:
    for where, source in _sources(it):
        url, revision = source.text("repoURL"), source.text("targetRevision")
        own = (it.target.url, it.target.tag)
        if not source.text("chart") and url.startswith("oci://") and (url, revision) != own:
            yield where, f"is at {url}:{revision}, and the artifact at {it.target.url}:{it.target.tag}"


def missing_path(it: Delivered) -> Iterator[Finding]:
    for where, source in _sources(it):
        path = source.text("path")
        if path and path != ".":
            yield from ((where, what) for what in it.no_chart(path))
    yield from _missing_from_templates(it)


def _missing_from_templates(it: Delivered) -> Iterator[Finding]:
    names = {file.stem for file in it.templates}
    for name in folders(it.directory) if names else ():
        if name not in names:
            yield str(it.directory / "templates"), f"has no template for {name}"
    for file, text in it.templates.items():
        for path in _FILE.findall(text):
            if not (it.directory / path).is_file():
                yield str(file), f"takes in {path}, which does not exist: Helm takes it for empty"
        for path in _PATH.findall(text):
            if path != ".":
                yield from ((str(file), what) for what in it.no_chart(path))


def plain_http(it: Delivered) -> Iterator[Finding]:
    """Argo CD is told by a Secret, for the prefix of an address."""
    if it.applied is None:
        return
    told = tuple(url for item in it.applied for url in _told_plain(item))
    charts = {source.text("repoURL") for _, source in _sources(it)}
    charts |= {url for text in it.templates.values() for url in _CHART.findall(text)}
    for url in sorted({it.target.url, *charts}):
        if it.target.plain(url) and not url.startswith(told):
            yield "repo-creds", f"no Secret has `insecureOCIForceHttp` for {url}, whose registry has no TLS"


def _told_plain(item: Mapping[str, Any]) -> Iterator[str]:
    """The prefix of addresses that a repo-creds Secret declares to be without TLS."""
    labels = item["metadata"].get("labels") or {}
    if item["kind"] != "Secret" or labels.get("argocd.argoproj.io/secret-type") != "repo-creds":
        return
    encoded = {key: base64.b64decode(value).decode() for key, value in (item.get("data") or {}).items()}
    data = {**encoded, **(item.get("stringData") or {})}
    if data.get("url") and data.get("insecureOCIForceHttp") == "true":
        yield data["url"]


_ADDRESS = "make the bundle for the address under which it is published"

VALUES_REFERENCE = Rule("values-reference", values_reference, "have the values in the Application")
GIT_PLACEHOLDER = Rule("git-placeholder", git_placeholder, _ADDRESS)
OWN_ADDRESS = Rule("own-address", own_address, _ADDRESS)
STRAY_MANIFEST = Rule("stray-manifest", stray_manifest, "call the file something else")
MISSING_PATH = Rule("missing-path", missing_path, REMAKE)
PLAIN_HTTP = Rule("plain-http", plain_http, "say of every address that it has no TLS")
