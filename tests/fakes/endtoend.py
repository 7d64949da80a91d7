"""A folder with an end-to-end suite, as small as a test needs it."""

from pathlib import Path

from harness.endtoend import reading
from harness.endtoend.model import EndToEndSuite

HEAD = "apiVersion: kwok-harness/v1\nkind: EndToEndSuite\nmetadata: {name: small}\n"
TEST = (
    "apiVersion: chainsaw.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: t}\nspec:\n  namespace: default\n  steps:\n"
)
MAP = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m, namespace: default}}"
GOOD = f"  - {{name: make, try: [{{apply: {{resource: {MAP}}}}}]}}\n"
RUNS = (
    "  - {name: runs, try: [{assert: {timeout: 1s, resource: "
    "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: default}, status: {phase: Running}}}}]}\n"
)


def write(folder: Path, body: str, **cases: str) -> Path:
    """suite.yaml with this body, and a case's steps by its name; the body lists them where it has no `cases`."""
    for name, steps in cases.items():
        place = folder / "cases" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "chainsaw-test.yaml").write_text(TEST + steps)
    if "cases:" not in body:
        body += "cases:\n" + "".join(f"  - {{name: {name}, path: cases/{name}}}\n" for name in cases)
    (folder / "suite.yaml").write_text(HEAD + body)
    return folder


def loaded(folder: Path, body: str, **cases: str) -> EndToEndSuite:
    return reading.load(write(folder, body, **cases))[0]
