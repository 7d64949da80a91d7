"""Node profiles: what a node of some provider with some accelerator looks like, read from KWOKNodeProfile files.

Beside what the format of AICR has (CPU, memory, storage, GPUs), a profile may name more resources, `labels`, `taints`
and `zoneLabels`, by which a provider's drivers repeat the zone. What a file leaves unsaid comes from the harness's own
profile of the same instance type, so that data that was written for the original format meets the node that its
provider has. The directory `storage` beside a provider's profiles holds the StorageClasses that its clusters come with.

A profile that is missing is an answer (NoProfile: a recipe for a service that nobody described is skipped or refused
by the caller). A directory of profiles that contradicts itself is a fault of the data and never skippable, also where
the request would not have met the wrong file. And nothing is ever replaced by an H100 in silence.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from harness.errors import DataError, UsageError, did_you_mean
from harness.names import ACCELERATED, GPU_RESOURCE, GPU_TAINT, SYSTEM
from harness.objects import Object
from harness.recipes.format import VERSIONS

DEFAULT_SERVICE, DEFAULT_ACCELERATOR = "eks", "h100"
GENERIC = "generic"
_OPEN = ("", "any")

_Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=63)]
_VERSIONS = f"^({'|'.join(map(re.escape, VERSIONS))})$"
_Quantity = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(Ki|Mi|Gi|Ti|k|M|G|T)?$")]
_Text = Annotated[str, StringConstraints(min_length=1)]
_LABEL_VALUE = r"^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$"
_Value = Annotated[str, StringConstraints(pattern=_LABEL_VALUE, max_length=63)]
_Key = Annotated[
    str, StringConstraints(pattern=r"^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")
]
# An extended resource has a domain; of the names without one only huge pages are a node's to have more or less of.
_RESOURCE = re.compile(
    r"[a-z0-9.-]{1,253}/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?|hugepages-[1-9][0-9]*(Ki|Mi|Gi)"
)
_Extended = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"),
]
_FILES = (".yaml", ".yml")
_STORAGE = "storage"  # the folder of a provider's StorageClasses, beside its profiles


class NoProfile(DataError):
    """No profile fits the request; the data itself is in order."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Gpu(_Closed):
    """`memory` is MiB per GPU; the driver's parts are text because they become labels.

    `resource` is what pods request, for other vendors than NVIDIA: amd.com/gpu, gpu.intel.com/i915.
    """

    resource: _Extended = GPU_RESOURCE
    product: _Word
    count: int = Field(ge=1)
    memory: int = Field(ge=1)
    driver: _Word
    driverMajor: _Word  # noqa: N815 - the format's own spelling
    driverMinor: _Word  # noqa: N815


