"""Compares our runs of kuttl's suites with those of kuttl v0.26.0, on one control plane without nodes.

    KUTTL=.cache/oracles/kubectl-kuttl python -m tests.conformance.compare_kuttl

Each suite of the corpus beside the project is run by both programs, one after the other; and so is each of them with
one assert changed so that it cannot hold. Compared are the tests, their steps, which step failed, and the words of the
failure. Prints what differs; ends with 1 where docs/conformance.md does not explain it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.cluster.api import Cluster
from harness.objects import DEPLOYMENTS, PODS
from harness.progress import Silent
from harness.settings import ROOT, load
from harness.tools.toolbox import Toolbox, cache_directory
from tests.e2e.machine import Machine

CORPUS = Path(__file__).parents[2].parent / "shared" / "suites" / "kuttl"
REGISTRY = ("-o", f"ports.registry={os.environ.get('REGISTRY_PORT', '5650')}", "-o", "runtime=host")
LABELS = {"k8s-app": "metrics-server"}
# (test, what it is about): why the programs differ on purpose.
INTENDED: Mapping[str, str] = {}


@dataclass(frozen=True)
class Suite:
    """`folder` has a kuttl-test.yaml; `words` are options that both programs know."""

    name: str
    folder: Path
    words: tuple[str, ...] = ()


@dataclass
class Ran:
    """The steps of each test with the words of their failure, empty where they passed."""

    code: int
    seconds: float
    steps: dict[str, dict[str, str]] = field(default_factory=dict)


def made(place: Path) -> Iterator[Suite]:
    """The suites of the corpus, each in a folder of its own."""
    yield _suite(place / "harness", {"harness": CORPUS / "harness"}, crdDir=str(CORPUS / "harness-crds"))
    commands = {"assert_commands": CORPUS / "step" / "assert_commands"}
    suite = _suite(place / "commands", commands)
    script = suite.folder / "assert_commands" / "path_script" / "test" / "script.sh"
    script.parent.mkdir(exist_ok=True)
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    yield suite
    expressions = place / "cases"
    for case in sorted((CORPUS / "step" / "assert_expressions").iterdir()):
        if case.name != "invalid_expression":  # both refuse it
            shutil.copytree(case, expressions / case.name / "00-case")
    yield _suite(place / "expressions", {"cases": expressions})
    yield _suite(place / "junit", {name: CORPUS / "junit" / name for name in ("suite1", "suite2")})
    right = [word for n in "123" for word in ("--template-var", f"var{n}=var{n}")]
    wrong = [word.replace("var2=var2", "var2=x") for word in right]
    yield _suite(place / "vars", {"suite1": CORPUS / "vars" / "suite1"}, words=right)
    yield _suite(place / "wrong-vars", {"suite1": CORPUS / "vars" / "suite1"}, words=wrong)
    for flavor in ("a", "b", "c"):
        words = ["--test-run-labels", f"flavor={flavor}"]
        yield _suite(place / f"flavor-{flavor}", {"testcase": CORPUS / "testcase"}, words=words)
    yield from changed(place / "changed", CORPUS / "harness")


def changed(place: Path, source: Path) -> Iterator[Suite]:
    """Every test of `source` for each of its assert files, in which the last object has a label that nothing has."""
    tests = place / "tests"
    for test in sorted(source.iterdir()):
        for number, file in enumerate(sorted(test.rglob("*assert*.yaml"))):
            documents = [each for each in yaml.safe_load_all(file.read_text()) if each]
            if not documents or documents[-1].get("apiVersion", "").startswith("kuttl.dev"):
                continue
            shutil.copytree(test, tests / f"{test.name}-{number}")
            documents[-1].setdefault("metadata", {}).setdefault("labels", {})["never"] = "there"
            target = tests / f"{test.name}-{number}" / file.relative_to(test)
            target.write_text(yaml.safe_dump_all(documents))
    yield _suite(place / "suite", {"tests": tests}, crdDir=str(CORPUS / "harness-crds"), timeout=4)


def _suite(folder: Path, tests: Mapping[str, Path], *, words: list[str] | None = None, **fields: Any) -> Suite:
    for name, source in tests.items():
        shutil.copytree(source, folder / name)
    document: dict[str, Any] = {"apiVersion": "kuttl.dev/v1beta1", "kind": "TestSuite", "testDirs": sorted(tests)}
    document |= {"timeout": 10, "parallel": 4, **fields}
    (folder / "kuttl-test.yaml").write_text(yaml.safe_dump(document))
    return Suite(folder.parent.name if folder.name == "suite" else folder.name, folder, tuple(words or ()))


def ran(argv: list[str], suite: Suite, report: Path, environment: Mapping[str, str]) -> Ran:
    begun = time.monotonic()
    done = subprocess.run(
        argv, cwd=suite.folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    found = Ran(done.returncode, time.monotonic() - begun)
    if not report.is_file():
        print(f"{argv[0]}: no report\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
        return found
    for folder in json.loads(report.read_text()).get("testsuite") or ():
        for test in folder.get("testsuite") or ():
            steps = found.steps.setdefault(f"{Path(folder['name']).name}/{test['name']}", {})
            for case in test.get("testcase") or ():
                failure = case.get("failure")
                steps[case["name"]] = f"{failure.get('message')}: {failure.get('text', '')}" if failure else ""
    return found


def compared(suite: Suite, ours: Ran, theirs: Ran) -> tuple[int, int, list[str]]:
    """How many tests, how many of them agree in their steps, and what differs."""
    lines, same = [], 0
    if (ours.code == 0) is not (theirs.code == 0):
        lines.append(f"{suite.name}: exit code {ours.code}, kuttl {theirs.code}")
    for test in sorted(ours.steps.keys() | theirs.steps.keys()):
        mine, other = (
            {name: bool(failure) for name, failure in each.steps.get(test, {}).items()} for each in (ours, theirs)
        )
        if mine == other:
            same += 1
            continue
        lines.append(f"{suite.name} {test}:\n    ours:   {_told(ours, test)}\n    kuttl:  {_told(theirs, test)}")
    return len(ours.steps.keys() | theirs.steps.keys()), same, lines


def _told(ran_: Ran, test: str) -> str:
    if test not in ran_.steps:
        return "no such test"
    return "; ".join(f"{name} {'FAILED ' + why[:200] if why else 'ok'}" for name, why in ran_.steps[test].items())


def main() -> int:
    kuttl = Path(os.environ.get("KUTTL", "")).resolve()
    if not kuttl.is_file():
        print("KUTTL must name the program: `make conformance-kuttl` builds it")
        return 2
    settings = load(environment={})
    with (
        tempfile.TemporaryDirectory() as home,
        Toolbox(settings.tools, cache_directory(os.environ), Silent(), timeout=settings.deadlines.tool_build) as box,
    ):
        place = Path(home)
        path = f"{box.path('kubectl').parent}:{box.path('helm').parent}:{os.environ['PATH']}"
        machine = Machine(place / "machine")
        machine.home.mkdir()
        try:
            for words in (("up",), ("nodes", "--delete")):
                done = machine.run(*REGISTRY, *words)
                if done.returncode:
                    print(done.stderr)
                    return 2
            kubeconfig = machine.state / "kwok-harness" / "clusters" / "test" / "kubeconfig.yaml"
            needed(Cluster(kubeconfig))
            return run_all(kuttl, machine, place, {"PATH": path, "KUBECONFIG": str(kubeconfig)})
        finally:
            machine.run(*REGISTRY, "down", "--all")


def needed(cluster: Cluster) -> None:
    """What the conditions in CEL of the corpus are about."""
    container = {"name": "a", "image": "a"}
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}}
    coredns = {"name": "coredns", "namespace": "kube-system"}
    spec = {"replicas": 0, "selector": {"matchLabels": LABELS}, "template": template}
    cluster.apply(DEPLOYMENTS, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": coredns, "spec": spec})
    pod = {"name": "metrics-server-xyz-pqr", "namespace": "kube-system", "labels": LABELS}
    cluster.apply(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": pod, "spec": {"containers": [container]}})


def run_all(kuttl: Path, machine: Machine, place: Path, given: Mapping[str, str]) -> int:
    environment = {**os.environ, **given}
    mine = {**machine.environment, "PATH": given["PATH"], "PYTHONPATH": str(ROOT)}
    different: list[str] = []
    tests = agree = 0
    for suite in made(place / "suites"):
        theirs_at, ours_at = place / f"{suite.name}-theirs", place / f"{suite.name}-ours"
        words = [str(kuttl), "test", "--config", "kuttl-test.yaml", *suite.words]
        words += ["--report", "json", "--artifacts-dir", str(theirs_at)]
        theirs_at.mkdir()
        theirs = ran(words, suite, theirs_at / "kuttl-report.json", environment)
        shutil.rmtree(suite.folder / "kubeconfig", ignore_errors=True)
        argv = [sys.executable, "-m", "harness", *REGISTRY, "test", ".", "--allow-scripts", *suite.words]
        argv += ["--compat", "kuttl", "--report", "kuttl-json", "--report-path", str(ours_at), "--report-name", "ours"]
        ours = ran(argv, suite, ours_at / "ours.json", mine)
        count, same, lines = compared(suite, ours, theirs)
        tests, agree = tests + count, agree + same
        print(f"{suite.name}: {count} tests, {same} agree; {ours.seconds:.1f} s, kuttl {theirs.seconds:.1f} s")
        for line in lines:
            why = next((reason for name, reason in INTENDED.items() if name in line), "")
            print(f"  {line}" + (f"\n    intended: {why}" if why else ""))
            different += [] if why else [line]
    print(f"{tests} tests, {agree} agree, {len(different)} differences without a reason")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
