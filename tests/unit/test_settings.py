"""Settings are layered, typed, frozen and closed."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from harness import settings
from harness.errors import SettingsError
from harness.exits import Exit


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A copy of settings.yaml that a test may change."""
    copy = tmp_path / "settings.yaml"
    copy.write_text(settings.DEFAULT_FILE.read_text(encoding="utf-8"), encoding="utf-8")
    return copy


def change(file: Path, path: str, value: object) -> None:
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    *parents, last = path.split(".")
    place = data
    for part in parents:
        place = place[part]
    place[last] = value
    file.write_text(yaml.safe_dump(data), encoding="utf-8")


def test_the_command_line_beats_the_environment_which_beats_the_file(file: Path) -> None:
    """Each layer wins over the one below it, and leaves what it does not name."""
    change(file, "nodes.system", 3)
    environment = {"KWOK_NODES_SYSTEM": "5", "KWOK_NODES_ACCELERATED": "7"}
    assert settings.load(file, environment={}).nodes.system == 3
    assert settings.load(file, environment=environment).nodes.system == 5
    loaded = settings.load(file, environment=environment, overrides={"nodes.system": "6"})
    assert (loaded.nodes.system, loaded.nodes.accelerated) == (6, 7)


def test_a_file_holds_only_what_differs(file: Path) -> None:
    """Mappings are merged key by key, a list or a value replaces the default; nothing has to be copied."""
    file.write_text("nodes: {system: 3}\nempty_daemonsets: [a/b]\nmirrors: {https://a.example: https://b.example}\n")
    loaded, defaults = settings.load(file, environment={}), settings.load(environment={})
    assert loaded.nodes == defaults.nodes.model_copy(update={"system": 3})
    assert loaded.empty_daemonsets == ("a/b",)
    assert loaded.mirrors == {"https://a.example": "https://b.example"}
    assert loaded.tools == defaults.tools


@pytest.mark.parametrize("content", ["nodes: 3", "nodes: [system]", "tools: {pins: []}"])
def test_a_section_stays_a_section(file: Path, content: str) -> None:
    """A file that puts a value in the place of a mapping is refused, and the error names the file."""
    file.write_text(content)
    with pytest.raises(SettingsError) as caught:
        settings.load(file, environment={})
    assert caught.value.where == str(file)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300ms", 0.3), ("30s", 30.0), ("5m", 300.0), ("1h", 3600.0), ("1h30m", 5400.0), ("1.5m", 90.0)],
)
def test_durations_carry_units(text: str, seconds: float) -> None:
    """A duration is a number with a unit, or several of them."""
    assert settings.parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["30", "", "s", "30 s", "-5s", "5d", 30, None, True])
def test_a_duration_without_a_unit_is_refused(value: object) -> None:
    """A bare number could be anything; so could an unknown unit."""
    with pytest.raises(ValueError, match="not a duration"):
        settings.parse_duration(value)


@pytest.mark.parametrize(
    ("variable", "text", "path", "value"),
    [
        ("KWOK_CLUSTER", "mine", "cluster", "mine"),
        ("KWOK_RELEASE", "r", "release", "r"),
        ("DEPLOYER", "flux-oci", "deployer", "flux-oci"),
        ("RUNTIME", "kind", "runtime", "kind"),
        ("AICR_BIN", "dist/aicr", "aicr", "dist/aicr"),
        ("KWOK_REGISTRY_HOST_PORT", "5511", "ports.registry", 5511),
        ("KWOK_COMMAND_RETRIES", "2", "retries.attempts", 2),
        ("KWOK_COMMAND_RETRY_DELAY", "7", "retries.delay", 7.0),
        ("KWOK_ARGOCD_ROOT_GRACE", "31", "deadlines.argocd_root_grace", 31.0),
        ("KWOK_ARGOCD_SYNC_TIMEOUT", "301", "deadlines.argocd_sync", 301.0),
        ("KWOK_FLUX_ROOT_GRACE", "32", "deadlines.flux_root_grace", 32.0),
        ("KWOK_FLUX_SYNC_TIMEOUT", "10m", "deadlines.flux_sync", 600.0),
        ("KWOK_VERIFY_PODS_DEADLINE", "61", "deadlines.pods", 61.0),
        ("KWOK_DEBUG_ARTIFACTS_DIR", "/var/debug", "artifacts", Path("/var/debug")),
        ("KWOK_WEBHOOKS", "refuse", "webhooks", "refuse"),
    ],
)
def test_documented_variables_set_what_they_always_did(variable: str, text: str, path: str, value: object) -> None:
    """The bash harness's variables keep their names and units (bare seconds)."""
    found: object = settings.load(environment={variable: text})
    for part in path.split("."):
        found = getattr(found, part)
    assert found == value


def test_an_empty_variable_counts_as_unset() -> None:
    """`KWOK_CLUSTER= make ...` means the default, as it does in a shell script."""
    assert settings.load(environment={"KWOK_CLUSTER": ""}).cluster == settings.load(environment={}).cluster


def test_an_undocumented_variable_needs_its_unit() -> None:
    """Only the documented variables may be bare seconds."""
    with pytest.raises(SettingsError, match="not a duration"):
        settings.load(environment={"KWOK_DEADLINES_RELEASE": "30"})


@pytest.mark.parametrize(
    ("environment", "overrides", "near"),
    [
        ({"KWOK_ARGOCD_SYNC_TIMEOT": "1"}, {}, "KWOK_ARGOCD_SYNC_TIMEOUT"),
        ({}, {"deadlines.pod": "1s"}, "deadlines.pods"),
        ({}, {"node.system": "1"}, "nodes.system"),
    ],
    ids=["variable", "option", "section"],
)
def test_an_unknown_name_gets_the_nearest_one(
    environment: dict[str, str], overrides: dict[str, str], near: str
) -> None:
    """A typing error is refused with exit 10 and the name that was meant."""
    with pytest.raises(SettingsError) as caught:
        settings.load(environment=environment, overrides=overrides)
    assert caught.value.exit is Exit.SETTINGS
    assert near in caught.value.do


