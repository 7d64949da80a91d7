"""Helm, as a tool with no memory: each call gets a home of its own, and nothing of the user's leaks in.

Helm's index and chart caches are written without a lock, so two processes that share them now and then read half a
file (seen by others in one of ten runs); and HELM_NAMESPACE, plugins or repositories of the user would make the same
bundle install differently on another machine. The calls run in an empty directory, because Helm prefers a directory
that happens to be called like a chart to the chart in the repository.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from harness.bundles.model import Chart, Folder
from harness.errors import VerdictFailed
from harness.formats import go_yaml
from harness.formats.addresses import plain_http
from harness.helm.messages import explain
from harness.processes import commands
from harness.processes.commands import ALL, CommandFailed, Completed, Scope
from harness.publishing.oci.address import Access
from harness.publishing.oci.credentials import Credentials

_RENDER_TIMEOUT = 120.0  # seconds; the largest chart known renders in 3, a download over a slow line takes longer
_READ_TIMEOUT = 60.0  # seconds
_GRACE = 30.0  # seconds that helm gets beyond its own --timeout, which covers each hook and not the download


class RenderFailed(VerdictFailed):
    """A chart does not render with the bundle's values."""


class InstallFailed(VerdictFailed):
    """Helm could not install a release; `completed` is the command and all that it said."""

    def __init__(self, what: str, *, where: str, do: str, completed: Completed) -> None:
        super().__init__(what, where=where, do=do)
        self.completed = completed


class Helm:
    """Drives the helm at `binary`. `home` is a directory for short-lived homes, one for each call.

    Without a `kubeconfig` only `template` is of use; the user's own kubeconfig is never read.
    Calls under way end with `scope`.
    """

    def __init__(self, binary: Path, home: Path, kubeconfig: Path | None = None, *, scope: Scope = ALL) -> None:
        self._binary = binary.absolute()  # all three, since the calls run elsewhere
        self._home = home.absolute()
        self._kubeconfig = kubeconfig.absolute() if kubeconfig else Path(os.devnull)
        self._scope = scope

    def fetch(self, folder: Folder, directory: Path) -> Path:
        """The archive of a chart that is elsewhere, put into `directory`. Raises RenderFailed."""
        directory.mkdir(parents=True)
        words = ["pull", *_source(folder.chart), "--destination", str(directory.absolute())]
        try:
            self._run(words, timeout=_RENDER_TIMEOUT)
        except CommandFailed as error:
            message, do = explain(error)
            raise RenderFailed(message, where=_where(folder), do=do) from error
        (archive,) = directory.iterdir()
        return archive

    def template(
        self,
        folder: Folder,
        *,
        kube_version: str,
        api_versions: Sequence[str] = (),
        lookup: bool = False,
        upgrade: bool = False,
    ) -> list[dict[str, Any]]:
        """The objects that a release consists of, CRDs and hooks included, tests left out, Lists taken apart.

        `api_versions` ("apps/v1", "example.com/v1/Widget") are what charts may ask for beyond the built-in ones.
        With `lookup`, charts look up objects in the cluster of the kubeconfig; else no cluster is asked, and they find
        none. With `upgrade` the chart is told that it is installed already. Objects that are returned twice are the
        same objects: they are not to be changed. Raises RenderFailed.
        """
        words = ["template", *_chart(folder), "--include-crds", "--skip-tests", "--kube-version", kube_version]
        words += ["--dry-run=server"] if lookup else []
        words += ["--is-upgrade"] if upgrade else []
        for version in api_versions:
            words += ["--api-versions", version]
        try:
            completed = self._run(words, timeout=_RENDER_TIMEOUT)
        except CommandFailed as error:
            message, do = explain(error)
            raise RenderFailed(f"the chart does not render: {message}", where=_where(folder), do=do) from error
        return objects(completed.stdout, folder)

    def install(self, folder: Folder, *, timeout: float) -> Completed:
        """Install or upgrade a release, in a namespace that is made where it is missing.

        Waits for hooks, up to `timeout` seconds each, and for nothing else. Raises InstallFailed. Uninstall
        before a second try: to Helm that is an upgrade, which leaves out a pre-install hook that failed, and succeeds.
        """
        words = ["upgrade", "--install", *_chart(folder), "--create-namespace", "--timeout", f"{timeout:g}s"]
        if folder.owns_namespace:
            words.append("--take-ownership")
        try:
            return self._run(words, timeout=timeout + _GRACE)
        except CommandFailed as error:
            message, do = explain(error)
            raise InstallFailed(
                f"helm could not install release {folder.release}: {message}",
                where=_where(folder),
                do=do,
                completed=error.completed,
            ) from error

    def install_chart(
        self,
        release: str,
        namespace: str,
        chart: str,
        *,
        version: str,
        values: Mapping[str, str],
        timeout: float,
        repository: str = "",
        registry: Access | None = None,
        wait: bool = False,
    ) -> Completed:
        """Install a chart from a `repository`, or from a `registry`, by default one without TLS; `wait` until what it
        brings is ready. Raises InstallFailed.
        """
        words = ["upgrade", "--install", release, f"{chart}", "--version", version]
        if repository:
            words += ["--repo", repository]
        elif registry is None or registry.address.plain_http:
            words.append("--plain-http")
        elif registry.authority is not None:
            words += ["--ca-file", str(registry.authority)]
        words += ["--namespace", namespace, "--create-namespace", "--timeout", f"{timeout:.0f}s"]
        words += ["--wait"] if wait else []
        for key, value in values.items():
            words += ["--set-string", f"{key}={value}"]
        try:
            return self._run(words, timeout=timeout + _GRACE, registry=registry)
        except CommandFailed as error:
            message, do = explain(error)
            raise InstallFailed(
                f"helm could not install release {release}: {message}", where=chart, do=do, completed=error.completed
            ) from error

    def releases(self, *, timeout: float = _READ_TIMEOUT) -> list[dict[str, Any]]:
        """All releases of the cluster in any state, as `helm list` gives them: name, namespace, status, chart, ..."""
        completed = self._run(["list", "--all", "--all-namespaces", "--max", "0", "--output", "json"], timeout=timeout)
        found: list[dict[str, Any]] = json.loads(completed.stdout)
        return found

    def status(self, release: str, namespace: str, *, timeout: float = _READ_TIMEOUT) -> str:
        """What `helm status` prints for people."""
        return self._run(["status", release, "--namespace", namespace], timeout=timeout).stdout

    def uninstall(self, release: str, namespace: str, *, timeout: float) -> Completed:
        """Remove a release; one that is not there is fine. Waits for hooks, up to `timeout` seconds each."""
        words = ["uninstall", release, "--namespace", namespace, "--ignore-not-found", "--timeout", f"{timeout:g}s"]
        return self._run(words, timeout=timeout + _GRACE)

    def _run(self, words: Sequence[str], *, timeout: float, registry: Access | None = None) -> Completed:
        self._home.mkdir(parents=True, exist_ok=True)
        home = Path(tempfile.mkdtemp(prefix="call-", dir=self._home))  # for its owner's eyes only
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HELM_")}
        environment |= {f"HELM_{kind.upper()}_HOME": str(home / kind) for kind in ("cache", "config", "data")}
        # Its client keeps what it learns of an API server in ~/.kube/cache, by address: the next cluster on the same
        # port would be taken for the last one.
        environment["HOME"] = str(home)
        environment["HELM_NO_PLUGINS"] = "1"
        environment["KUBECONFIG"] = str(self._kubeconfig)
        empty = home / "empty"
        empty.mkdir()
        if registry is not None and registry.credentials is not None:
            _log_in(home / "config" / "registry" / "config.json", registry.address.host, registry.credentials)
        try:
            return commands.run([self._binary, *words], timeout=timeout, env=environment, cwd=empty, scope=self._scope)
        finally:
            shutil.rmtree(home, ignore_errors=True)


