"""Carries out the steps of a job or of a composite action here, as GitHub's runner does; actions are stood in for."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.settings import ROOT
from tests.fakes.github_expressions import as_text, filled, holds

TEST = ROOT / ".github" / "actions" / "kwok-test"
TOOLS = ROOT / ".github" / "actions" / "kwok-tools"
WORKFLOW = ROOT / ".github" / "workflows" / "kwok-recipes.yaml"
CHECK = WORKFLOW.with_name("check.yaml")
RELEASE = WORKFLOW.with_name("release.yaml")
E2E = WORKFLOW.with_name("e2e-k8s.yaml")

StandIn = Callable[[Mapping[str, str]], Mapping[str, str]]  # from the inputs of an action to its outputs


def read(file: Path) -> dict[str, Any]:
    """A file of .github; the key `on`, which YAML reads as a boolean, is `on` again."""
    found: dict[Any, Any] = yaml.safe_load(file.read_text())
    return {("on" if key is True else key): value for key, value in found.items()}


@dataclass
class Ran:
    """A step that had its turn: what it was given, and how it ended. `uses` is an action's name without its version."""

    name: str
    uses: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    code: int = 0
    output: str = ""


@dataclass
class Runner:
    """A runner's machine in `home`. `stand_ins` are by the action's name; an action that has none is an error. `done`
    has the outputs of steps, by id, whose work has been done before.
    """

    home: Path
    environment: Mapping[str, str]
    stand_ins: Mapping[str, StandIn] = field(default_factory=dict)
    github: Mapping[str, Any] = field(default_factory=dict)
    done: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("temp", "workspace"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        self.workspace, self.summary = self.home / "workspace", self.home / "summary.md"
        self.ran: list[Ran] = []
        self.status = "success"

    def composite(self, directory: Path, inputs: Mapping[str, str]) -> dict[str, str]:
        """Run a composite action; its outputs."""
        action = read(directory / "action.yaml")
        declared = action.get("inputs", {})
        assert set(inputs) <= set(declared)
        given = {name: inputs.get(name, declaration.get("default", "")) for name, declaration in declared.items()}
        assert all(given[name] for name, declaration in declared.items() if declaration.get("required"))
        contexts = self.steps(action["runs"]["steps"], {"inputs": given}, {"GITHUB_ACTION_PATH": str(directory)})
        return {name: as_text(filled(each["value"], contexts)) for name, each in action.get("outputs", {}).items()}

    def job(self, job: Mapping[str, Any], contexts: Mapping[str, Any]) -> dict[str, str]:
        """Run the steps of a job; its outputs."""
        everything = self.contexts(contexts)
        environment = {name: as_text(filled(value, everything)) for name, value in job.get("env", {}).items()}
        after = self.steps(job["steps"], contexts, environment)
        return {name: as_text(filled(value, after)) for name, value in job.get("outputs", {}).items()}

    def contexts(self, more: Mapping[str, Any]) -> dict[str, Any]:
        github = {"run_id": "77", "run_attempt": "1", "workflow": "KWOK", **self.github}
        runner = {"os": "Linux", "arch": "X64", "temp": str(self.home / "temp")}
        return {"github": github, "runner": runner, "inputs": {}, "steps": {}, "status": self.status, **more}

    def steps(
        self, steps: Sequence[Mapping[str, Any]], more: Mapping[str, Any], environment: Mapping[str, str]
    ) -> dict[str, Any]:
        self.status = "success"
        contexts = self.contexts({**more, "steps": {}, "env": dict(environment)})
        for number, step in enumerate(steps):
            contexts["status"] = self.status
            if not holds(step.get("if"), contexts):
                continue
            outputs = self._run(step, contexts, environment, number)
            contexts["steps"][step.get("id", f"_{number}")] = {"outputs": outputs}
            if self.ran[-1].code:
                self.status = "failure"
        return contexts

    def _run(
        self, step: Mapping[str, Any], contexts: Mapping[str, Any], environment: Mapping[str, str], number: int
    ) -> Mapping[str, str]:
        name = step.get("id") or step.get("name") or f"step {number}"
        if uses := step.get("uses"):
            action = uses.partition("@")[0]
            inputs = {key: as_text(filled(value, contexts)) for key, value in step.get("with", {}).items()}
            self.ran.append(Ran(name, action, inputs))
            return self.stand_ins[action](inputs)
        if name in self.done:
            self.ran.append(Ran(name))
            return self.done[name]
        file, output = self.home / "temp" / f"step-{number}.sh", self.home / "temp" / f"output-{number}"
        file.write_text(filled(step["run"], contexts))
        output.write_text("")
        own = {key: as_text(filled(value, contexts)) for key, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", file],
            cwd=self.workspace,
            env={**self.environment, **self.files(), **environment, **own, "GITHUB_OUTPUT": str(output)},
            capture_output=True,
            text=True,
            timeout=240,
        )
        self.ran.append(Ran(name, code=done.returncode, output=done.stdout + done.stderr))
        return dict(line.split("=", 1) for line in output.read_text().splitlines())

    def files(self) -> dict[str, str]:
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_RUN_ID": "77",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.home / "temp"),
        }

    def used(self, action: str) -> list[Mapping[str, str]]:
        """What each use of an action was given."""
        return [ran.inputs for ran in self.ran if ran.uses == action]

    def step(self, name: str) -> Ran:
        [found] = [ran for ran in self.ran if ran.name == name]
        return found


def machine_environment() -> dict[str, str]:
    """That of this process, without what would make a harness think of itself as another one's, or find this one."""
    ours = ("KWOK_", "GITHUB_", "PYTEST_", "PYTHON", "VIRTUAL_ENV")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}
