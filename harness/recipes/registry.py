"""registry.yaml: what is known of each component, whatever the recipe."""

from collections.abc import Mapping
from pathlib import Path

from harness.errors import DataError
from harness.formats.documents import Block, Document
from harness.formats.files import inside
from harness.recipes.format import VERSIONS, Reading
from harness.recipes.model import CRITERIA, ComponentValidation, RegistryEntry, Scheduling

FILE = "registry.yaml"
SEVERITIES = ("error", "warning", "info")  # of a component's validations
_KINDS = ("helm", "kustomize", "manifest")


def load_registry(directory: Path, reading: Reading) -> tuple[str, Mapping[str, RegistryEntry]]:
    """The version of the format, and every component of `directory/registry.yaml` by name.

    Raises DataError with file and line.
    """
    block = Document.read(inside(directory, FILE, str(directory)), reading).root()
    version = header(block.closed("apiVersion", "kind", "components"), "ComponentRegistry", reading)
    entries: dict[str, RegistryEntry] = {}
    for item in block.blocks("components"):
        entry = _entry(item, directory)
        for other in entries.values():
            for name in (entry.name, *entry.value_override_keys):
                if other.answers_to(name):
                    what = f"{name!r} names {other.name} already"
                    raise DataError(what, where=entry.where, do=f"see {other.where}")
        entries[entry.name] = entry
    return version, entries


def header(block: Block, kind: str, reading: Reading) -> str:
    """Check the kind of a file; its apiVersion."""
    version, found = block.text("apiVersion", required=True), block.text("kind", required=True)
    if version not in VERSIONS:
        reading.unknown_version(version, block.where("apiVersion"))
    if found != kind:
        raise DataError(f"kind is {found!r}", where=block.where("kind"), do=f"it must be {kind}")
    return version


def _entry(block: Block, directory: Path) -> RegistryEntry:
    block.closed(
        "name",
        "displayName",
        "valueOverrideKeys",
        "healthCheck",
        *_KINDS,
        "nodeScheduling",
        "manifestFiles",
        "gkeCriticalPriority",
        # Nothing of what follows changes a bundle of these runs. Written by flags that they do not pass:
        "podScheduling",
        "storageClassPaths",
        "sharedStorageClassPaths",
        # For other commands of the reference tool, the helmfile deployer among them:
        "hasSelfRefCRDs",
        "manifestsUseChartCRDs",
        "testTier",
        "validations",
    )
    for flag in ("hasSelfRefCRDs", "manifestsUseChartCRDs"):
        block.flag(flag)
    name = block.text("name", required=True)
    kinds = [kind for kind in _KINDS if kind in block.data]
    if len(kinds) != 1:
        what = f"component {name} must have one of helm, kustomize and manifest, not {', '.join(kinds) or 'none'}"
        raise DataError(what, where=block.where())
    defaults = _defaults(block.block(kinds[0]), kinds[0])
    without_chart = kinds[0] == "helm" and not defaults["chart"] and not defaults["repository"]
    health_check = block.block("healthCheck").closed("assertFile").text("assertFile")
    if health_check:
        inside(directory, health_check, block.where("healthCheck", "assertFile"))
    return RegistryEntry(
        name=name,
        value_override_keys=block.texts("valueOverrideKeys"),
        kind="manifest" if without_chart else kinds[0],
        scheduling=_scheduling(block.block("nodeScheduling")),
        health_check=health_check,
        manifest_files=block.texts("manifestFiles"),
        critical_pods=block.flag("gkeCriticalPriority"),
        where=block.where("name"),
        validations=tuple(_validation(item) for item in block.blocks("validations")),
        **defaults,
    )


def _validation(block: Block) -> ComponentValidation:
    block.closed("function", "severity", "conditions", "message")
    severity = block.text("severity") or "warning"
    if severity not in SEVERITIES:
        what = f"severity is {severity!r}"
        raise DataError(what, where=block.where("severity"), do=f"it must be {', '.join(SEVERITIES)}")
    conditions = block.block("conditions").closed(*CRITERIA)
    values = {key: conditions.texts(key) for key in conditions.data}
    for key, found in values.items():
        if not found:
            raise DataError(f"condition {key} has no values", where=conditions.where(key))
    where = block.where("function")
    return ComponentValidation(block.text("function", required=True), severity, values, block.text("message"), where)


def _defaults(block: Block, kind: str) -> dict[str, str]:
    if kind == "kustomize":
        block.closed("defaultSource", "defaultPath", "defaultTag", "defaultNamespace")
    else:
        block.closed("defaultRepository", "defaultChart", "defaultVersion", "defaultNamespace")
    return {
        "repository": block.text("defaultSource") or block.text("defaultRepository"),
        "chart": block.text("defaultChart").rpartition("/")[2],  # "jetstack/cert-manager": the alias of helm repo add
        "version": block.text("defaultVersion"),
        "namespace": block.text("defaultNamespace"),
        "path": block.text("defaultPath"),
        "tag": block.text("defaultTag"),
    }


def _scheduling(block: Block) -> Scheduling:
    system = block.closed("system", "accelerated", "nodeCountPaths").block("system")
    accelerated = block.block("accelerated")
    for part in (system, accelerated):
        part.closed("nodeSelectorPaths", "tolerationPaths", "taintPaths", "taintStrPaths")
    return Scheduling(
        system_selectors=system.texts("nodeSelectorPaths"),
        system_tolerations=system.texts("tolerationPaths"),
        accelerated_selectors=accelerated.texts("nodeSelectorPaths"),
        accelerated_tolerations=accelerated.texts("tolerationPaths"),
    )
