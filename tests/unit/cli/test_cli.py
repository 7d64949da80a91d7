"""The command line: what it prints, where, and with which exit code. No cluster, no tool, no network."""

import hashlib
import json
from pathlib import Path

import click
import pytest
import yaml
from click.shell_completion import ShellComplete

from harness.__main__ import run
from harness.cli import cli
from harness.errors import DataError, Terminated
from harness.exits import Exit
from kwok.kind import kernel
from tests.fakes.engine import FakeEngine
from tests.fakes.registry import FakeRegistry


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of its own: empty cache, empty state, nothing from the environment."""
    for name in ("CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("KWOK_DEBUG_ARTIFACTS_DIR", str(tmp_path / "artifacts"))
    monkeypatch.delenv("DEPLOYER", raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    return tmp_path


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer sees all there is, and exit code 0."""
    assert run(["--help"]) is Exit.OK
    shown = capsys.readouterr().out
    for verb in (
        "up",
        "down",
        "status",
        "nodes",
        "run",
        "sweep",
        "bundle",
        "explain",
        "matrix",
        "report",
        "recipes",
        "tools",
        "images",
        "doctor",
        "completion",
    ):
        assert f"\n  {verb} " in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["run"], "Missing argument 'RECIPE'"),
        (["run", "eks-training", "--nonsense"], "No such option"),
        (["run", "eks-trainng"], "eks-training"),
        (["run", "eks-training", "--deployer", "hlem"], "did you mean helm"),
        (["run", "eks-training", "--set", "gpu-operator"], "gpu-operator"),
        (["run", "eks-training", "--set", "no-such:a=b"], "unknown component 'no-such'"),
        (["recipes", "show", "nothing-like-it"], "known: aks"),
        (["-o", "cluster", "status"], "is not KEY=VALUE"),
        (["status", "-o", "cluster"], "is not KEY=VALUE"),
        (["completion", "csh"], "csh"),
        (["down", "../../etc"], "cannot be the name of a cluster"),
    ],
)
def test_a_wrong_word_is_a_usage_error(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 64, one message on stderr that says what is wrong, no traceback, nothing on stdout."""
    assert run(words) is Exit.USAGE
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.startswith("error: ")
    assert "Traceback" not in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "nodes.sistem=1", "recipes", "list"], "did you mean nodes.system"),
        (["-o", "nodes.system=many", "run", "eks-training"], "nodes.system"),
        (["--settings", "gone.yaml", "run", "eks-training"], "gone.yaml: cannot be read"),
        (["-o", "recipes=nowhere", "recipes", "list"], "nowhere"),
        (["tools", "prepare", "etc"], "did you mean etcd?"),
    ],
)
def test_wrong_settings_and_data_are_exit_code_10(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Settings, tools and recipe data: 10, before anything is created."""
    assert run(words) is Exit.SETTINGS
    assert message in capsys.readouterr().err


def test_recipes_are_listed_for_people_and_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    """The same recipes in the table and in the JSON; overlays without a concrete service only with --all."""
    assert run(["recipes", "list"]) is Exit.OK
    table = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert run(["recipes", "list", "--json"]) is Exit.OK
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == table
    assert {"eks-training", "eks-inference", "h100-eks-training", "gb200-eks-training"} <= set(table)
    assert all(row["testable"] for row in rows)
    assert run(["recipes", "list", "--all", "--json"]) is Exit.OK
    assert {"base"} <= {row["name"] for row in json.loads(capsys.readouterr().out)} - set(table)


def test_a_resolved_recipe_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """`recipes show` prints the components in their order of deployment."""
    assert run(["recipes", "show", "h100-eks-training", "--json"]) is Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "RecipeResult"
    assert "gpu-operator" in document["deploymentOrder"]


def test_why_names_the_file_of_each_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """`recipes why` leads from a setting to its file and line."""
    assert run(["recipes", "why", "h100-eks-training"]) is Exit.OK
    shown = capsys.readouterr().out
    assert "base chain: " in shown
    assert "eks-training" in shown.partition("base chain: ")[2].partition("\n")[0]
    assert "overlays/h100-eks-training.yaml" in shown


def test_checks_and_constraints_are_traced_to_their_overlay(capsys: pytest.CaptureFixture[str]) -> None:
    """By `recipes why`, and as comments below what `recipes show` prints, which stays YAML."""
    assert run(["recipes", "why", "h100-eks-training"]) is Exit.OK
    told = capsys.readouterr().out
    assert "deployment.checks = 'operator-health'  ← recipes/overlays/h100-eks-training.yaml:" in told
    assert "K8s.server.version = '>= 1.32.4'  ← recipes/overlays/h100-eks-training.yaml:" in told
    assert run(["recipes", "show", "h100-eks-training"]) is Exit.OK
    shown = capsys.readouterr().out
    assert "# deployment.checks: operator-health  ← recipes/overlays/h100-eks-training.yaml:" in shown
    assert yaml.safe_load(shown)["kind"] == "RecipeResult"


OWN = "overrides:\n  - set: gpuoperator:driver.version=570.1\n    reason: ours\n"


def test_why_shows_what_is_set_for_simulated_nodes(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each override with its reason and place: those of the package, then those of the user's file."""
    own = machine / "own.yaml"
    own.write_text(OWN, encoding="utf-8")
    assert run(["-o", f"overrides={own}", "recipes", "why", "eks-training"]) is Exit.OK
    shown = capsys.readouterr().out.partition("set for simulated nodes:\n")[2].splitlines()
    assert shown[0].startswith("  certmanager:startupapicheck.enabled=false: its hook would pass ")
    assert shown[0].endswith("  ← overrides.yaml:6")
    assert shown[-1] == f"  gpuoperator:driver.version=570.1: ours  ← {own}:2"
    assert run(["-o", f"overrides={own}", "recipes", "why", "eks-training", "--json"]) is Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert document["overrides"][-1] == {
        "set": "gpuoperator:driver.version=570.1",
        "reason": "ours",
        "place": f"{own}:2",
    }


def test_a_users_overrides_reach_the_bundle_and_the_notes(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After the package's, before `--set`; what takes effect is said."""
    own = machine / "own.yaml"
    own.write_text(OWN, encoding="utf-8")
    words = ["-o", f"overrides={own}", "bundle", "eks-training", "--output"]
    assert run([*words, str(machine / "out")]) is Exit.OK
    assert "set for simulated nodes: gpuoperator:driver.version=570.1: ours" in capsys.readouterr().err
    [values] = (machine / "out").glob("*-gpu-operator/values.yaml")
    assert "570.1" in values.read_text(encoding="utf-8")
    assert run([*words, str(machine / "again"), "--set", "gpuoperator:driver.version=580.2"]) is Exit.OK
    [values] = (machine / "again").glob("*-gpu-operator/values.yaml")
    assert "580.2" in values.read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", [["bundle", "eks-training", "--output", "out"], ["recipes", "why", "eks-training"]])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            OWN.replace("gpuoperator", "gpuoperatr"),
            "own.yaml:2: unknown component 'gpuoperatr'\n  did you mean",
        ),
        (OWN.replace("reason", "raeson"), "own.yaml:3: unknown field 'raeson'\n  did you mean reason?"),
    ],
)
def test_a_mistake_in_a_users_overrides_is_one_error(
    machine: Path, verb: list[str], text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """File, line and the nearest name; exit code 10 before anything is made."""
    own = machine / "own.yaml"
    own.write_text(text, encoding="utf-8")
    assert run(["-o", f"overrides={own}", *verb]) is Exit.SETTINGS
    assert message in capsys.readouterr().err


def test_a_bundle_can_be_made_without_a_cluster(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`bundle` needs neither tools nor a cluster, and lists the releases in order."""
    assert run(["bundle", "eks-training", "--output", str(machine / "out"), "--json"]) is Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert (machine / "out" / "deploy.sh").is_file()
    assert [row["number"] for row in document["releases"]] == sorted(row["number"] for row in document["releases"])


@pytest.mark.parametrize("lane", ["argocd-oci", "argocd-helm-oci", "flux-oci"])
def test_a_bundle_for_a_registry_says_its_address_and_digest(
    machine: Path, capsys: pytest.CaptureFixture[str], lane: str
) -> None:
    """The same input has the same address and digest, wherever it is written."""
    found = []
    for place in ("one", "two"):
        assert run(["bundle", "eks-training", "--output", str(machine / place), "-d", lane, "--json"]) is Exit.OK
        document = json.loads(capsys.readouterr().out)
        found.append((document["address"], document["digest"]))
        assert document["releases"]
        assert (machine / place / "checksums.txt").is_file()
    assert found[0] == found[1]
    assert found[0][0].startswith("oci://localhost:5500/aicr/eks-training:")
    assert found[0][1].startswith("sha256:")


def test_a_bundle_is_pushed_where_the_settings_say(
    machine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`bundle --push`: what is printed is there, and the bundle names that address."""
    monkeypatch.setenv("DOCKER_CONFIG", str(machine))
    with FakeRegistry() as fake:
        monkeypatch.setenv("KWOK_REGISTRY_ADDRESS", f"http://{fake.host}/team")
        words = ["bundle", "eks-training", "--output", str(machine / "out"), "-d", "argocd-oci", "--push", "--json"]
        assert run(words) is Exit.OK
        document = json.loads(capsys.readouterr().out)
        address, _, tag = document["address"].rpartition(":")
        assert (address, document["pushed"]) == (f"oci://{fake.host}/team/eks-training", True)
        assert fake.tags("team/eks-training") == {tag}
        digest = hashlib.sha256(fake.manifests["team/eks-training", tag]).hexdigest()
        assert document["digest"] == f"sha256:{digest}"
    assert address in (machine / "out" / "app-of-apps.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["-d", "flux-oci"], "-o registry.address=registry.example.com/team"),
        (["-d", "helm"], "--deployer flux-oci"),
    ],
)
def test_nothing_to_push_or_nowhere_to(
    machine: Path, capsys: pytest.CaptureFixture[str], words: list[str], what: str
) -> None:
    """Code 64, with what to write; nothing is made."""
    assert run(["bundle", "eks-training", "--output", str(machine / "out"), "--push", *words]) is Exit.USAGE
    assert what in capsys.readouterr().err
    assert not (machine / "out").exists()


def test_a_bundle_is_not_written_over_anything(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that is not empty is refused, and loses nothing."""
    (machine / "out").mkdir()
    (machine / "out" / "mine").write_text("x")
    assert run(["bundle", "eks-training", "--output", str(machine / "out")]) is Exit.SETTINGS
    assert "is not empty" in capsys.readouterr().err
    assert (machine / "out" / "mine").read_text() == "x"


def test_status_of_nothing_says_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    """No cluster is a state, not an error; scripts get an empty list."""
    assert run(["status"]) is Exit.OK
    assert "kwok-harness up" in capsys.readouterr().out
    assert run(["status", "--json"]) is Exit.OK
    assert json.loads(capsys.readouterr().out) == []


def test_down_of_nothing_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    """`make kwok-cluster-delete` twice is fine."""
    assert run(["down"]) is Exit.OK
    assert "not up" in capsys.readouterr().out


def test_tools_are_listed_with_their_versions(capsys: pytest.CaptureFixture[str]) -> None:
    """Each pin of the settings, and where it is; an empty cache makes nothing up."""
    assert run(["tools", "list", "--json"]) is Exit.OK
    rows = {row["tool"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["etcd"]["version"] == "v3.6.14"
    assert rows["kube-apiserver"]["state"] in {"missing", "path"}


def test_verifying_nothing_is_not_green(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With no tool there, `tools verify` says so and ends with 10."""
    monkeypatch.setenv("PATH", "")
    assert run(["tools", "verify"]) is Exit.SETTINGS
    assert "nothing was verified" in capsys.readouterr().err


def test_the_doctor_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever it finds, each row that is not ok has a remedy."""
    code = run(["doctor", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert {row["what"] for row in rows} >= {"system", "python", "tools", "tool cache", "memory", "recipes"}
    assert all(row["do"] for row in rows if row["state"] != "ok")
    assert (code is Exit.OK) is all(row["state"] != "missing" for row in rows)


def test_the_doctor_finds_a_cache_that_cannot_be_written(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file where the cache should be: exit code 10, and the variable that moves it."""
    (machine / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(machine / "file" / "cache"))
    assert run(["doctor", "--json"]) is Exit.SETTINGS
    row = next(row for row in json.loads(capsys.readouterr().out) if row["what"] == "tool cache")
    assert (row["state"], row["do"]) == ("missing", "set XDG_CACHE_HOME")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed is the shell's own kind of script for this command."""
    assert run(["completion", shell]) is Exit.OK
    shown = capsys.readouterr().out
    assert "kwok-harness" in shown
    assert f"_KWOK_HARNESS_COMPLETE={shell}_complete" in shown


def test_recipe_names_complete() -> None:
    """The tab key after `run gb200` offers the recipes that begin so."""
    complete = ShellComplete(cli, {}, "kwok-harness", "_KWOK_HARNESS_COMPLETE")
    assert [item.value for item in complete.get_completions(["run"], "gb200")] == ["gb200-eks-training"]


def test_a_broken_catalog_does_not_break_the_tab_key(machine: Path) -> None:
    """Completion answers with nothing; the command itself tells what is wrong."""
    complete = ShellComplete(cli, {}, "kwok-harness", "_KWOK_HARNESS_COMPLETE")
    assert complete.get_completions(["-o", f"recipes={machine}", "run"], "") == []


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (click.Abort(), Exit.INTERRUPTED),
        (Terminated(), Exit.TERMINATED),
        (DataError("x"), Exit.SETTINGS),
    ],
)
def test_every_way_to_end_has_its_code(raised: BaseException, code: Exit, monkeypatch: pytest.MonkeyPatch) -> None:
    """130 after Ctrl-C, 143 after SIGTERM, an error's own code otherwise."""

    def main(**how: object) -> None:
        raise raised

    monkeypatch.setattr(cli, "main", main)
    assert run([]) is code


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not an error of ours is not dressed up as one."""

    def main(**how: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "main", main)
    with pytest.raises(ZeroDivisionError):
        run([])


def test_status_shows_the_clusters_of_both_runtimes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the settings leave the runtime open; else those of that one."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name, runtime in {"one": "", "two": "kind"}.items():
        (tmp_path / "kwok-harness" / runtime / "clusters" / name).mkdir(parents=True)
    found = {}
    for runtime in ("auto", "host", "kind"):
        monkeypatch.setenv("RUNTIME", runtime)
        assert run(["status", "--json"]) is Exit.OK
        rows = json.loads(capsys.readouterr().out)
        found[runtime] = [(row["name"], row["runtime"], row["state"]) for row in rows]
    one, two = ("one", "host", "stale"), ("two", "kind", "stale")
    assert found == {"auto": [one, two], "host": [one], "kind": [two]}


@pytest.mark.parametrize(("runtime", "state"), [("auto", "ok"), ("host", "ok"), ("kind", "missing")])
def test_the_doctor_misses_an_engine_only_where_one_is_wanted(
    runtime: str, state: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other runtime does without."""
    monkeypatch.setenv("RUNTIME", runtime)
    run(["doctor", "--json"])
    [found] = [row for row in json.loads(capsys.readouterr().out) if row["what"] == "engine"]
    assert found["state"] == state
    assert "no container engine answers" in found["detail"]


