"""Settings: settings.yaml < a file of the user's < environment < command line; typed, frozen and closed.

An unknown key anywhere is an error that names the nearest known one: a mistyped deadline that is silently ignored is a
wrong verdict waiting to happen. settings.yaml, in this package, holds every default; there is no second copy in this
file.
"""

import os
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from harness.errors import SettingsError, did_you_mean
from harness.regular_files import require_regular

ROOT = Path(__file__).resolve().parent.parent  # where the packages and their data are: not a checkout, once installed
DEFAULT_FILE = Path(str(files("harness") / "settings.yaml"))

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"k": 10**3, "M": 10**6, "G": 10**9, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
_SIZE = re.compile(rf"([1-9]\d*)({'|'.join(_BYTES)})")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def _mirrors(value: object, info: ValidationInfo) -> object:
    """`mirrors` may name a YAML file that holds them, below `mirrors` or by themselves.

    It is relative to the settings file where that names it, else to the working directory.
    """
    if not isinstance(value, str):
        return value
    file = Path((info.context or {}).get("directory", "")) / Path(value).expanduser()
    try:
        found = _read(file)
    except SettingsError as error:
        raise ValueError(str(error)) from error
    return found["mirrors"] if list(found) == ["mirrors"] else found


def parse_duration(value: object) -> float:
    """Seconds from "300ms", "30s", "5m", "1h30m". A bare number has no unit and is refused."""
    if isinstance(value, str) and value and _DURATION.sub("", value) == "":
        return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(value))
    raise ValueError(f"{value!r} is not a duration: write a number with a unit, such as 300ms, 30s, 5m or 1h")


def parse_size(value: object) -> int:
    """Bytes from "500k", "64Mi" or "1Gi". A bare number has no unit and is refused."""
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is not None:
        return int(found[1]) * _BYTES[found[2]]
    raise ValueError(f"{value!r} is not a size: write a whole number with a unit, such as 500k, 64Mi or 1Gi")


