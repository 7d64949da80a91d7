"""Evidence of a validation: a page for each requirement that was looked at, an index, and a summary by requirement.

The summary has the shape of the CNCF AI Conformance programme's PRODUCT.yaml, and says of a requirement only what was
evaluated: "not evaluated" is a status of its own.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.formats.go_yaml import dump
from harness.validation.results import CheckResult, Report, Status

# Check -> requirement; several checks may speak for one, and the file of a requirement has its own name.
REQUIREMENTS: Mapping[str, str] = {
    "dra-support": "dra_support",
    "inference-gateway": "ai_inference",
    "gang-scheduling": "gang_scheduling",
    "cluster-autoscaling": "cluster_autoscaling",
    "pod-autoscaling": "pod_autoscaling",
    "accelerator-metrics": "accelerator_metrics",
    "ai-service-metrics": "ai_service_metrics",
    "secure-accelerator-access": "secure_accelerator_access",
    "robust-controller": "robust_controller",
}
# How the programme groups its requirements.
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "accelerators": ("dra_support",),
    "networking": ("ai_inference",),
    "schedulingOrchestration": ("gang_scheduling", "cluster_autoscaling", "pod_autoscaling"),
    "observability": ("accelerator_metrics", "ai_service_metrics"),
    "security": ("secure_accelerator_access",),
    "operator": ("robust_controller",),
}
_FILES = {"robust-controller": "robust-operator"}
_WORDS = {Status.PASSED: "Implemented", Status.FAILED: "Not Implemented", Status.SKIPPED: "not evaluated"}
INDEX, PRODUCT = "index.md", "PRODUCT.yaml"


def write(report: Report, directory: Path) -> list[Path]:
    """Write the pages and the summary below `directory`; the files that were written. Raises HarnessError."""
    files = {**pages(report), PRODUCT: dump(product(report)).decode()}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (directory / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise HarnessError(f"evidence cannot be written: {error.strerror}", where=str(directory)) from error
    return [directory / name for name in files]


def pages(report: Report) -> dict[str, str]:
    """Text by file name: one for each requirement with a check that was not skipped, and an index of them."""
    found: dict[str, str] = {}
    rows: list[tuple[str, str, Status]] = []
    for test in report.tests:
        if test.name not in REQUIREMENTS or test.status is Status.SKIPPED:
            continue
        name = f"{_FILES.get(test.name, test.name)}.md"
        found[name] = _page(test, report)
        rows.append((REQUIREMENTS[test.name], name, status_of([test])))
    if found:
        found[INDEX] = _index(rows, report)
    return found


def product(report: Report) -> dict[str, Any]:
    """The summary: every requirement, and what is known of it."""
    tests: dict[str, list[CheckResult]] = {requirement: [] for requirement in REQUIREMENTS.values()}
    for test in report.tests:
        if test.name in REQUIREMENTS:
            tests[REQUIREMENTS[test.name]].append(test)
    return {
        "metadata": {"recipe": report.recipe, "runId": report.run_id, "simulated": report.simulated or "no"},
        "spec": {group: [_requirement(name, tests[name]) for name in names] for group, names in _GROUPS.items()},
    }


def status_of(tests: Iterable[CheckResult]) -> Status:
    """A requirement failed where any of its checks failed, or could not be carried out."""
    statuses = {test.status for test in tests}
    if statuses & {Status.FAILED, Status.OTHER}:
        return Status.FAILED
    return Status.PASSED if Status.PASSED in statuses else Status.SKIPPED


def _requirement(name: str, tests: list[CheckResult]) -> dict[str, Any]:
    status = status_of(tests)
    reasons = [test.message for test in tests if test.message]
    found: dict[str, Any] = {"id": name, "level": "MUST", "status": _WORDS[status]}
    if reasons:
        found["notes"] = "; ".join(reasons)
    if status is not Status.SKIPPED:
        found["evidence"] = [f"{_FILES.get(test.name, test.name)}.md" for test in tests]
    return found


def _page(test: CheckResult, report: Report) -> str:
    lines = [
        f"# {REQUIREMENTS[test.name]}",
        "",
        f"Check `{test.name}` of recipe `{report.recipe}`, run {report.run_id}: **{test.status.value}**.",
    ]
    if report.simulated:
        lines += ["", f"The cluster is a simulated one: {report.simulated}."]
    if test.message:
        lines += ["", _quoted(test.message)]
    if test.stdout:
        fence = "`" * max(3, 1 + max((len(run) for line in test.stdout for run in _ticks(line)), default=0))
        lines += ["", f"{fence}text", *test.stdout, fence]
    return "\n".join(lines) + "\n"


def _index(rows: list[tuple[str, str, Status]], report: Report) -> str:
    lines = [f"# Evidence of {report.recipe}", "", "| requirement | status |", "|---|---|"]
    lines += [f"| [{requirement}]({name}) | {status.value} |" for requirement, name, status in rows]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())


def _ticks(line: str) -> list[str]:
    return [part for part in "".join(c if c == "`" else " " for c in line).split() if part]
