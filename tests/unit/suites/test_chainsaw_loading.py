"""chainsaw's files are read strictly: what is wrong is told with file, line and the nearest name, all at once."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import UsageError
from harness.suites import load as suites
from harness.suites import objects
from harness.suites.chainsaw import configuration, tests, values
from harness.suites.fields import Fields, documents
from harness.suites.model import Assert, Delete, Place, Program, Show, Suite, WaitFor, Write
from harness.suites.problems import Problems

CORPUS = Path(__file__).parents[4] / "shared" / "suites" / "chainsaw"
corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside the project")

HEAD = "apiVersion: chainsaw.kyverno.io/v1alpha1\nkind: Test\nmetadata:\n  name: a\n"

REFUSED = {
    "unknown field of spec": ("spec:\n  step: []\n  steps: []\n", 6, "unknown field 'step'", "did you mean steps"),
    "unknown field of a step": ("spec:\n  steps:\n  - trie: []\n    try: []\n", 7, "unknown field 'trie'", "try"),
    "unknown action": (
        "spec:\n  steps:\n  - try:\n    - asert: {}\n",
        8,
        "unknown field 'asert'",
        "did you mean assert",
    ),
    "unknown field of an action": (
        "spec:\n  steps:\n  - try:\n    - sleep:\n        duration: 1s\n        timeout: 1s\n",
        10,
        "unknown field 'timeout'",
        "duration",
    ),
    "two actions": ("spec:\n  steps:\n  - try:\n    - sleep: {duration: 1s}\n      events: {}\n", 8, "2 actions", ""),
    "no action": ("spec:\n  steps:\n  - try:\n    - description: a\n", 8, "no action", "apply"),
    "assert in catch": (
        "spec:\n  steps:\n  - try: []\n    catch:\n    - assert: {}\n",
        9,
        "assert is only allowed in try",
        "",
    ),
    "continueOnError in finally": (
        "spec:\n  steps:\n  - try: []\n    finally:\n    - sleep: {duration: 1s}\n      continueOnError: true\n",
        10,
        "continueOnError has no place in finally",
        "",
    ),
    "a list where text belongs": ("spec:\n  description: [a]\n  steps: []\n", 6, "expected text, got a list", ""),
    "a number as a duration": (
        "spec:\n  steps:\n  - try:\n    - sleep:\n        duration: 5\n",
        9,
        "expected text",
        'write duration: "5"',
    ),
    "a duration without unit": ("spec:\n  timeouts: {apply: '5'}\n  steps: []\n", 6, "'5' is not a duration", "30s"),
    "a negative duration": ("spec:\n  timeouts: {apply: -5s}\n  steps: []\n", 6, "must not be negative", ""),
    "resource and file": (
        "spec:\n  steps:\n  - try:\n    - apply: {file: a.yaml, resource: {kind: A}}\n",
        8,
        "resource and file exclude each other",
        "",
    ),
    "neither resource nor file": ("spec:\n  steps:\n  - try:\n    - apply: {}\n", 8, "resource or file is missing", ""),
    "delete of nothing": ("spec:\n  steps:\n  - try:\n    - delete: {}\n", 8, "file or ref is missing", ""),
    "an object without a kind": (
        "spec:\n  steps:\n  - try:\n    - apply:\n        resource: {apiVersion: v1}\n",
        9,
        "the object has no kind",
        "",
    ),
    "an empty object": (
        "spec:\n  steps:\n  - try:\n    - apply: {resource: {}}\n",
        8,
        "the object has no apiVersion",
        "",
    ),
    "an empty list": (
        "spec:\n  steps:\n  - try:\n    - assert: {resource: {apiVersion: v1, kind: List, items: []}}\n",
        8,
        "the list has no items",
        "",
    ),
    "logs of nothing": ("spec:\n  steps:\n  - try:\n    - podLogs: {}\n", 8, "needs a name or a selector", ""),
    "name and selector": (
        "spec:\n  steps:\n  - try:\n    - events: {name: a, selector: b=c}\n",
        8,
        "name and selector exclude each other",
        "",
    ),
    "wait for two things": (
        "spec:\n  steps:\n  - try:\n    - wait: {apiVersion: v1, kind: Pod, for: {deletion: {}, creation: {}}}\n",
        8,
        "write one of creation, deletion",
        "",
    ),
    "an unknown propagation": (
        "spec:\n  deletionPropagationPolicy: background\n  steps: []\n",
        6,
        "'background' is not valid",
        "Background",
    ),
    "a binding's name": (
        "spec:\n  bindings: [{name: a-b, value: 1}]\n  steps: []\n",
        6,
        "'a-b' is neither a word nor an expression",
        "",
    ),
    "a binding without a value": ("spec:\n  bindings: [{name: a}]\n  steps: []\n", 6, "value is missing", ""),
    "a step template that is missing": (
        "spec:\n  steps:\n  - use: {template: no.yaml}\n",
        7,
        "no.yaml: file not found",
        "",
    ),
    "another version": (None, 1, "expected a Test of chainsaw.kyverno.io/v1alpha1, got a Test of v1", ""),
    "no document": ("", 0, "contains no document", ""),
    "broken YAML": ("spec: [\n", 6, "not valid YAML", ""),
}


def read(tmp_path: Path, text: str) -> tuple[Suite, Problems]:
    (tmp_path / "chainsaw-test.yaml").write_text(text)
    problems = Problems()
    return suites.load([tmp_path], problems)[0], problems


@pytest.mark.parametrize(("text", "line", "what", "do"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str | None, line: int, what: str, do: str) -> None:
    """One clear error, file:line in front, the remedy below."""
    text = "apiVersion: v1\nkind: Test\nspec:\n  steps: []\n" if text is None else HEAD + text if text else ""
    _, problems = read(tmp_path, text)
    place = Place(tmp_path / "chainsaw-test.yaml", line)
    [error, *_] = [problem for problem in problems.errors if what in problem.what]
    assert error.place == str(place)
    assert do in error.do


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Of one file and of several."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        bad = "spec:\n  steps:\n  - try:\n    - foo: {}\n  - bar: {}\n"
        (tmp_path / name / "chainsaw-test.yaml").write_text(HEAD + bad)
    problems = Problems()
    suites.load([tmp_path], problems)
    assert [error.what for error in problems.errors] == 2 * [
        "unknown field 'foo'",
        "the step has neither try nor use",
        "unknown field 'bar'",
    ]


BROKEN_TREES = {
    "assert": "assert: {resource: {'(a b)': 1}}",
    "binding": "assert: {bindings: [{name: a, value: (a b)}], resource: {a: 1}}",
    "template": "apply: {resource: {apiVersion: v1, kind: A, metadata: {name: (a b)}}}",
    "check": "script: {content: a, check: {'(a b)': 1}}",
    "expect": "apply: {resource: {apiVersion: v1, kind: A}, expect: [{check: {'(a b)': 1}}]}",
    "output": "script: {content: a, outputs: [{name: a, value: (a b)}]}",
    "reference": "delete: {ref: {apiVersion: v1, kind: A, name: (a b)}}",
    "environment": "command: {entrypoint: a, env: [{name: a, value: (a b)}]}",
    "cluster": "events: {cluster: (a b)}",
    "engine": "assert: {resource: {'(jp; a b)': 1}}",
    "unknown function": "assert: {resource: {'(nothing(a))': 1}}",
}


@pytest.mark.parametrize("operation", BROKEN_TREES.values(), ids=BROKEN_TREES)
def test_an_expression_that_does_not_parse_is_an_error_before_anything_runs(tmp_path: Path, operation: str) -> None:
    """Wherever it stands; the column is told."""
    _, problems = read(tmp_path, HEAD + f"spec:\n  steps:\n  - try:\n    - {operation}\n")
    [error] = problems.errors
    assert error.place.endswith("chainsaw-test.yaml:8")
    assert "column" in error.what


def test_templates_that_are_off_are_not_compiled(tmp_path: Path) -> None:
    """`template: false` takes parentheses as text, for the nearest that says so."""
    broken = "apply: {template: false, resource: {apiVersion: v1, kind: A, metadata: {name: (a b)}}}"
    assert not read(tmp_path, HEAD + f"spec:\n  steps:\n  - try:\n    - {broken}\n")[1].errors


def test_every_field_of_a_step_arrives_in_the_model(tmp_path: Path) -> None:
    """Lines, times in seconds, blocks, bindings and what surrounds an operation."""
    text = """spec:
  timeouts: {assert: 1m30s, exec: 500ms}
  scenarios: [{name: one, bindings: [{name: a, value: 1}]}]
  catch: [{events: {}}]
  steps:
  - name: first
    skipDelete: true
    timeouts: {apply: 2s}
    bindings: [{name: b, value: (c), compiler: jp}]
    clusters: {other: {kubeconfig: ./k, context: c}}
    cluster: other
    try:
    - description: d
      continueOnError: true
      patch:
        subresource: status
        dryRun: true
        timeout: 3s
        resource: {apiVersion: v1, kind: Pod}
        expect: [{match: {a: 1}, check: {b: 2}}]
        outputs: [{name: o, value: (@), match: {a: 1}}]
    - delete: {ref: {apiVersion: v1, kind: Pod, labels: {a: b}}, deletionPropagationPolicy: Orphan}
    - wait: {apiVersion: v1, kind: Pod, name: p, for: {jsonPath: {path: '{.a}', value: x}}, format: yaml}
    catch: [{podLogs: {selector: a=b, tail: -1, container: c}}]
    finally: [{command: {entrypoint: e, args: [f], env: [{name: G, value: h}], workDir: w, skipLogOutput: true}}]
    cleanup: [{script: {content: s, shell: bash, shellArgs: [-e], check: {a: 1}}}]