def test_variables_of_other_programs_are_left_alone() -> None:
    """Only KWOK_* is ours; what kwokctl or the bash harness read is not refused."""
    environment = {"PATH": "/bin", "KWOK_WORKDIR": "/x", "KWOK_NAMESPACE": "y", "KUBECONFIG": "z"}
    assert settings.load(environment=environment) == settings.load(environment={})


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("nodes.sistem", 1, "did you mean system"),
        ("tools.pins.etcd.versoin", "v1", "did you mean version"),
        ("deadlines.pods", 60, "deadlines.pods"),
        ("nodes.system", -1, "nodes.system"),
        ("ports.registry", 70000, "ports.registry"),
        ("webhooks", "ignore", "webhooks"),
        ("cluster", "Not A Name", "cluster"),
    ],
)
def test_a_wrong_key_or_value_in_the_file_is_one_clear_error(
    file: Path, path: str, value: object, message: str
) -> None:
    """The error names the file and the key; nothing is guessed."""
    change(file, path, value)
    with pytest.raises(SettingsError) as caught:
        settings.load(file, environment={})
    assert message in str(caught.value)
    assert caught.value.where == str(file)


@pytest.mark.parametrize("content", ["a: [", "just text", ""], ids=["broken", "scalar", "empty"])
def test_a_file_that_is_no_mapping_is_refused(file: Path, content: str) -> None:
    """Broken YAML, a scalar and an empty file are errors, not defaults."""
    file.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"YAML|mapping"):
        settings.load(file, environment={})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A settings file that is not there is an error that says which."""
    with pytest.raises(SettingsError, match=r"gone\.yaml: cannot be read"):
        settings.load(tmp_path / "gone.yaml", environment={})


MIRRORS = {"https://a.example/b": "oci://localhost:5500/c"}


@pytest.mark.parametrize("below", [True, False], ids=["below mirrors", "by themselves"])
def test_mirrors_may_be_a_file_of_their_own(file: Path, below: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named in the settings it is beside them; named by a variable or -o it is of the working directory."""
    other = file.parent / "elsewhere"
    other.mkdir()
    for place, mirrors in ((file.parent, MIRRORS), (other, {"https://x.example": "https://y.example"})):
        (place / "mirrors.yaml").write_text(yaml.safe_dump({"mirrors": mirrors} if below else mirrors))
    monkeypatch.chdir(other)
    assert settings.load(file, environment={}, overrides={"mirrors": "../mirrors.yaml"}).mirrors == MIRRORS
    assert settings.load(file, environment={"KWOK_MIRRORS": "../mirrors.yaml"}).mirrors == MIRRORS
    change(file, "mirrors", "mirrors.yaml")
    assert settings.load(file, environment={}).mirrors == MIRRORS
    assert settings.load(file, environment={}, overrides={"mirrors": "mirrors.yaml"}).mirrors != MIRRORS


def test_the_path_of_overrides_is_relative_to_who_names_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a settings file it is beside that file, wherever the harness runs; a variable and -o are as they are typed."""
    monkeypatch.chdir("/")
    change(file, "overrides", "ours.yaml")
    assert settings.load(file, environment={}).overrides == str(file.parent / "ours.yaml")
    assert settings.load(file, environment={"KWOK_OVERRIDES": "x.yaml"}).overrides == "x.yaml"
    assert settings.load(file, environment={}, overrides={"overrides": "y.yaml"}).overrides == "y.yaml"
    assert settings.load(environment={}).overrides == ""


@pytest.mark.parametrize(("text", "what"), [(None, "cannot be read"), ("[a]", "mapping"), ("a: 1", "mirrors.a")])
def test_a_file_of_mirrors_that_holds_none_is_one_error(file: Path, text: str | None, what: str) -> None:
    """What is wrong with it, and where it was named."""
    mirrors = file.parent / "mirrors.yaml"
    if text:
        mirrors.write_text(text)
    with pytest.raises(SettingsError, match=what) as caught:
        settings.load(file, environment={}, overrides={"mirrors": str(mirrors)})
    assert caught.value.where.startswith("-o mirrors=")


def test_settings_cannot_be_changed_after_loading() -> None:
    """Frozen: what a run was started with is what it ends with."""
    loaded = settings.load(environment={})
    with pytest.raises(ValidationError, match="frozen"):
        loaded.cluster = "other"


def test_every_pin_has_its_wrapper_module() -> None:
    """A tool without a committed go.mod and go.sum could not be built."""
    for name, pin in settings.load(environment={}).tools.pins.items():
        module = settings.ROOT / "kwok" / "wrappers" / pin.wrapper
        assert (pin.package or pin.module) in (module / "go.mod").read_text(), name
        assert (module / "go.sum").is_file(), name


@pytest.mark.parametrize(("text", "size"), [("500k", 500_000), ("64Mi", 64 << 20), ("1Gi", 1 << 30), ("2M", 2_000_000)])
def test_a_size_has_its_unit(text: str, size: int) -> None:
    """As Kubernetes writes them."""
    assert settings.load(environment={}, overrides={"recording": text}).recording == size


@pytest.mark.parametrize("text", ["", "64", "0Mi", "-1Mi", "1.5Mi", "64MB", "Mi"])
def test_what_is_no_size_is_one_error(text: str) -> None:
    """With what to write instead."""
    with pytest.raises(SettingsError, match="is not a size: write a whole number with a unit"):
        settings.load(environment={}, overrides={"recording": text})
