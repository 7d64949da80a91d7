"""Files that are Go templates: `.Namespace` and `.Vars`, rendered by helm, whose engine and functions are the same.

helm has no `env` and `expandenv`, which could print secrets of the machine; kuttl has them.
"""

import base64
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.errors import DataError
from harness.processes import commands
from harness.processes.commands import CommandFailed

Render = Callable[[Path, Mapping[str, object]], str]  # a file, and what its dot is

_SECONDS = 60.0
_VARIABLE = re.compile(r"\.Vars\.(\w+)")
_TEMPLATE = "kuttl"


def data_of(namespace: str, variables: Mapping[str, str]) -> dict[str, object]:
    """What a template sees as its dot."""
    return {"Namespace": namespace, "Vars": dict(variables)}


def require_variables(file: Path, text: str, variables: Mapping[str, str]) -> None:
    """Raises DataError for a variable that nobody gave: a Go template writes "<no value>" for it."""
    for number, line in enumerate(text.splitlines(), start=1):
        for found in _VARIABLE.finditer(line):
            if found[1] not in variables:
                do = f"give it: --template-var {found[1]}=VALUE"
                raise DataError(f"no value was given for .Vars.{found[1]}", where=f"{file}:{number}", do=do)


class HelmTemplates:
    """Renders with the helm at `program`; nothing of the user's own helm is read."""

    def __init__(self, program: Path) -> None:
        self._program = program.absolute()

    def __call__(self, file: Path, data: Mapping[str, object]) -> str:
        """The text of the file, rendered. Raises DataError with the line where it does not parse or render."""
        with tempfile.TemporaryDirectory(prefix="kwok-harness-") as directory:
            chart = Path(directory) / _TEMPLATE
            (chart / "templates").mkdir(parents=True)
            (chart / "Chart.yaml").write_text(f"apiVersion: v2\nname: {_TEMPLATE}\nversion: 0.0.0\n", encoding="utf-8")
            # A file whose name begins with _ is a template of its own, and its dot is what it is called with. The text
            # comes out encoded, for helm sorts the documents that it writes.
            (chart / "templates" / "_file").write_bytes(file.read_bytes())
            call = 'text: {{ include (print .Template.BasePath "/_file") .Values.data | b64enc }}'
            (chart / "templates" / "rendered.yaml").write_text(call, encoding="utf-8")
            values = Path(directory) / "values.json"
            values.write_text(json.dumps({"data": data}), encoding="utf-8")
            argv: list[str | Path] = [self._program, "template", _TEMPLATE, chart, "--values", values]
            try:
                done = commands.run(argv, timeout=_SECONDS, env={"HOME": directory, "HELM_CACHE_HOME": directory})
            except CommandFailed as error:
                raise _refused(file, error.completed.stderr) from error
        return base64.b64decode(done.stdout.rpartition("text:")[2]).decode("utf-8", errors="replace")


def _refused(file: Path, stderr: str) -> DataError:
    """What helm said, with the line in the user's own file."""
    said = " ".join(stderr.removeprefix("Error: ").partition("Use --debug")[0].split())
    found = re.search(r"_file:(\d+)(?::\d+)?\)?: (.*)", said)
    what = found[2] if found else said.rpartition("): ")[2]
    place = f"{file}:{found[1]}" if found else str(file)
    return DataError(f"the template does not render: {what}", where=place)