"""
    suite, problems = read(tmp_path, HEAD + text)
    assert not problems.errors
    [test] = suite.tests
    [step] = test.steps
    patch, delete, wait = step.try_
    assert (test.timeouts.assert_, test.timeouts.exec, step.timeouts.apply) == (90.0, 0.5, 2.0)
    assert (test.scenarios[0].name, test.catch[0].verb, step.cluster) == ("one", "events", "other")
    assert (patch.verb, patch.timeout, patch.continue_on_error, patch.place.line) == ("patch", 3.0, True, 19)
    assert isinstance(patch.action, Write)
    assert (patch.action.subresource, patch.action.dry_run, patch.outputs[0].match) == ("status", True, {"a": 1})
    assert isinstance(delete.action, Delete)
    assert delete.action.reference is not None
    assert (delete.action.propagation, delete.action.reference.labels) == ("Orphan", {"a": "b"})
    assert isinstance(wait.action, WaitFor)
    assert (wait.action.condition.what, wait.action.condition.value) == ("jsonPath", "x")
    assert isinstance(step.catch[0].action, Show)
    assert (step.catch[0].action.tail, step.catch[0].action.container) == (-1, "c")
    assert isinstance(step.finally_[0].action, Program)
    assert step.finally_[0].action.arguments == ("f",)
    assert isinstance(step.cleanup[0].action, Program)
    assert (step.cleanup[0].action.shell, step.cleanup[0].action.shell_arguments) == ("bash", ("-e",))


def test_a_step_template_is_appended_to_the_step_that_uses_it(tmp_path: Path) -> None:
    """Its bindings come after the step's, those given with `with` last."""
    (tmp_path / "t.yaml").write_text(
        "apiVersion: chainsaw.kyverno.io/v1alpha1\nkind: StepTemplate\nmetadata: {name: t}\n"
        "spec:\n  bindings: [{name: b, value: template}]\n  try: [{sleep: {duration: 2s}}]\n"
    )
    step = "- bindings: [{name: a, value: step}]\n    try: [{sleep: {duration: 1s}}]\n"
    used = "    use: {template: t.yaml, with: {bindings: [{name: c, value: with}]}}\n"
    suite, problems = read(tmp_path, HEAD + "spec:\n  steps:\n  " + step + used)
    assert not problems.errors
    [found] = suite.tests[0].steps
    assert [binding.name for binding in found.bindings] == ["a", "b", "c"]
    assert [operation.place.file.name for operation in found.try_] == ["chainsaw-test.yaml", "t.yaml"]


