"""chainsaw itself, asked for its verdict on trees: many in one run, since all mismatches of a tree are told at once."""

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOLDS, MISMATCH, CANNOT = "holds", "does not hold", "cannot be evaluated"
_LINE = re.compile(r"^\* data\.(t\d+)(.*)$")
_SECONDS = 120


@dataclass(frozen=True)
class Answer:
    """The verdict on one tree: `lines` are its mismatches without star and prefix, `text` is what went wrong."""

    verdict: str
    lines: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Chainsaw:
    """`program` is a chainsaw of release v0.2.15."""

    program: Path

    def judge(self, trees: Mapping[str, tuple[Any, Any]]) -> dict[str, Answer] | Answer:
        """The verdicts on trees and values by name (t0, t1, ...); one Answer for all where one ended the run."""
        found = self._run(
            {name: tree for name, (tree, _) in trees.items()}, {name: value for name, (_, value) in trees.items()}
        )
        if found.returncode == 0:
            return {name: Answer(HOLDS) for name in trees}
        text = found.stdout + found.stderr
        lines = text.split("\n--- expected")[0].splitlines()
        mismatches = [match for line in lines if (match := _LINE.match(line))]
        if not mismatches or "v1/ConfigMap/x" not in lines:
            return Answer(CANNOT, text=text.strip())
        by_name: dict[str, list[str]] = {}
        for match in mismatches:
            by_name.setdefault(match[1], []).append(match[2].removeprefix("."))
        return {
            name: Answer(MISMATCH, tuple(sorted(by_name[name]))) if name in by_name else Answer(HOLDS) for name in trees
        }

    def judge_one(self, tree: Any, value: Any) -> Answer:
        """The verdict on a single tree."""
        answers = self.judge({"t0": (tree, value)})
        return answers if isinstance(answers, Answer) else answers["t0"]

    def _run(self, tree: Mapping[str, Any], value: Mapping[str, Any]) -> "subprocess.CompletedProcess[str]":
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for name, data in (("tree", tree), ("value", value)):
                path = Path(folder) / f"{name}.yaml"
                # JSON is YAML, and leaves no doubt about types.
                path.write_text(
                    json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": data})
                )
                paths.append(str(path))
            return subprocess.run(
                [self.program, "assert", "--no-color", "-f", paths[0], "-r", paths[1]],
                capture_output=True,
                text=True,
                check=False,
                timeout=_SECONDS,
            )