@pytest.mark.parametrize(
    ("changes", "state", "said"),
    [
        ([], "ok", "has the settings"),
        (
            ["vm.overcommit_memory=1 (now 0)", "kernel.panic_on_oops=1 (now 0)"],
            "warning",
            "kernel.panic_on_oops=1 (now 0)",
        ),
    ],
)
def test_the_doctor_tells_what_a_kind_node_changes_of_the_machine(
    changes: list[str], state: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only where an engine of this machine answers; a warning is no reason for an exit code."""
    monkeypatch.setattr(kernel, "differences", lambda: iter(changes))
    run(["doctor", "--json"])
    assert not [row for row in json.loads(capsys.readouterr().out) if row["what"] == "kernel"]
    with FakeEngine() as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.environment["DOCKER_HOST"])
        run(["doctor", "--json"])
    [found] = [row for row in json.loads(capsys.readouterr().out) if row["what"] == "kernel"]
    assert found["state"] == state
    assert said in found["detail"]
    assert ("sysctl -w" in found["do"]) is bool(changes)


def test_a_cluster_that_is_not_up_has_a_code_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """It is no recipe that failed; RECIPE that is missing stays a matter of the command line."""
    assert run(["nodes", "eks-training"]) is Exit.CLUSTER_NOT_READY
    assert "kwok-harness up" in capsys.readouterr().err
    assert run(["nodes"]) is Exit.USAGE


def test_settings_may_come_after_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are as those before it, win over them, and are known to verbs within a verb; several may be given."""
    assert run(["-o", "recipes=/nowhere", "recipes", "list", "-o", "recipes=", "--json"]) is Exit.OK
    everything = capsys.readouterr().out
    assert run(["recipes", "-o", "recipes=", "list", "--json"]) is Exit.OK
    assert capsys.readouterr().out == everything
    assert run(["recipes", "list", "-o", f"recipes={tmp_path}/nowhere"]) is Exit.SETTINGS
    assert "nowhere" in capsys.readouterr().err
    assert run(["recipes", "list", "-o", "no.such=1"]) is Exit.SETTINGS
    assert "unknown setting 'no.such'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["run"], ["sweep"], ["up"], ["tools", "list"], ["images", "pull"], ["explain"]])
def test_every_verb_that_takes_settings_says_so(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """In its own help."""
    assert run([*words, "--help"]) is Exit.OK
    assert "--option KEY=VALUE" in capsys.readouterr().out
