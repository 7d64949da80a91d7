"""Go templates of kuttl's files, rendered by the helm of the harness."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import DataError
from harness.suites.kuttl.templates import HelmTemplates, data_of

pytestmark = pytest.mark.e2e


def test_a_template_sees_namespace_and_variables(tools: Callable[[str], Path], tmp_path: Path) -> None:
    """Functions are there, `$` is the dot, and documents stay in their order."""
    file = tmp_path / "00-a.gotmpl.yaml"
    file.write_text('kind: Z\n---\nkind: Namespace\nname: {{ .Vars.x | upper }}-{{ $.Namespace }}-{{ "a" | b64enc }}\n')
    text = HelmTemplates(tools("helm"))(file, data_of("here", {"x": "y"}))
    assert text == "kind: Z\n---\nkind: Namespace\nname: Y-here-YQ==\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: {{ nope }}\n", '00-a.gotmpl.yaml:2: the template does not render: function "nope" not defined'),
        ('b: {{ fail "no" }}\n', "00-a.gotmpl.yaml: the template does not render: no"),
        ("b: {{ env `HOME` }}\n", '00-a.gotmpl.yaml:1: the template does not render: function "env" not defined'),
    ],
)
def test_a_template_that_does_not_render_is_refused(
    tools: Callable[[str], Path], tmp_path: Path, text: str, message: str
) -> None:
    """The error names the user's own file, and the line where it is known; the environment is not to be seen."""
    file = tmp_path / "00-a.gotmpl.yaml"
    file.write_text(text)
    with pytest.raises(DataError) as caught:
        HelmTemplates(tools("helm"))(file, data_of("here", {}))
    assert str(caught.value).endswith(message)
