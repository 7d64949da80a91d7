"""What an operation can prove on these nodes: the API, a controller, or (where nothing runs) less than it says."""

from collections.abc import Mapping
from typing import Any

from harness.assertions.candidates import target_of
from harness.assertions.errors import TreeInvalid
from harness.assertions.proof import claims_of, proof_of
from harness.assertions.proof_commands import claims_of_command
from harness.assertions.proof_fields import API, CONTROLLER, EXECUTION, Proof, proof_of_field
from harness.suites.model import Program, WaitFor
from harness.suites.running.clients import BUILT_IN, group_of
from harness.suites.running.options import RunOptions


def of_document(document: Mapping[str, Any], engine: str) -> Proof:
    """Of an assert or error."""
    try:
        return proof_of(claims_of(document, engine=engine))
    except TreeInvalid:
        return EXECUTION


def of_wait(action: WaitFor) -> Proof:
    condition, reference = action.condition, action.reference
    if condition.what in ("creation", "deletion"):
        return API
    path: tuple[str, ...] = ("status", "conditions", f"[{condition.name}]")
    if condition.what == "jsonPath":
        path = tuple(part for part in condition.name.strip("{}").replace("[", ".").split(".") if part)
    return proof_of_field(reference.api_version, reference.kind, path)


def of_program(program: Program) -> Proof:
    """What the text of a command or script tells; one that is not recognised proves what it proves: itself."""
    if program.verb == "script" or program.words:
        claims = claims_of_command(program.content or program.words)
    else:
        claims = claims_of_command([program.entrypoint, *program.arguments])
    return proof_of(claims)


def without_controller(api_version: str, proof: Proof, options: RunOptions) -> str:
    """Why the status of such a kind is not waited for; empty where a controller of it runs, or none is needed."""
    group = group_of(api_version)
    if not options.simulated or proof < CONTROLLER or group in BUILT_IN or group.endswith(options.controllers):
        return ""
    return f"no controller of {group} runs on simulated nodes: nothing writes this status"


def api_version_of(document: Mapping[str, Any]) -> str:
    target = target_of(document)
    return target.api_version if target is not None else ""


def named(proof: Proof) -> str:
    """api, controller or execution."""
    return proof.name.lower()


def proves_nothing(proof: Proof, options: RunOptions) -> bool:
    """Whether what holds is no proof of anything that ran."""
    return (options.simulated or options.unproven) and proof is EXECUTION
