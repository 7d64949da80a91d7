import json
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.bundles.model import Chart, Folder
from harness.exits import Exit
from harness.helm.client import Helm, InstallFailed, RenderFailed, objects
from harness.processes.commands import CommandFailed

STAND_IN = """#!{python}
import json, os, pathlib, sys, time
call = {{"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(), "here": os.listdir()}}
pathlib.Path({log!r}, str(os.getpid())).write_text(json.dumps(call))
pathlib.Path(os.environ["HELM_CACHE_HOME"]).mkdir()
time.sleep({sleep})
sys.stderr.write({stderr!r})
sys.stdout.write({stdout!r})
sys.exit({status})
"""


class StandIn:
    """A helm that says and returns what it is told, and records how it was called."""

    def __init__(
        self, directory: Path, stdout: str = "", *, stderr: str = "", status: int = 0, sleep: float = 0.0
    ) -> None:
        self.binary = directory / "helm"
        self._log = directory / "calls"
        self._log.mkdir()
        log, python = str(self._log), sys.executable
        self.binary.write_text(
            STAND_IN.format(python=python, log=log, stdout=stdout, stderr=stderr, status=status, sleep=sleep)
        )
        self.binary.chmod(0o755)

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(file.read_text()) for file in self._log.iterdir()]

    @property
    def call(self) -> dict[str, Any]:
        (only,) = self.calls
        return only


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A release with a chart of its own."""
    path = tmp_path / "bundle" / "007-device-plugin"
    return Folder(7, "device-plugin", "gpu-operator", "gpu", path, Chart("plugin", "1.0.0", path=path / "chart"))


def helm(stand_in: StandIn, tmp_path: Path) -> Helm:
    return Helm(stand_in.binary, tmp_path / "home", tmp_path / "kubeconfig")


def rendered(text: str, tmp_path: Path, folder: Folder) -> list[dict[str, Any]]:
    return helm(StandIn(tmp_path, text), tmp_path).template(folder, kube_version="v1.34.10")


def test_nothing_of_the_users_helm_reaches_a_call(
    tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contexts, namespaces, plugins and repositories of the user would change what is installed, and where."""
    for name in ("HELM_NAMESPACE", "HELM_KUBECONTEXT", "HELM_DRIVER", "HELM_PLUGINS", "HELM_CACHE_HOME", "KUBECONFIG"):
        monkeypatch.setenv(name, "of-the-user")
    monkeypatch.setenv("HTTPS_PROXY", "proxy")
    stand_in = StandIn(tmp_path)
    helm(stand_in, tmp_path).install(folder, timeout=10)
    environment = stand_in.call["env"]
    assert "of-the-user" not in environment.values()
    assert environment["KUBECONFIG"] == str(tmp_path / "kubeconfig")
    assert environment["HELM_NO_PLUGINS"] == "1"
    assert environment["HTTPS_PROXY"] == "proxy"