def _log_in(file: Path, host: str, credentials: Credentials) -> None:
    """Where Helm looks for credentials: no word of a command line, and gone with the home."""
    file.parent.mkdir(parents=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(credentials.docker_config(host))


def _where(folder: Folder) -> str:
    return f"{folder.path.name} (component {folder.component})"


def _chart(folder: Folder) -> list[str]:
    """Release, chart, namespace and values: the words that rendering and installing have in common."""
    path = folder.path.absolute()
    values = ["--values", str(path / "values.yaml"), "--values", str(path / "cluster-values.yaml")]
    return [folder.release, *_source(folder.chart), "--namespace", folder.namespace, *values]


def _source(chart: Chart) -> list[str]:
    if chart.path is not None:
        return [str(chart.path.absolute())]
    if chart.repository.startswith("oci://"):
        plain = ["--plain-http"] if plain_http(chart.repository) else []
        return [f"{chart.repository}/{chart.name}", "--version", chart.version, *plain]
    return [chart.name, "--repo", chart.repository, "--version", chart.version]


def objects(manifest: str, folder: Folder) -> list[dict[str, Any]]:
    """What a manifest consists of that helm printed or kept, Lists taken apart. Raises RenderFailed.

    Most of a recipe is rendered more than once, and most of that comes out as before: what was read once is not read
    again, so nobody may change it.
    """
    try:
        documents = [document for part in _BETWEEN.split(manifest) for document in _read(part)]
    except yaml.YAMLError as error:
        raise RenderFailed(f"the chart renders to invalid YAML: {error}", where=_where(folder)) from error
    return [item for document in documents if document is not None for item in _flat(document, folder)]


_BETWEEN = re.compile(r"^---(?=\s)", re.MULTILINE)  # at the start of a line it is nothing else
_read = lru_cache(maxsize=1 << 12)(go_yaml.load_all)


def _flat(document: Any, folder: Folder) -> Iterator[dict[str, Any]]:
    kind = document.get("kind") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not kind or not document.get("apiVersion"):
        raise RenderFailed(
            f"the chart renders something that is not a Kubernetes object: {str(document)[:200]}", where=_where(folder)
        )
    if not isinstance(kind, str) or not isinstance(document["apiVersion"], str):
        raise RenderFailed(
            f"the chart renders an object whose kind or apiVersion is not a string: {str(document)[:200]}",
            where=_where(folder),
        )
    if kind.endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _flat(item, folder)
    else:
        yield document
