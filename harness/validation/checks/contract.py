"""What a check is given: input documents and variables, the same for a container and for a process in its place."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.assertions.go.duration import text_of
from harness.formats.go_yaml import dump
from harness.validation.checks.catalog import Entry
from harness.validation.declared import Declared
from harness.validation.measurements import Snapshot

DATA = "/data"
SNAPSHOT, RECIPE, VALIDATION = "snapshot", "recipe", "validation"
# Variables that are passed on from whoever runs a check, to one check only.
PERFORMANCE_ONLY = ("HF_TOKEN", "AICR_INFERENCE_PERF_NO_CLEANUP")
SECRET = ("HF_TOKEN",)  # of those: in a Job by a Secret, since whoever may read Jobs would read it there
_OF_THE_CALLER: Mapping[str, tuple[str, ...]] = {
    "inference-perf": PERFORMANCE_ONLY,
    "inference-gateway": ("AICR_REQUIRE_SCOPED_INFERENCE_GATEWAY",),
}
_WHEN_SET = ("AICR_CLI_VERSION", "AICR_CLI_COMMIT", "AICR_VALIDATOR_IMAGE_REGISTRY", "AICR_VALIDATOR_IMAGE_TAG")


@dataclass(frozen=True)
class Inputs:
    """What all checks of a run get. `node_selector` and `tolerations` are for the workloads that checks make."""

    run_id: str
    snapshot: Snapshot | None
    declared: Declared
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[str, ...] = ()
    caller: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def documents(self) -> dict[str, str]:
        """Text by folder: DATA/<folder>/<folder>.yaml. Recipe and validation document are made from one source."""
        found = {
            RECIPE: dump(dict(self.declared.document)).decode(),
            VALIDATION: dump(validation_input(self.declared)).decode(),
        }
        if self.snapshot is not None:
            found[SNAPSHOT] = dump(self.snapshot.document()).decode()
        return found

    def variables(self, entry: Entry, data: str = DATA) -> dict[str, str]:
        """The variables of a check, in the order of the contract, without those that a pod gets from its own fields."""
        found = {
            "AICR_SNAPSHOT_PATH": f"{data}/{SNAPSHOT}/{SNAPSHOT}.yaml",
            "AICR_RECIPE_PATH": f"{data}/{RECIPE}/{RECIPE}.yaml",
            "AICR_VALIDATION_PATH": f"{data}/{VALIDATION}/{VALIDATION}.yaml",
            "AICR_VALIDATOR_NAME": entry.name,
            "AICR_VALIDATOR_PHASE": entry.phase,
            "AICR_RUN_ID": self.run_id,
            "AICR_CHECK_TIMEOUT": text_of(round(entry.timeout * 1e9)),
        }
        if self.node_selector:
            found["AICR_NODE_SELECTOR"] = ",".join(
                f"{key}={self.node_selector[key]}" for key in sorted(self.node_selector)
            )
        if self.tolerations:
            found["AICR_TOLERATIONS"] = ",".join(self.tolerations)
        wanted = (*_WHEN_SET, *_OF_THE_CALLER.get(entry.name, ()))
        found |= {name: self.caller[name] for name in wanted if self.caller.get(name)}
        return found | dict(entry.env)

    def secrets(self, entry: Entry) -> dict[str, str]:
        """Those of the variables that are nobody's business but the check's."""
        return {name: value for name, value in self.variables(entry).items() if name in SECRET}


def validation_input(declared: Declared) -> dict[str, Any]:
    """The document that newer containers read in the place of the recipe."""
    document = declared.document
    body = document.get("spec", document) if document.get("kind") == "RecipeMetadata" else document
    return {
        "apiVersion": "validator.nvidia.com/v1alpha1",
        "kind": "ValidationInput",
        "metadata": {"name": declared.name, "version": str((document.get("metadata") or {}).get("version", ""))},
        "config": dict(body.get("validation") or {}),
        "componentRefs": list(body.get("componentRefs") or ()),
        "criteria": dict(declared.criteria),
        "constraints": [constraint.document() for constraint in declared.constraints],
    }
