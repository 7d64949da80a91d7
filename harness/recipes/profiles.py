"""Node profiles: what a node of some provider with some accelerator looks like, read from KWOKNodeProfile files.

A profile that is missing is an answer (NoProfile: a recipe for a service that nobody described is skipped or refused
by the caller). A directory of profiles that contradicts itself is a fault of the data and never skippable, also where
the request would not have met the wrong file. And nothing is ever replaced by an H100 in silence.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from harness.errors import DataError, UsageError, did_you_mean
from harness.names import ACCELERATED, SYSTEM
from harness.recipes.format import VERSIONS

DEFAULT_SERVICE, DEFAULT_ACCELERATOR = "eks", "h100"
GENERIC = "generic"
_OPEN = ("", "any")

_Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=63)]
_VERSIONS = f"^({'|'.join(map(re.escape, VERSIONS))})$"
_Quantity = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(Ki|Mi|Gi|Ti|k|M|G|T)?$")]
_Text = Annotated[str, StringConstraints(min_length=1)]


class NoProfile(DataError):
    """No profile fits the request; the data itself is in order."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Gpu(_Closed):
    """`memory` is MiB per GPU; the driver's parts are text because they become labels."""

    product: _Word
    count: int = Field(ge=1)
    memory: int = Field(ge=1)
    driver: _Word
    driverMajor: _Word  # noqa: N815 - the format's own spelling
    driverMinor: _Word  # noqa: N815


class Resources(_Closed):
    """Kubernetes quantities."""

    cpu: _Quantity
    memory: _Quantity
    storage: _Quantity


class _Labels(_Closed):
    provider: _Word
    nodeType: Literal["system", "accelerated"]  # noqa: N815
    accelerator: _Word | None = None


class _Metadata(_Closed):
    name: _Word
    labels: _Labels


class Spec(_Closed):
    instanceType: _Word  # noqa: N815
    arch: Literal["amd64", "arm64"]
    osImage: _Text  # noqa: N815
    resources: Resources
    gpu: Gpu | None = None


class _File(_Closed):
    apiVersion: Annotated[str, StringConstraints(pattern=_VERSIONS)]  # noqa: N815
    kind: Literal["KWOKNodeProfile"]
    metadata: _Metadata
    spec: Spec


@dataclass(frozen=True)
class NodeProfile:
    """One kind of node. `provider` is the directory it lies in; `accelerator` is "" for a system node."""

    provider: str
    name: str
    node_type: str
    accelerator: str
    spec: Spec
    file: Path = field(compare=False)  # where it was read: what it says is what it is

    def __str__(self) -> str:
        return f"{self.provider}/{self.name}"


@dataclass(frozen=True)
class Selection:
    """The two profiles that a cluster's nodes are made from."""

    system: NodeProfile
    accelerated: NodeProfile


def load_profiles(directory: Path) -> list[NodeProfile]:
    """The profiles of one provider, by file name, checked against each other. Raises DataError with the file."""
    profiles: list[NodeProfile] = []
    seen: dict[str, Path] = {}
    for file in sorted(directory.glob("*.yaml")):
        profile = _read(file)
        role = f"profile for {profile.accelerator!r}" if profile.accelerator else "system profile"
        for taken in (role, f"profile called {profile.name!r}"):
            if taken in seen:
                raise DataError(f"a second {taken} beside {seen[taken].name}", where=str(file))
            seen[taken] = file
        profiles.append(profile)
    return profiles


def select(root: Path, service: str, accelerator: str, *, named: str = "", generic: bool = False) -> Selection:
    """Profiles under `root`/`service` for a recipe's criteria; "" and "any" stand for eks and h100.

    `named` ("service/name") takes that accelerated profile and its provider's system profile instead. `generic` lets
    the generic profiles stand in where none fits. Raises NoProfile, DataError for faulty data, UsageError for `named`.
    """
    if named:
        return _by_name(root, named)
    service = DEFAULT_SERVICE if service in _OPEN else service
    accelerator = DEFAULT_ACCELERATOR if accelerator in _OPEN else accelerator
    try:
        return _by_criteria(root, service, accelerator)
    except NoProfile:
        if not generic:
            raise
    return _by_criteria(root, GENERIC, GENERIC)