class Resources(_Closed):
    """Kubernetes quantities: these three, extended resources (`vpc.amazonaws.com/efa`) and huge pages
    (`hugepages-2Mi`).
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, _Quantity]

    cpu: _Quantity
    memory: _Quantity
    storage: _Quantity

    @model_validator(mode="after")
    def _named(self) -> Self:
        for name in self.further:
            if not _RESOURCE.fullmatch(name):
                raise ValueError(
                    f"{name} is not a resource: expected cpu, memory, storage, hugepages-SIZE or DOMAIN/NAME"
                )
        return self

    @property
    def further(self) -> dict[str, str]:
        """What a node has beside CPU, memory and storage."""
        return dict(self.__pydantic_extra__)


class Taint(_Closed):
    key: _Key
    value: _Value = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


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
    labels: dict[_Key, _Value] | None = None
    taints: tuple[Taint, ...] | None = Field(default=None, strict=False)
    zoneLabels: tuple[_Key, ...] | None = Field(default=None, strict=False)  # noqa: N815

    @property
    def all_taints(self) -> tuple[dict[str, str], ...]:
        """As the profile says; where it does not, nodes with NVIDIA's GPUs have the taint that GKE puts on them, and
        that AICR's recipes tolerate: https://cloud.google.com/kubernetes-engine/docs/how-to/gpus
        """
        if self.taints is None:
            return (dict(GPU_TAINT),) if self.gpu is not None and self.gpu.resource == GPU_RESOURCE else ()
        return tuple({key: value for key, value in each.model_dump().items() if value} for each in self.taints)


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

    def completed(self, own: Iterable["NodeProfile"]) -> "NodeProfile":
        """With what the profile leaves unsaid, from the one among `own` that is of the same instance type."""
        known = next((each.spec for each in own if each.spec.instanceType == self.spec.instanceType), None)
        if known is None:
            return self
        mine = self.spec
        resources = known.resources.further | mine.resources.model_dump()
        unsaid = {
            "resources": Resources.model_validate(resources),
            "labels": mine.labels if mine.labels is not None else known.labels,
            "taints": mine.taints if mine.taints is not None else known.taints,
            "zoneLabels": mine.zoneLabels if mine.zoneLabels is not None else known.zoneLabels,
        }
        return replace(self, spec=mine.model_copy(update=unsaid))


@dataclass(frozen=True)
class Selection:
    """The two profiles that a cluster's nodes are made from, and the StorageClasses of the provider's clusters.

    `further` are the files and directories that it was read from besides those of the two profiles.
    """

    system: NodeProfile
    accelerated: NodeProfile
    storage_classes: tuple[Object, ...] = ()
    further: tuple[Path, ...] = ()


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


def load_storage_classes(directory: Path) -> tuple[Object, ...]:
    """The StorageClasses of one provider, in the order of files. Raises DataError with the file."""
    found: list[Object] = []
    for file in sorted((directory / _STORAGE).glob("*.yaml")):
        for document in _documents(file):
            named = isinstance(document, dict) and isinstance(document.get("metadata"), dict)
            if not named or document.get("kind") != "StorageClass" or not document["metadata"].get("name"):
                raise DataError("expected StorageClass objects with a name", where=str(file))
            found.append(document)
    return tuple(found)


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

    `named` and `generic` are those of `select`; `named` may also be the path of a profile (`.yaml`), which then stands
    in for the one of its node type. What a profile leaves unsaid is that of our own of the same instance type.
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
        if self.named.endswith(_FILES):
            file = _read(Path(self.named), anywhere=True)
            return self._completed(_by_file(self._root(file.provider), file, accelerator))
        root = self._root(self.named.partition("/")[0] or (DEFAULT_SERVICE if service in _OPEN else service))
        return self._completed(select(root, service, accelerator, named=self.named, generic=self.generic))

    def _root(self, service: str) -> Path:
        return self.beside if (self.beside / service).is_dir() else self.own

    def _completed(self, chosen: Selection) -> Selection:
        """With what our own profiles know of the same instances, and the StorageClasses that such clusters have."""
        provider = chosen.accelerated.provider
        own = load_profiles(self.own / provider)
        system, accelerated = chosen.system.completed(own), chosen.accelerated.completed(own)
        instances = {each.spec.instanceType for each in (system, accelerated)}
        further = [each.file for each in own if each.spec.instanceType in instances]
        for root in (self.beside, self.own):
            if classes := load_storage_classes(root / provider):
                return Selection(system, accelerated, classes, (*further, root / provider / _STORAGE))
        return Selection(system, accelerated, (), tuple(further))


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


def _by_file(root: Path, file: NodeProfile, accelerator: str) -> Selection:
    """The profile of a file, and its provider's one of the other type."""
    if file.node_type == ACCELERATED:
        return Selection(_system(root, _of(root, file.provider), file.provider), file)
    accelerator = DEFAULT_ACCELERATOR if accelerator in _OPEN else accelerator
    return replace(_by_criteria(root, file.provider, accelerator), system=file)


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
        raise DataError("is not a directory of profiles", where=str(root))
    return sorted(each.name for each in root.iterdir() if each.is_dir())


def _names(root: Path) -> list[str]:
    every = (profile for service in _services(root) for profile in load_profiles(root / service))
    return [str(profile) for profile in every if profile.node_type == ACCELERATED]


def _read(file: Path, *, anywhere: bool = False) -> NodeProfile:
    """`anywhere`: it need not lie in the directory of its provider."""
    try:
        document = _File.model_validate(_decoded(file))
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path or 'document'}: {first['msg']}", where=str(file)) from None
    labels, spec = document.metadata.labels, document.spec
    if labels.provider != file.parent.name and not anywhere:
        raise DataError(f"label provider {labels.provider!r} in the directory of {file.parent.name!r}", where=str(file))
    if labels.nodeType == ACCELERATED and (not labels.accelerator or spec.gpu is None):
        raise DataError("an accelerated profile needs the label accelerator and spec.gpu", where=str(file))
    if labels.nodeType == SYSTEM and (labels.accelerator or spec.gpu):
        raise DataError("a system profile has neither the label accelerator nor spec.gpu", where=str(file))
    return NodeProfile(labels.provider, document.metadata.name, labels.nodeType, labels.accelerator or "", spec, file)


def _decoded(file: Path) -> Any:
    documents = _documents(file)
    if len(documents) != 1:
        raise DataError(f"expected one document, got {len(documents)}", where=str(file))
    return documents[0]


def _documents(file: Path) -> list[Any]:
    try:
        return [each for each in yaml.safe_load_all(file.read_text(encoding="utf-8")) if each is not None]
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(file)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"is not valid YAML: {error}", where=str(file)) from error