def test_files_are_patterns_and_lists_are_their_items(tmp_path: Path) -> None:
    """A pattern names several files, in order; a List is taken apart; a file that is not there is a warning."""
    (tmp_path / "b-1.yaml").write_text("apiVersion: v1\nkind: A\n---\napiVersion: v1\nkind: B\n")
    (tmp_path / "b-2.yaml").write_text("apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: C}]\n")
    steps = "- try: [{assert: {file: b-*.yaml}}, {apply: {file: later.yaml}}]\n"
    suite, problems = read(tmp_path, HEAD + "spec:\n  steps:\n  " + steps)
    judged, written = suite.tests[0].steps[0].try_
    assert isinstance(judged.action, Assert)
    assert [document.value["kind"] for document in judged.action.trees.documents] == ["A", "B", "C"]
    assert [str(document.place) for document in judged.action.trees.documents][1] == f"{tmp_path}/b-1.yaml:4"
    assert isinstance(written.action, Write)
    assert written.action.objects.file == "later.yaml"
    assert [problem.what for problem in problems.warnings] == [f"later.yaml: file not found in {tmp_path}"]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["a.b=1"], {"a": {"b": 1}}),
        (["a=true,b=null,c=x"], {"a": True, "b": None, "c": "x"}),
        (["a[1].b=c"], {"a": [None, {"b": "c"}]}),
        (["a={x,2}"], {"a": ["x", 2]}),
        ([r"a\.b=c\,d"], {"a.b": "c,d"}),
        (["a=01"], {"a": "01"}),
        (["a=b=c"], {"a": "b=c"}),
    ],
)
def test_single_values_are_written_as_for_helm(arguments: list[str], wanted: dict[str, Any]) -> None:
    """Names with dots and indexes; numbers, true, false and null are values unless it is --set-string."""
    assert values.read([], Problems(), set_=arguments) == wanted


