"""The data of the sample suite agree: what is asserted can be there, what is declared is what is used."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.settings import ROOT
from kwok.suites.platform.programs import clips, scoring_operator

SUITE = ROOT / "kwok" / "suites" / "platform"
CASES = sorted(SUITE.glob("cases/*/chainsaw-test.yaml"), key=str)
GROUP = "scoring.example.com/v1"


def documents(*patterns: str) -> Iterator[dict[str, Any]]:
    """The objects of the manifests."""
    for pattern in patterns:
        for file in sorted(SUITE.glob(pattern)):
            yield from yaml.safe_load_all(file.read_text())


def schemas() -> dict[str, dict[str, Any]]:
    """The properties of each kind, by kind."""
    return {
        found["spec"]["names"]["kind"]: found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
        for found in documents("manifests/crds/*.yaml")
    }


def asserted(case: Path) -> list[dict[str, Any]]:
    """The trees that a case asserts."""
    steps = yaml.safe_load(case.read_text())["spec"]["steps"]
    return [each["assert"]["resource"] for step in steps for each in step["try"] if "assert" in each]


def suite() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((SUITE / "suite.yaml").read_text())
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.parent.name)
def test_asserted_status_fields_are_in_the_schema(case: Path) -> None:
    """A field that a definition lacks is pruned without a word, and no assert on it could pass."""
    known = schemas()
    for tree in asserted(case):
        if tree["apiVersion"] == GROUP:
            fields = set(known[tree["kind"]]["status"]["properties"])
            assert all(fields & set(re.findall("[A-Za-z]+", name)) for name in tree["status"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.parent.name)
def test_every_asserted_kind_has_a_writer(case: Path) -> None:
    """The table at the head of a case has each kind that the case asserts, and who writes it."""
    head = [line for line in case.read_text().splitlines() if line.startswith("# | ")]

    for tree in asserted(case):
        assert any(tree["kind"] in line.split("|")[1] for line in head), f"{tree['kind']} has no line"
    assert all(len(line.split("|")) == 4 and line.split("|")[2].strip() for line in head)


def test_the_statuses_that_the_operator_writes_are_in_the_schema() -> None:
    """Each field that a function of the operator gives is one of its kind's status."""
    known = schemas()
    pod = {
        "metadata": {"name": "a"},
        "spec": {"nodeName": "n"},
        "status": {
            "phase": "Succeeded",
            "startTime": "t",
            "containerStatuses": [{"state": {"terminated": {"message": '{"score": 1}', "finishedAt": "t"}}}],
        },
    }
    answer = dict.fromkeys(("phase", "currentSamples", "message", "modelVersion", "lastCheckpoint"), 1)
    written = {
        "ScoringJob": scoring_operator.job_status(pod) | {"message": ""},
        "ScoringNode": scoring_operator.node_status("", "t"),
        "ModelTraining": scoring_operator.training_status(answer),
    }

    for kind, status in written.items():
        assert set(status) == set(known[kind]["status"]["properties"])


def test_the_role_allows_what_the_operator_does_and_no_more() -> None:
    """No rule has a wildcard, nothing is deleted, and only Pods are created."""
    (role,) = (found for found in documents("manifests/access/*.yaml") if found["kind"] == "Role")
    granted = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}

    assert {resource for resource, verb in granted if verb == "create"} == {"pods"}
    assert not {verb for _, verb in granted} - {"get", "list", "watch", "patch", "create"}
    assert {resource for resource, verb in granted if verb == "patch"} == {
        *("scoringjobs", "scoringjobs/status", "scoringnodes/status", "modeltrainings/status")
    }


def test_the_declared_clips_are_those_that_the_command_makes() -> None:
    """Size and sha256 of the suite file and of the program are the same."""
    (step,) = (step for step in suite()["setup"] if "fixtures" in step)

    declared = [(one["file"], one["size"], one["sha256"]) for one in step["fixtures"]["files"]]
    assert declared == [(clip.name, clip.size, clip.sha256) for clip in clips.CLIPS]


def test_the_declared_images_are_those_of_the_workloads() -> None:
    """Each image of a manifest, and that of the workers, is taken in by set-up; none is there for nothing."""
    (step,) = (step for step in suite()["setup"] if "images" in step)
    deployments = [found for found in documents("manifests/*/*.yaml") if found["kind"] in ("Deployment", "Job")]
    containers = [one for found in deployments for one in found["spec"]["template"]["spec"]["containers"]]
    workers = {
        argument.partition("=")[2]
        for one in containers
        for argument in one.get("args", [])
        if argument.startswith("--worker-image=")
    }

    assert set(step["images"]) == {one["image"] for one in containers} | workers
    assert {one["imagePullPolicy"] for one in containers} == {"IfNotPresent"}


def test_a_process_has_the_names_of_its_service() -> None:
    """Where a process stands for a Deployment, it has the name and port of that Deployment's Service."""
    services = {
        f"{found['metadata']['name']}.{found['metadata']['namespace']}.svc.cluster.local:{port['port']}"
        for found in documents("manifests/*/*.yaml")
        if found["kind"] == "Service"
        for port in found["spec"]["ports"]
    }

    assert {name for process in suite()["processes"] for name in process["names"]} == services
    assert all(process["standsFor"] for process in suite()["processes"])