Duration = Annotated[float, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
Port = Annotated[int, Field(ge=1, le=65535)]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Nodes(_Closed):
    system: int = Field(ge=0, le=100_000)
    accelerated: int = Field(ge=0, le=100_000)
    profile: str
    generic: bool
    kubelet_version: str
    region: str


class Ports(_Closed):
    registry: Port
    git: Port


class RegistryElsewhere(_Closed):
    """A registry that is not the run's own; `address` is empty where there is none."""

    address: str
    ca: str


class GitElsewhere(_Closed):
    """A Git repository that is not the run's own; `remote` is empty where there is none."""

    remote: str
    ca: str


class Flux(_Closed):
    """How Flux is asked to work, beyond what a bundle says."""

    wait: Literal["poller", "legacy"]


class Retries(_Closed):
    attempts: int = Field(ge=1)
    delay: Duration


class Deadlines(_Closed):
    """All in seconds, once loaded."""

    tool_build: Duration
    images: Duration
    cluster_ready: Duration
    nodes_ready: Duration
    release: Duration
    pods: Duration
    settle: Duration
    unschedulable: Duration
    refused: Duration
    registry_ready: Duration
    registry_reachable: Duration
    git_ready: Duration
    git_reachable: Duration
    argocd_install: Duration
    argocd_crd: Duration
    flux_rollout: Duration
    flux_crd: Duration
    argocd_root_grace: Duration
    argocd_sync: Duration
    flux_root_grace: Duration
    flux_sync: Duration
    prune: Duration
    steady: Duration
    health: Duration
    health_grace: Duration
    cleanup: Duration
    evidence: Duration


class Archive(_Closed):
    """An official release file: `sha256` is of the file, `member` the path in a tar (empty: the file is it)."""

    url: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    member: str = ""


class Release(_Closed):
    """Where a project publishes the program, and its checksums: `sums` is empty where it publishes none.

    `{version}`, `{number}` (the version without its v), `{os}` and `{arch}` stand for what they say. `size` in bytes is
    for the estimate on the first line.
    """

    url: str
    member: str = ""
    sums: str = ""
    size: Size


class Image(_Closed):
    """An official image, of which one layer has the program `member`; its tag is the version of the pin."""

    repository: Annotated[str, Field(pattern=r"^[\w.:-]+(/[a-z0-9._-]+)+$")]
    member: str
    size: Size


class Pin(_Closed):
    """One tool at one version. `wrapper` names the module under kwok/wrappers that builds `package`.

    `probe` are the words that make it say its version. A program that cannot names a Go `module` instead, which it
    must carry at that version; `files` are directories of that module that are kept beside the program.
    Without a `package` there is no program: nothing is compiled, the files are all that is wanted.

    A `release` or an `image` is used where tools.lock.yaml has its checksum. `archives` need no lock, and come first.
    """

    version: str
    wrapper: str
    package: str = ""
    probe: tuple[str, ...] = ()
    module: str = ""
    files: tuple[str, ...] = ()
    build: Duration
    stamps: dict[str, str] = Field(default_factory=dict)
    release: Release | None = None
    image: Image | None = None
    archives: dict[str, Archive] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _recognisable(self) -> "Pin":
        if not self.module and "probe" not in self.model_fields_set:
            raise ValueError("names neither a probe nor a module: its version cannot be determined")
        if self.files and not self.module:
            raise ValueError("has files, which come from its module: it needs one")
        if not self.package and (not self.files or self.probe or self.stamps):
            raise ValueError("names no package to build: it has files of a module then, and neither probe nor stamps")
        if not self.package and (self.release or self.image or self.archives):
            raise ValueError("names no package to build: it has files of a module only, and neither release nor image")
        return self


class Chart(_Closed):
    """A Helm chart of a repository at one version; `values` by their path, all of them strings."""

    repository: str
    name: str
    version: str
    values: dict[str, str]


class Kind(_Closed):
    """How what lanes deliver through is put into a Kind cluster."""

    argocd: Literal["manifests", "chart"]
    argocd_chart: Chart
    flux: Literal["manifests", "command"]


class Tools(_Closed):
    source: Literal["auto", "archives", "build"] = "auto"  # settings.yaml says so; tests make their own Tools
    go: str
    go_wheel: str
    pins: dict[str, Pin]


class Settings(_Closed):
    cluster: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$")]
    release: str
    deployer: str
    runtime: Literal["auto", "host", "kind"]
    bundler: Literal["builtin", "aicr"]
    aicr: str
    recipes: str
    lenient: bool
    constraints: Literal["note", "enforce"]
    webhooks: Literal["skip", "refuse"]
    mirrors: Annotated[dict[str, str], BeforeValidator(_mirrors)]
    overrides: str
    pods: Literal["simulate", "hold"]
    schedulers: Literal["stand-in", "refuse"]
    empty_daemonsets: tuple[str, ...]
    nodes: Nodes
    ports: Ports
    registry: RegistryElsewhere
    git: GitElsewhere
    flux: Flux
    retries: Retries
    deadlines: Deadlines
    artifacts: Path
    recording: Size
    images: dict[str, str]
    kind: Kind
    tools: Tools


# The documented variables of the bash harness, and what they set. Their durations are bare seconds, as ever.
DOCUMENTED: Mapping[str, str] = {
    "KWOK_CLUSTER": "cluster",
    "KWOK_RELEASE": "release",
    "DEPLOYER": "deployer",
    "RUNTIME": "runtime",
    "KIND_NODE_IMAGE": "images.node",
    "AICR_BIN": "aicr",
    "KWOK_REGISTRY_HOST_PORT": "ports.registry",
    "KWOK_GITEA_HOST_PORT": "ports.git",
    "KWOK_COMMAND_RETRIES": "retries.attempts",
    "KWOK_COMMAND_RETRY_DELAY": "retries.delay",
    "KWOK_ARGOCD_ROOT_GRACE": "deadlines.argocd_root_grace",
    "KWOK_ARGOCD_SYNC_TIMEOUT": "deadlines.argocd_sync",
    "KWOK_FLUX_ROOT_GRACE": "deadlines.flux_root_grace",
    "KWOK_FLUX_SYNC_TIMEOUT": "deadlines.flux_sync",
    "KWOK_VERIFY_PODS_DEADLINE": "deadlines.pods",
    "KWOK_DEBUG_ARTIFACTS_DIR": "artifacts",
}
# Read by others, or without meaning here; named so that a script that sets them still runs.
IGNORED = frozenset(
    {
        "KWOK_NAMESPACE",
        "KWOK_VERIFY_PODS_INTERVAL",
        "KWOK_VERSION",
        "KWOK_WORKDIR",
        "KWOK_SETTINGS",
        "KWOK_RESULTS_FILE",
        "KWOK_SYNC_DEADLINE_EPOCH",
        "KWOK_PRELOAD_BUDGET_SECONDS",
        "KWOK_IMAGE_CACHE_BUDGET_SECONDS",
        "KWOK_GIT_USER",
        "KWOK_GIT_PASSWORD",
        "KWOK_GITEA_USER",
        "KWOK_GITEA_PASSWORD",
    }
)


def load(
    file: Path = DEFAULT_FILE,
    *,
    environment: Mapping[str, str] = os.environ,
    overrides: Mapping[str, str] | None = None,
) -> Settings:
    """The defaults, then `file`, which needs to hold only what differs from them, then KWOK_* from `environment`, then
    `overrides` (dotted key to text, from the command line).

    Raises SettingsError (exit 10) naming the file, variable or option, the key, and the nearest known key.
    """
    data = _read(DEFAULT_FILE)
    if file != DEFAULT_FILE:
        data = _merged(data, _read(file))
    _check(data, str(file), file.parent)
    for key in ("mirrors", "overrides"):
        if data[key] and isinstance(data[key], str):  # relative to the file that names it; variables and -o are of here
            data[key] = str((file.parent / Path(data[key]).expanduser()).absolute())
    known = _scalars(data) | {"mirrors"}
    for name, text in sorted(environment.items()):
        path = _variable(name, known)
        if path is not None and text != "":
            seconds = name in DOCUMENTED and text.isdigit() and _is_duration(path)
            _put(data, path, f"{text}s" if seconds else text)
            _check(data, f"environment variable {name}")
    for path, text in (overrides or {}).items():
        if path not in known:
            raise SettingsError(f"unknown setting {path!r}", where="-o", do=did_you_mean(path, known))
        _put(data, path, text)
        _check(data, f"-o {path}={text}")
    return _check(data, str(file))


def _read(file: Path) -> dict[str, Any]:
    try:
        require_regular(file)
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", where=str(file)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"is not valid YAML: {error}", where=str(file)) from error
    if not isinstance(data, dict):
        raise SettingsError("expected a YAML mapping", where=str(file))
    return data


def _merged(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`own` over `defaults`: mappings key by key, everything else as a whole."""
    found = dict(defaults)
    for key, value in own.items():
        default = found.get(key)
        if isinstance(default, Mapping) and isinstance(value, Mapping):
            value = _merged(default, value)
        found[key] = value
    return found


def _check(data: Mapping[str, Any], where: str, directory: Path = Path()) -> Settings:
    """The settings that `data` is; a file that it names is relative to `directory`."""
    try:
        return Settings.model_validate(data, context={"directory": directory})
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            parent, _, key = path.rpartition(".")
            raise SettingsError(f"unknown key {path!r}", where=where, do=did_you_mean(key, _fields(parent))) from None
        message = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{path}: {message}", where=where) from None


def _fields(path: str) -> list[str]:
    """The known keys of the model at a dotted path; models are found by annotation, through dict values too."""
    model: type[BaseModel] = Settings
    for part in filter(None, path.split(".")):
        field = model.model_fields.get(part)
        if field is None:  # the key of a dict[str, Model]: its values are what comes next
            continue
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), model)
    return list(model.model_fields)


def _scalars(data: Mapping[str, Any], prefix: str = "") -> set[str]:
    """Dotted paths of everything that is neither a mapping nor a list."""
    found: set[str] = set()
    for key, value in data.items():
        if isinstance(value, Mapping):
            found |= _scalars(value, f"{prefix}{key}.")
        elif not isinstance(value, list):
            found.add(f"{prefix}{key}")
    return found


def _variable(name: str, known: set[str]) -> str | None:
    """The dotted path that an environment variable sets: a documented name, or KWOK_ and the path in capitals."""
    if name in DOCUMENTED:
        return DOCUMENTED[name]
    if not name.startswith("KWOK_") or name in IGNORED:
        return None
    by_variable = {"KWOK_" + re.sub(r"[.-]", "_", path).upper(): path for path in known}
    if name in by_variable:
        return by_variable[name]
    names = [n for n in {*DOCUMENTED, *by_variable} if n.startswith("KWOK_") and "_TOOLS_PINS_" not in n]
    raise SettingsError(
        "is not a known variable", where=f"environment variable {name}", do=f"{did_you_mean(name, names)} Or unset it."
    )


def _is_duration(path: str) -> bool:
    return path.startswith("deadlines.") or path == "retries.delay"


def _put(data: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for part in parents:
        data = data[part]
    data[last] = value