def test_set_string_keeps_text() -> None:
    """01 and true are text."""
    assert values.read([], Problems(), set_string=["a=true", "b=1"]) == {"a": "true", "b": "1"}


@pytest.mark.parametrize("text", ["a", "=b", "a[0].b=1,a.c=2", "a[99999999]=1"])
def test_a_single_value_that_makes_no_sense_is_a_usage_error(text: str) -> None:
    """No name, no value, an index where there is no list, a list without bounds."""
    with pytest.raises(UsageError):
        values.read([], Problems(), set_=[text])


def test_a_later_values_file_wins(tmp_path: Path) -> None:
    """Key by key; an empty file says nothing."""
    (tmp_path / "a").write_text("x: {y: 1, z: 2}\n")
    (tmp_path / "b").write_text("x: {y: 3}\n")
    (tmp_path / "c").write_text("")
    problems = Problems()
    assert values.read([tmp_path / name for name in "abc"], problems) == {"x": {"y": 3, "z": 2}}
    assert not problems.found


def test_tests_are_chosen_by_labels_names_and_shards(tmp_path: Path) -> None:
    """Labels by selector, names by Go patterns, shards are contiguous and as even as they can be."""
    documents_ = "---\n".join(
        HEAD.replace("name: a", f"name: t{i}\n  labels: {{n: '{i}'}}") + "spec:\n  steps: []\n" for i in range(5)
    )
    (tmp_path / "chainsaw-test.yaml").write_text(documents_)

    def names(selection: suites.Selection | None = None, **said: str) -> list[str]:
        overrides = suites.Overrides(include=said.get("include"), exclude=said.get("exclude"))
        [suite] = suites.load([tmp_path], Problems(), overrides=overrides, selection=selection)
        return [test.name for test in suite.tests]

    assert names() == ["t0", "t1", "t2", "t3", "t4"]
    assert names(suites.Selection("n!=1,n")) == ["t0", "t2", "t3", "t4"]
    assert names(suites.Selection("!n")) == []
    shards = [names(suites.Selection(shard_index=index, shard_count=3)) for index in range(3)]
    assert shards == [["t0", "t1"], ["t2", "t3"], ["t4"]]
    assert names(include="t[12]") == ["t1", "t2"]
    assert names(include="chainsaw/t3", exclude="t4") == ["t3"]
    with pytest.raises(UsageError):
        names(suites.Selection("a b"))
    with pytest.raises(UsageError):
        names(suites.Selection(shard_index=3, shard_count=3))
    with pytest.raises(UsageError):
        names(include="(")


