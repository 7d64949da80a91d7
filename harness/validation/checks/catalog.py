"""The validator catalog: which checks there are, the phase of each, and the container that carries it out."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from harness.errors import DataError
from harness.formats import quantity
from harness.formats.documents import Block, Document
from harness.recipes.validation import seconds_of

KIND = "ValidatorCatalog"
API_VERSIONS = ("validator.nvidia.com/v1alpha1", "aicr.nvidia.com/v1")  # the second is that of v0.11
DEPLOYMENT, CONFORMANCE, PERFORMANCE = "deployment", "conformance", "performance"
RUN_ORDER = (DEPLOYMENT, CONFORMANCE, PERFORMANCE)  # benchmarks hold every GPU, and free their claims late
_NAMED_ORDER = "deployment, performance, conformance"  # how messages list the phases
TIMEOUT = 300.0  # seconds of a check whose entry says nothing
CPU, MEMORY = "1", "1Gi"
OF_THE_CALLER = ("HF_TOKEN", "AICR_REQUIRE_SCOPED_INFERENCE_GATEWAY", "AICR_INFERENCE_PERF_NO_CLEANUP")
# A Job is called aicr-<name>-<8 hex>, and its name is the value of a label: 63 characters.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,47}[a-z0-9])?")
_FIELDS = (
    "name",
    "phase",
    "description",
    "image",
    "timeout",
    "args",
    "env",
    "resources",
    "dependencyAffinity",
    "localCommand",
    "access",
)

# By exact name, the constraints of its phase that a check reads; a check of no name here may read any.
READS: Mapping[str, tuple[str, ...]] = {
    "operator-health": (),
    "expected-resources": (),
    "gpu-operator-version": ("Deployment.gpu-operator.version",),
    "check-nvidia-smi": (),
    "gke-gpu-nic-networks": (),
    "nccl-all-reduce-bw": ("nccl-all-reduce-bw", "nccl-benchmark-profile", "nccl-benchmark-runtime-ref"),
    "nccl-all-reduce-bw-net": ("nccl-all-reduce-bw-net", "nccl-benchmark-profile", "nccl-benchmark-runtime-ref"),
    "nccl-all-reduce-bw-nvls": ("nccl-all-reduce-bw-nvls", "nccl-benchmark-profile", "nccl-benchmark-runtime-ref"),
    "inference-perf": (
        "inference-throughput",
        "inference-ttft-p99",
        "inference-model",
        "inference-concurrency-per-gpu",
        "inference-routing-mode",
    ),
    "dra-support": (),
    "gang-scheduling": (),
    "accelerator-metrics": (),
    "ai-service-metrics": (),
    "inference-gateway": (),
    "pod-autoscaling": (),
    "cluster-autoscaling": (),
    "robust-controller": (),
    "secure-accelerator-access": (),
    "gpu-operator-health": (),
    "platform-health": (),
}

# A registry with its port, names in lower case, a tag, a digest.
_IMAGE = re.compile(
    r"([\w.-]+(:\d+)?/)?[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*(:\w[\w.-]{0,127})?(@\w+:[0-9a-f]{32,})?", re.ASCII
)


@dataclass(frozen=True)
class Affinity:
    """Pods of a component beside which a check should (`required`: must) run."""

    component: str
    labels: Mapping[str, str]
    required: bool = False
    topology_key: str = "kubernetes.io/hostname"


@dataclass(frozen=True)
class Rule:
    """What a check may do, as a rule of a ClusterRole."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]

    def document(self) -> dict[str, list[str]]:
        return {"apiGroups": list(self.groups), "resources": list(self.resources), "verbs": list(self.verbs)}


@dataclass(frozen=True)
class Access:
    """Permissions that a check declares: `rules` in the whole cluster, `namespaced` in the namespace of the run;
    `cluster_admin` where it asks for all there are.
    """

    rules: tuple[Rule, ...] = ()
    namespaced: tuple[Rule, ...] = ()
    cluster_admin: bool = False


@dataclass(frozen=True)
class Entry:
    """One check. `timeout` is in seconds. `local_command` carries it out as a process of this machine; {python} in it
    is the interpreter of the harness. `access` is None where the entry declares none: the reference's catalogs do not,
    and give every check cluster-admin.
    """

    name: str
    phase: str
    image: str
    description: str = ""
    timeout: float = TIMEOUT
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cpu: str = CPU
    memory: str = MEMORY
    affinity: tuple[Affinity, ...] = ()
    local_command: tuple[str, ...] = ()
    access: Access | None = None


