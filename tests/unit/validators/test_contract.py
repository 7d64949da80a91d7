"""The contract of the container: arguments, inputs, exit codes, and where the message is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from harness.errors import HarnessError
from harness.objects import NODES
from harness.validation.checks.catalog import Catalog
from harness.validators import CHECKS, Check, check
from harness.validators.__main__ import main
from harness.validators.context import DEFAULT_TIMEOUT, Context, in_pod, seconds, selector, tolerations
from kwok import VALIDATORS
from tests.fakes.api import FakeApi

RECIPE = {
    "kind": "RecipeResult",
    "apiVersion": "aicr.run/v1alpha2",
    "validation": {"deployment": {"checks": ["gpu-operator-version"]}},
}


@pytest.fixture
def inputs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """What a check is given, with a cluster behind it; the file of the termination message."""
    with FakeApi() as api:
        api.put(NODES, {"metadata": {"name": "gpu-1", "labels": {"type": "kwok"}}})
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
        message = tmp_path / "message"
        for name, value in {
            "AICR_RECIPE_PATH": str(tmp_path / "recipe.yaml"),
            "AICR_SNAPSHOT_PATH": str(tmp_path / "none"),
            "AICR_CHECK_TIMEOUT": "2m0s",
            "AICR_TERMINATION_LOG": str(message),
            "KUBECONFIG": str(api.kubeconfig(tmp_path)),
        }.items():
            monkeypatch.setenv(name, value)
        yield message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "usage: python -m harness.validators deployment|conformance|performance NAME"),
        (["deployment"], "usage: "),
        (["readiness", "x"], "usage: "),
        (["deployment", "x"], "unknown check: x"),
        (["conformance", "operator-health"], "unknown check: operator-health"),
    ],
)
def test_wrong_arguments_fail(inputs: Path, words: list[str], message: str) -> None:
    """With exit code 1, which no skip has."""
    assert main(words) == 1
    assert inputs.read_text().startswith(message)


def test_inputs_that_cannot_be_read_fail(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older container that found no constraints would have passed."""
    monkeypatch.setenv("AICR_RECIPE_PATH", "/no/such/recipe.yaml")
    assert main(["deployment", "operator-health"]) == 1
    assert inputs.read_text().startswith("failed to load context: /no/such/recipe.yaml")


def _passes(context: Context) -> None:
    context.say("seen")


def _fails(context: Context) -> None:
    context.fail("no pod")


def _skips(context: Context) -> None:
    context.skip("no GPU")


def _sees_a_part(context: Context) -> None:
    context.needs_real_node("that it runs")


def _is_refused(context: Context) -> None:
    raise HarnessError("403 Forbidden: cannot list pods")


def _is_too_large(context: Context) -> None:
    raise MemoryError


@pytest.mark.parametrize(
    ("function", "code", "message"),
    [
        (_passes, 0, ""),
        (_fails, 1, "no pod"),
        (_skips, 2, "no GPU"),
        (_sees_a_part, 2, "what was looked at is as it should be; needs a real node: that it runs"),
        (_is_refused, 1, "cannot be judged: 403 Forbidden: cannot list pods"),
        (_is_too_large, 3, "out of memory"),
    ],
)
def test_how_a_check_ends_is_its_exit_code(
    inputs: Path, monkeypatch: pytest.MonkeyPatch, function: object, code: int, message: str
) -> None:
    """A check with a part that could not be judged has not passed."""
    monkeypatch.setitem(CHECKS, "mine", Check("mine", "deployment", (), function))  # type: ignore[arg-type]  # one of ours
    assert main(["deployment", "mine"]) == code
    assert (inputs.read_text() if inputs.exists() else "") == message


def test_every_entry_of_our_catalog_is_a_check_and_every_check_an_entry() -> None:
    """Of the same phase, with a description, a local command and declared permissions."""
    import harness.validators.conformance
    import harness.validators.deployment
    import harness.validators.performance  # noqa: F401 - registers its checks

    catalog = Catalog.load(VALIDATORS)
    assert {entry.name: entry.phase for entry in catalog.entries.values()} == {
        each.name: each.phase for each in CHECKS.values()
    }
    for entry in catalog.entries.values():
        assert entry.local_command == ("{python}", "-m", "harness.validators", entry.phase)
        assert entry.args == (entry.name,)
        assert entry.description
        assert entry.access
        assert not entry.access.cluster_admin


def test_a_check_is_registered_once_and_by_a_known_phase() -> None:
    """A second one of the name would silently win."""
    for name, phase in (("operator-health", "deployment"), ("new", "readiness")):
        if name == "operator-health":
            import harness.validators.deployment  # noqa: F401 - registers it
        with pytest.raises(ValueError, match="is there already, or its phase"):
            check(name, phase=phase)(_passes)


@pytest.mark.parametrize(
    ("text", "expected", "warned"),
    [("2m0s", 120, False), ("", DEFAULT_TIMEOUT, True), ("two", DEFAULT_TIMEOUT, True), ("-1s", DEFAULT_TIMEOUT, True)],
)
def test_a_timeout_that_cannot_be_used_means_55_minutes(text: str, expected: float, warned: bool) -> None:
    """With a warning."""
    said: list[str] = []
    assert seconds(text, said.append) == expected
    assert bool(said) is warned


def test_selectors_and_tolerations_are_read() -> None:
    """As they are written into the variables."""
    assert selector("a=1,b=2") == {"a": "1", "b": "2"}
    assert selector("") == {}
    assert tolerations("a=1:NoSchedule,b:NoExecute,*") == (
        {"key": "a", "operator": "Equal", "value": "1", "effect": "NoSchedule"},
        {"key": "b", "operator": "Exists", "effect": "NoExecute"},
        {"operator": "Exists"},
    )


def test_in_a_pod_the_account_of_the_pod_is_used(tmp_path: Path) -> None:
    """Outside of one there is no cluster."""
    with pytest.raises(HarnessError, match="neither KUBECONFIG nor the ServiceAccount"):
        in_pod({}, tmp_path)
    (tmp_path / "token").write_text("t")
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    document = yaml.safe_load(in_pod(environment, tmp_path).read_text())
    assert document["clusters"][0]["cluster"]["server"] == "https://[fd00::1]:443"
    assert document["users"][0]["user"] == {"tokenFile": str(tmp_path / "token")}