@corpus
def test_the_loading_corpus_is_accepted_and_refused_as_stated() -> None:
    """Tests, step templates, configurations, resources and values, by the corpus's own index."""
    expected = yaml.safe_load((CORPUS / "expected.yaml").read_text())
    sections = ("test", "step-template", "config", "commands/test-config", "commands/lint", "resource", "values")
    for section in sections:
        for name, outcome in expected[f"loading/{section}"].items():
            if name == "merge" or outcome.startswith("refused where"):
                continue
            problems, place = Problems(), CORPUS / "loading" / section / name
            files = sorted(place.iterdir()) if place.is_dir() else [place.with_name(f"{place.name}.yaml")]
            for file in files:
                _read_as(section, file, problems)
            assert bool(problems.errors) is outcome.startswith("refused"), (section, name, problems.errors)


def _read_as(section: str, file: Path, problems: Problems) -> None:
    match section:
        case "test" | "commands/lint" if file.parent.name == "test":
            tests.read(file, problems)
        case "step-template":
            for document in documents(file, problems):
                tests.step_template(Fields(document, problems), file.parent)
        case "resource":
            objects.read(file, problems, objects=True)
        case "values":
            values.read([file], problems)
        case _:
            configuration.read(file, problems)


@corpus
def test_a_file_of_two_step_templates_is_refused_where_it_is_used(tmp_path: Path) -> None:
    """By itself it is fine."""
    template = CORPUS / "loading" / "step-template" / "multiple.yaml"
    _, problems = read(tmp_path, HEAD + f"spec:\n  steps:\n  - use: {{template: {template}}}\n")
    assert [problem.what for problem in problems.errors] == ["expected one StepTemplate, got several"]


@corpus
def test_folders_are_discovered_as_chainsaw_does() -> None:
    """Test files by name, numbered manifests as one test, all else not at all."""
    found = {}
    for folder in sorted((CORPUS / "loading" / "discovery").iterdir()):
        found[folder.name] = suites.load([folder], Problems())[0].tests
    assert {name: len(tests) for name, tests in found.items()} == {
        "empty-test": 0,
        "manifests": 1,
        "multiple-tests": 2,
        "not-a-test": 0,
        "test": 1,
        "test-yml": 1,
    }
    [step] = found["manifests"][0].steps
    assert (step.name, [operation.verb for operation in step.try_]) == ("step-01", ["apply", "assert", "error"])


@corpus
@pytest.mark.parametrize(("folder", "count"), [("chainsaw/e2e/examples", 44), ("aicr", 36)])
def test_real_suites_load_without_an_error(folder: str, count: int) -> None:
    """chainsaw's own examples, and the conformance suites and command line tests of aicr."""
    problems = Problems()
    [suite] = suites.load([CORPUS.parent / folder], problems)
    assert not problems.errors
    assert len(suite.tests) == count


@corpus
def test_the_real_health_checks_load_without_an_error() -> None:
    """They are tests in files of another name."""
    problems = Problems()
    files = sorted((CORPUS.parent / "aicr" / "recipes" / "checks").rglob("*.yaml"))
    assert all(suites.check_file(file, problems) for file in files)
    assert (len(files), problems.errors) == (59, [])