def test_without_a_kubeconfig_no_cluster_is_reachable(
    tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rendering must not depend on what the user is connected to."""
    monkeypatch.setenv("KUBECONFIG", "of-the-user")
    stand_in = StandIn(tmp_path)
    Helm(stand_in.binary, tmp_path / "home").template(folder, kube_version="v1.34.10")
    assert stand_in.call["env"]["KUBECONFIG"] == "/dev/null"


def test_calls_at_the_same_time_share_no_home(tmp_path: Path, folder: Folder) -> None:
    """Helm's caches have no lock; each call has its own, below the given directory, and takes it away again."""
    stand_in = StandIn(tmp_path, sleep=0.3)
    tool = helm(stand_in, tmp_path)
    threads = [threading.Thread(target=tool.install, args=(folder,), kwargs={"timeout": 10}) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    homes = [call["env"][f"HELM_{kind}_HOME"] for call in stand_in.calls for kind in ("CACHE", "CONFIG", "DATA")]
    assert len(set(homes)) == 6
    assert all(Path(home).is_relative_to(tmp_path / "home") for home in homes)
    assert list((tmp_path / "home").iterdir()) == []


def test_a_directory_called_like_a_chart_does_not_stand_in_for_it(
    tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Helm prefers a local directory to the repository, so it runs where there is none."""
    (tmp_path / "here" / "gpu-operator").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    stand_in = StandIn(tmp_path)
    remote = replace(folder, chart=Chart("gpu-operator", "v26.3.1", "https://charts.example.com/nvidia"))
    helm(stand_in, tmp_path).install(remote, timeout=10)
    assert stand_in.call["here"] == []


def test_a_relative_binary_and_bundle_are_found(
    tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths are those of the harness's directory, not of the one that helm runs in."""
    monkeypatch.chdir(tmp_path)
    stand_in = StandIn(tmp_path)
    chart = replace(folder.chart, path=Path("bundle/007-device-plugin/chart"))
    relative = replace(folder, path=Path("bundle/007-device-plugin"), chart=chart)
    Helm(Path("helm"), Path("home"), Path("kubeconfig")).install(relative, timeout=10)
    assert stand_in.call["env"]["KUBECONFIG"] == str(tmp_path / "kubeconfig")
    words = stand_in.call["argv"]
    assert words[3] == str(tmp_path / "bundle/007-device-plugin/chart")
    assert str(tmp_path / "bundle/007-device-plugin/values.yaml") in words


REMOTE = Chart("gpu-operator", "v26.3.1", "https://charts.example.com/nvidia")
OCI = Chart("scheduler", "0.14.1", "oci://registry.example.com/charts")


@pytest.mark.parametrize(
    ("chart", "source"),
    [
        (REMOTE, ["gpu-operator", "--repo", "https://charts.example.com/nvidia", "--version", "v26.3.1"]),
        (OCI, ["oci://registry.example.com/charts/scheduler", "--version", "0.14.1"]),
    ],
)
def test_install_says_all_that_matters(tmp_path: Path, folder: Folder, chart: Chart, source: list[str]) -> None:
    """Values in order, a namespace that is made, a bound for hooks, and no waiting for pods that never get ready."""
    stand_in = StandIn(tmp_path)
    helm(stand_in, tmp_path).install(replace(folder, chart=chart), timeout=90)
    assert stand_in.call["argv"] == [
        *["upgrade", "--install", "device-plugin", *source, "--namespace", "gpu"],
        *["--values", str(folder.path / "values.yaml"), "--values", str(folder.path / "cluster-values.yaml")],
        *["--create-namespace", "--timeout", "90s"],
    ]


def test_a_chart_that_brings_its_namespace_takes_it_over(tmp_path: Path, folder: Folder) -> None:
    """Helm makes the namespace for the release to live in, and would then refuse the chart's own."""
    stand_in = StandIn(tmp_path)
    helm(stand_in, tmp_path).install(replace(folder, owns_namespace=True), timeout=90)
    assert stand_in.call["argv"][-1] == "--take-ownership"


def test_rendering_asks_for_crds_and_hooks_and_no_tests(tmp_path: Path, folder: Folder) -> None:
    """All that an install would create, for the Kubernetes version of the cluster."""
    stand_in = StandIn(tmp_path)
    helm(stand_in, tmp_path).template(folder, kube_version="v1.34.10", api_versions=["a/v1", "a/v1/B"])
    words = stand_in.call["argv"]
    assert words[:3] == ["template", "device-plugin", str(folder.chart.path)]
    assert "--include-crds" in words
    assert "--skip-tests" in words
    assert "--no-hooks" not in words
    assert words[words.index("--kube-version") + 1] == "v1.34.10"
    assert words[-4:] == ["--api-versions", "a/v1", "--api-versions", "a/v1/B"]
    assert not {"--dry-run=server", "--is-upgrade"} & set(words)


def test_rendering_may_look_up_and_be_an_upgrade(tmp_path: Path, folder: Folder) -> None:
    """Both are asked of helm in its own words."""
    stand_in = StandIn(tmp_path)
    helm(stand_in, tmp_path).template(folder, kube_version="v1.34.10", lookup=True, upgrade=True)
    assert {"--dry-run=server", "--is-upgrade"} < set(stand_in.call["argv"])


FETCHED = [
    (Chart("plugin", "1.0.0", "http://charts.example"), ["plugin", "--repo", "http://charts.example"], []),
    (Chart("plugin", "1.0.0", "oci://a.example/x"), ["oci://a.example/x/plugin"], []),
    (Chart("plugin", "1.0.0", "oci://localhost:5500/x"), ["oci://localhost:5500/x/plugin"], ["--plain-http"]),
]


@pytest.mark.parametrize(("chart", "source", "more"), FETCHED)
def test_a_chart_is_fetched_from_where_it_would_be_installed(
    tmp_path: Path, folder: Folder, chart: Chart, source: list[str], more: list[str]
) -> None:
    """The archive is the one file that helm leaves in the directory."""
    stand_in = StandIn(tmp_path)
    into = tmp_path / "charts" / "plugin"
    with pytest.raises(ValueError, match="not enough values"):  # this one leaves none
        helm(stand_in, tmp_path).fetch(replace(folder, chart=chart), into)
    assert stand_in.call["argv"] == ["pull", *source, "--version", "1.0.0", *more, "--destination", str(into)]


def test_a_chart_that_cannot_be_fetched_is_told_as_such(tmp_path: Path, folder: Folder) -> None:
    """With what to look at."""
    stand_in = StandIn(tmp_path, stderr='Error: chart \\"plugin\\" not found in http://x repository', status=1)
    remote = replace(folder, chart=Chart("plugin", "1.0.0", "http://x"))
    with pytest.raises(RenderFailed, match="the chart could not be fetched") as caught:
        helm(stand_in, tmp_path).fetch(remote, tmp_path / "charts")
    assert "check repository, name and version" in caught.value.do


@pytest.mark.parametrize(
    "text",
    ["kind: [A]\napiVersion: v1\n", "kind: A\napiVersion: 1\n", "apiVersion: v1\n", "- a\n", "text\n", "kind: A\n"],
)
def test_what_is_no_object_is_an_error_of_rendering(tmp_path: Path, folder: Folder, text: str) -> None:
    """It is never a defect of the harness."""
    with pytest.raises(RenderFailed, match=r"007-device-plugin.*the chart renders"):
        objects(f"---\n# Source: a\n{text}", folder)


def test_what_was_read_once_is_not_read_again(folder: Folder) -> None:
    """A document that two renderings have in common is one object, whatever is around it."""
    one = "---\n# Source: a\nkind: A\napiVersion: v1\n"
    ((first,), (other, again)) = objects(one, folder), objects(f"---\nkind: B\napiVersion: v1\n{one}", folder)
    assert again is first
    assert other["kind"] == "B"


def test_a_line_of_dashes_within_a_text_divides_nothing(folder: Folder) -> None:
    """Only at the start of a line does it divide documents, which it then does wherever it is."""
    (found,) = objects("kind: A\napiVersion: v1\ndata:\n  a: |\n    ---\n    b: c\n", folder)
    assert found["data"]["a"] == "---\nb: c\n"


def test_lists_are_taken_apart_and_empty_documents_dropped(tmp_path: Path, folder: Folder) -> None:
    """Each result is one object, in the order of rendering."""
    text = (
        "---\n# Source: a\n---\napiVersion: v1\nkind: ConfigMap\n"
        "---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret}\n"
        "- {apiVersion: v1, kind: PodList, items: [{apiVersion: v1, kind: Pod}]}\n"
        "---\napiVersion: example.com/v1\nkind: AllowList\nspec: {}\n"
    )
    assert [item["kind"] for item in rendered(text, tmp_path, folder)] == ["ConfigMap", "Secret", "Pod", "AllowList"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: b\n", "renders something that is not a Kubernetes object: {'a': 'b'}"),
        ("- a\n", "renders something that is not a Kubernetes object"),
        ("kind: Pod\n", "renders something that is not a Kubernetes object"),
        ("apiVersion: v1\nkind: List\nitems: [x]\n", "renders something that is not a Kubernetes object: x"),
        ("a: b: c\n", "renders to invalid YAML"),
    ],
)
def test_what_is_no_object_is_refused(tmp_path: Path, folder: Folder, text: str, what: str) -> None:
    """Counted or not, it would be wrong."""
    with pytest.raises(RenderFailed, match=what) as caught:
        rendered(text, tmp_path, folder)
    assert caught.value.where == "007-device-plugin (component gpu-operator)"


def test_a_chart_that_does_not_render_says_where(tmp_path: Path, folder: Folder) -> None:
    """Component, folder, template and line in one message, without helm's warnings and hints; exit code 1."""
    stderr = (
        "WARNING: Kubernetes configuration file is group-readable.\n"
        'Error: template: plugin/templates/ds.yaml:3:5: executing "x" at <.Values.a.b>: nil pointer\n\n'
        "Use --debug flag to render out invalid YAML\n"
    )
    stand_in = StandIn(tmp_path, stderr=stderr, status=1)
    with pytest.raises(RenderFailed) as caught:
        helm(stand_in, tmp_path).template(folder, kube_version="v1.34.10")
    assert str(caught.value) == (
        "007-device-plugin (component gpu-operator): the chart does not render: "
        'template: plugin/templates/ds.yaml:3:5: executing "x" at <.Values.a.b>: nil pointer'
    )
    assert caught.value.exit is Exit.FAILURE


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        (
            "failed pre-install: 1 error occurred:\n\t* timed out waiting for the condition\n",
            "a hook did not end in time",
        ),
        ("failed post-install: 1 error occurred:\n\t* job check failed: BackoffLimitExceeded\n", "a hook failed"),
        ('no matches for kind "Foo" in version "a.b/v1"\nensure CRDs are installed first', "does not serve"),
        ('ConfigMap "x" exists and cannot be imported: invalid ownership metadata', "another release has created"),
        ('1 error occurred:\n\t* namespaces "gpu" already exists', "another release has created"),
        ('Internal error occurred: failed calling webhook "w": no', "an admission webhook blocked the request"),
        ("another operation (install/upgrade/rollback) is in progress", "an earlier helm was killed"),
        ('UPGRADE FAILED: "x" has no deployed releases', "an earlier install of this release failed"),
        ("An error: found in Chart.yaml, but missing in charts/ directory: sub", "not in its charts/ directory"),
        ("chart requires kubeVersion: >=1.99 which is incompatible with Kubernetes v1.34.10", "does not support this"),
        (
            'error validating data: failed to download openapi: Get "https://127.0.0.1:1/openapi/v2"',
            "the API server did not answer",
        ),
        (
            'Kubernetes cluster unreachable: Get "https://127.0.0.1:1/version": dial tcp 127.0.0.1:1: connect: refused',
            "the API server did not answer",
        ),
        (
            'Get "https://127.0.0.1:1/apis/apps/v1/namespaces/a/deployments/b": dial tcp 127.0.0.1:1: connect: refused',
            "the API server did not answer",
        ),
        ('Patch "https://127.0.0.1:1/api/v1/namespaces/a/secrets/b": unexpected EOF', "the API server did not answer"),
        ('looks like "http://x" is not a valid chart repository or cannot be reached', "could not be fetched"),
        ('chart "x" version "9" not found in https://x repository', "could not be fetched"),
        ('Get "https://x/v2/": dial tcp 127.0.0.1:9: connect: connection refused', "could not be fetched"),
    ],
)
def test_known_failures_are_explained(tmp_path: Path, folder: Folder, said: str, meaning: str) -> None:
    """What it means for a recipe, what helm said, and the call itself for the evidence."""
    stand_in = StandIn(tmp_path, stderr=f"Error: {said}\n", status=1)
    with pytest.raises(InstallFailed, match="helm could not install release device-plugin") as caught:
        helm(stand_in, tmp_path).install(folder, timeout=10)
    assert meaning in caught.value.what
    assert said.strip() in caught.value.what
    assert caught.value.completed.returncode == 1