@dataclass(frozen=True)
class Catalog:
    """Checks by name, in the order of the catalog."""

    entries: Mapping[str, Entry]
    name: str = ""
    version: str = ""

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read and check a catalog. Raises DataError with its line."""
        return cls.of(Document.read(file))

    @classmethod
    def of(cls, document: Document) -> Self:
        block = document.root().closed("apiVersion", "kind", "metadata", "validators")
        _check_header(block)
        metadata = block.block("metadata").closed("name", "version")
        entries: dict[str, Entry] = {}
        for position, item in enumerate(block.blocks("validators")):
            entry = _entry(item, position)
            if entry.name in entries:
                raise DataError(f'validator[{position}]: duplicate name "{entry.name}"', where=item.where("name"))
            entries[entry.name] = entry
        return cls(entries, metadata.text("name"), metadata.text("version"))

    def with_external(self, other: "Catalog") -> "Catalog":
        """This catalog with the entries of another one, which replace by name and are appended."""
        return Catalog({**self.entries, **other.entries}, self.name, self.version)

    def of_phase(self, phase: str, names: Iterable[str] | None = None) -> tuple[Entry, ...]:
        """The entries of a phase in catalog order: all of them, or those of `names`."""
        wanted = None if names is None else set(names)
        found = (entry for entry in self.entries.values() if entry.phase == phase)
        return tuple(entry for entry in found if wanted is None or entry.name in wanted)


def _check_header(block: Block) -> None:
    version, kind = block.text("apiVersion"), block.text("kind")
    if version not in API_VERSIONS and (version or block.data.get("metadata") is not None):
        what = f'unsupported apiVersion "{version}", expected "{API_VERSIONS[0]}"'
        raise DataError(what, where=block.where("apiVersion"))
    if kind != KIND and (kind or block.data.get("metadata") is not None):
        raise DataError(f'unsupported kind "{kind}", expected "{KIND}"', where=block.where("kind"))


def _entry(block: Block, position: int) -> Entry:
    name = block.closed(*_FIELDS).text("name")
    if not name:
        raise DataError(f"validator[{position}]: name is required", where=block.where("name"))
    of = f'validator "{name}"'
    if not _NAME.fullmatch(name):
        do = "it becomes part of a Job's name: up to 49 lower-case letters, digits and inner hyphens"
        raise DataError(f"{of}: the name cannot be used", where=block.where("name"), do=do)
    phase, image = block.text("phase"), block.text("image")
    if phase not in RUN_ORDER:
        what = f'{of}: invalid phase "{phase}", must be one of: {_NAMED_ORDER}'
        raise DataError(what, where=block.where("phase"))
    if not image:
        raise DataError(f"{of}: image is required", where=block.where("image"))
    if not _IMAGE.fullmatch(image):
        do = "write [REGISTRY/]NAME[:TAG][@DIGEST]"
        raise DataError(f"{of}: image {image!r} is not an image reference", where=block.where("image"), do=do)
    cpu, memory = _resources(block.block("resources"), of)
    return Entry(
        name=name,
        phase=phase,
        image=image,
        description=block.text("description"),
        timeout=seconds_of(block, "timeout") or TIMEOUT,
        args=_words(block, "args"),
        env=_variables(block, of),
        cpu=cpu,
        memory=memory,
        affinity=tuple(_affinity(item, of, n) for n, item in enumerate(block.blocks("dependencyAffinity"))),
        local_command=_words(block, "localCommand"),
        access=_access(block.block("access")) if block.data.get("access") is not None else None,
    )


def _words(block: Block, key: str) -> tuple[str, ...]:
    """A list of text, in which a word may come twice."""
    words = block.data.get(key) or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise DataError(f"{key} must be a list of text, not {words!r}", where=block.where(key))
    return tuple(words)


def _variables(block: Block, of: str) -> Mapping[str, str]:
    """Without those that are the caller's alone to give."""
    found: dict[str, str] = {}
    for item in block.blocks("env"):
        name = item.closed("name", "value").text("name", required=True)
        if name in found:
            raise DataError(f'{of}: variable "{name}" is given twice', where=item.where("name"))
        found[name] = item.text("value")
    return {name: value for name, value in found.items() if name not in OF_THE_CALLER}


def _resources(block: Block, of: str) -> tuple[str, str]:
    cpu, memory = (_quantity(block.closed("cpu", "memory"), key, of) for key in ("cpu", "memory"))
    if bool(cpu) != bool(memory):
        what = f'{of}: resources must specify both cpu and memory (got cpu="{cpu}" memory="{memory}")'
        raise DataError(what, where=block.where())
    return cpu or CPU, memory or MEMORY


def _quantity(block: Block, key: str, of: str) -> str:
    value = block.data.get(key)
    if value is None or value == "":
        return ""
    try:
        if isinstance(value, bool) or quantity.parse(value) <= 0:
            raise DataError("it must be more than nothing")
    except DataError as error:
        raise DataError(f"{of}: resources.{key} is {value!r}", where=block.where(key), do=error.what) from error
    return str(value)


def _affinity(block: Block, of: str, position: int) -> Affinity:
    block.closed("componentRef", "podLabelSelector", "requirement", "topologyKey")
    within = f"{of}: dependencyAffinity[{position}]"
    component = block.text("componentRef")
    if not component:
        what = f"{within}: dependencyAffinity: componentRef is required"
        raise DataError(what, where=block.where("componentRef"))
    within = f'{within}: dependencyAffinity "{component}"'
    selector = block.block("podLabelSelector")
    if not selector.data:
        raise DataError(f"{within}: podLabelSelector is required", where=block.where("podLabelSelector"))
    requirement = block.text("requirement") or "preferred"
    if requirement not in ("preferred", "required"):
        what = f'{within}: invalid requirement "{requirement}" (must be "preferred" or "required")'
        raise DataError(what, where=block.where("requirement"))
    key = block.text("topologyKey") or Affinity.topology_key
    return Affinity(component, {each: selector.text(each) for each in selector.data}, requirement == "required", key)


def _access(block: Block) -> Access:
    block.closed("clusterAdmin", "rules", "namespaceRules")
    admin = block.flag("clusterAdmin")
    rules, namespaced = _rules(block, "rules"), _rules(block, "namespaceRules")
    if admin and (rules or namespaced):
        raise DataError("access has both clusterAdmin and rules", where=block.where("rules"), do="use one of them")
    return Access(rules, namespaced, admin)


def _rules(block: Block, key: str) -> tuple[Rule, ...]:
    items = [item.closed("apiGroups", "resources", "verbs") for item in block.blocks(key)]
    return tuple(Rule(_words(each, "apiGroups"), each.texts("resources"), each.texts("verbs")) for each in items)