@dataclass(frozen=True)
class Profiles:
    """Where profiles come from: `beside` the recipes, and for a service that has none there the harness's `own`.

    `named` and `generic` are those of `select`.
    """

    beside: Path
    own: Path
    named: str = ""
    generic: bool = False
    _read: dict[tuple[str, str], Selection] = field(default_factory=dict, compare=False, repr=False)

    def of(self, service: str, accelerator: str) -> Selection:
        """The profiles for a recipe's criteria, read once. Raises what `select` raises."""
        if (service, accelerator) not in self._read:
            self._read[service, accelerator] = self._select(service, accelerator)
        return self._read[service, accelerator]

    def _select(self, service: str, accelerator: str) -> Selection:
        directory = self.named.partition("/")[0] or (DEFAULT_SERVICE if service in _OPEN else service)
        root = self.beside if (self.beside / directory).is_dir() else self.own
        return select(root, service, accelerator, named=self.named, generic=self.generic)


def _by_criteria(root: Path, service: str, accelerator: str) -> Selection:
    profiles = _of(root, service)
    fitting = [profile for profile in profiles if profile.accelerator == accelerator]
    if not fitting:
        known = ", ".join(profile.accelerator for profile in profiles if profile.accelerator) or "none"
        raise NoProfile(
            f"no profile for accelerator {accelerator!r}; there are: {known}",
            where=str(root / service),
            do=_REMEDY,
        )
    return Selection(_system(root, profiles, service), fitting[0])


def _by_name(root: Path, named: str) -> Selection:
    service, _, name = named.partition("/")
    if service not in _services(root):
        raise UsageError(f"no profile {named!r}", where="nodes.profile", do=did_you_mean(named, _names(root)))
    profiles = _of(root, service)
    for profile in profiles:
        if profile.name == name and profile.node_type == ACCELERATED:
            return Selection(_system(root, profiles, service), profile)
    raise UsageError(f"no accelerated profile {named!r}", where="nodes.profile", do=did_you_mean(named, _names(root)))


def _system(root: Path, profiles: list[NodeProfile], service: str) -> NodeProfile:
    for profile in profiles:
        if profile.node_type == SYSTEM:
            return profile
    raise NoProfile("no system profile", where=str(root / service), do=_REMEDY)


def _of(root: Path, service: str) -> list[NodeProfile]:
    services = _services(root)
    if service not in services:
        raise NoProfile(
            f"no profiles for service {service!r}; there are: {', '.join(services) or 'none'}",
            where=str(root),
            do=_REMEDY,
        )
    return load_profiles(root / service)


_REMEDY = "add a profile, name one (nodes.profile), or allow the generic one (nodes.generic)"


def _services(root: Path) -> list[str]:
    if not root.is_dir():
        raise DataError("is no directory of profiles", where=str(root))
    return sorted(each.name for each in root.iterdir() if each.is_dir())


def _names(root: Path) -> list[str]:
    every = (profile for service in _services(root) for profile in load_profiles(root / service))
    return [str(profile) for profile in every if profile.node_type == ACCELERATED]


def _read(file: Path) -> NodeProfile:
    try:
        document = _File.model_validate(_decoded(file))
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path or 'document'}: {first['msg']}", where=str(file)) from None
    labels, spec = document.metadata.labels, document.spec
    if labels.provider != file.parent.name:
        raise DataError(f"label provider {labels.provider!r} in the directory of {file.parent.name!r}", where=str(file))
    if labels.nodeType == ACCELERATED and (not labels.accelerator or spec.gpu is None):
        raise DataError("an accelerated profile needs the label accelerator and spec.gpu", where=str(file))
    if labels.nodeType == SYSTEM and (labels.accelerator or spec.gpu):
        raise DataError("a system profile has neither the label accelerator nor spec.gpu", where=str(file))
    return NodeProfile(labels.provider, document.metadata.name, labels.nodeType, labels.accelerator or "", spec, file)


def _decoded(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(file)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"is not valid YAML: {error}", where=str(file)) from error