def test_a_failure_without_a_message_still_is_one(tmp_path: Path, folder: Folder) -> None:
    """A helm that was killed says nothing."""
    with pytest.raises(InstallFailed, match="exit status 137 without a message"):
        helm(StandIn(tmp_path, status=137), tmp_path).install(folder, timeout=10)


def test_a_helm_that_hangs_is_ended(tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Helm bounds hooks by itself, but not a download."""
    monkeypatch.setattr("harness.helm.client._GRACE", 0.3)
    with pytest.raises(InstallFailed, match="helm was not done in time"):
        helm(StandIn(tmp_path, sleep=60), tmp_path).install(folder, timeout=0.2)
    assert list((tmp_path / "home").iterdir()) == []


def test_releases_are_those_of_all_namespaces_in_any_state(tmp_path: Path) -> None:
    """A failed or pending release is what evidence and cleanup are about."""
    stand_in = StandIn(tmp_path, '[{"name":"a","namespace":"b","status":"failed"}]')
    assert helm(stand_in, tmp_path).releases() == [{"name": "a", "namespace": "b", "status": "failed"}]
    words = stand_in.call["argv"]
    assert {"--all", "--all-namespaces"} <= set(words)
    assert words[words.index("--max") + 1] == "0"


def test_status_is_text_for_people(tmp_path: Path) -> None:
    """As helm prints it."""
    stand_in = StandIn(tmp_path, "STATUS: deployed\n")
    assert helm(stand_in, tmp_path).status("a", "b") == "STATUS: deployed\n"
    assert stand_in.call["argv"] == ["status", "a", "--namespace", "b"]


def test_uninstalling_what_is_not_there_is_fine(tmp_path: Path) -> None:
    """Cleanup may run twice; anything else that goes wrong is an error."""
    stand_in = StandIn(tmp_path, status=1)
    with pytest.raises(CommandFailed):
        helm(stand_in, tmp_path).uninstall("a", "b", timeout=60)
    assert "--ignore-not-found" in stand_in.call["argv"]
    assert stand_in.call["argv"][-2:] == ["--timeout", "60s"]
