"""The order of things: blocks, clean-up, scenarios, concurrency, budgets, interrupts; and what is not green."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.evidence.recorder import Recorder
from harness.evidence.replay import replay
from harness.objects import CONFIGMAPS, EVENTS, NAMESPACES, SERVICE_ACCOUNTS
from harness.reports.suites import telling
from harness.suites import kuttl
from harness.suites.load import load
from harness.suites.model import ClusterReference
from harness.suites.problems import Problems
from harness.suites.record import RunRecord, Status, StepRecord
from harness.suites.running.refusals import refuse
from harness.suites.running.run import Run
from tests.fakes.api import FakeApi, Fault
from tests.fakes.suite_runs import HEAD, KINDS, SECRETS, Suites, serve, steps

LIST_A = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"
NEVER = "assert: {timeout: 1h, resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: never}}}"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as api:
        serve(api, *KINDS, SERVICE_ACCOUNTS)
        yield api


@pytest.fixture
def suites(api: FakeApi, tmp_path: Path) -> Suites:
    return Suites(api, tmp_path)


@pytest.fixture
def nowhere(tmp_path: Path) -> Suites:
    """Without any cluster."""
    found = Suites(None, tmp_path)
    found.options = replace(found.options, no_cluster=True)
    return found


def say(word: str, more: str = "") -> str:
    return f"script: {{content: echo {word} >> said{more}}}"


def said(suites: Suites) -> list[str]:
    file = suites.folder / "said"
    return file.read_text().split() if file.exists() else []


# --- blocks ---


def test_blocks_run_in_their_order_and_only_for_the_step_that_failed(nowhere: Suites) -> None:
    """try until it fails; catch of configuration, test, step; finally always; cleanup last and in reverse."""
    spec = f"""spec:
  catch: [{{{say("catch-test")}}}]
  steps:
  - try: [{{{say("one")}}}]
    catch: [{{{say("catch-one")}}}]
    finally: [{{{say("finally-one")}}}]
    cleanup: [{{{say("cleanup-one")}}}]
  - try: [{{{say("two")}}}, {{script: {{content: exit 1}}}}, {{{say("never")}}}]
    catch: [{{script: {{content: exit 1}}}}, {{{say("catch-two")}}}]
    finally: [{{{say("finally-two")}}}]
    cleanup: [{{{say("cleanup-two")}}}]
  - try: [{{{say("three")}}}]
"""
    suite = nowhere.loaded(spec)
    catch = (
        nowhere.loaded(f"spec: {{steps: [{{try: [], catch: [{{{say('catch-suite')}}}]}}]}}\n").tests[0].steps[0].catch
    )
    record = nowhere.of(replace(suite, catch=catch))
    assert said(nowhere) == [
        *("one", "finally-one", "two", "catch-suite", "catch-test", "catch-two", "finally-two"),
        *("cleanup-two", "cleanup-one"),
    ]
    [test] = record.tests
    assert (test.status, [step.name for step in test.steps]) == (
        Status.FAILED,
        ["step 1", "step 2", "cleanup (step 2)", "cleanup (step 1)"],
    )
    assert not telling.green(record)


def test_continue_on_error_fails_the_test_and_goes_on(nowhere: Suites) -> None:
    """The next operation and the next step are run; its catch is, once."""
    bad = "{continueOnError: true, script: {content: exit 1}}"
    first = f"  - try: [{bad}, {{{say('on')}}}]\n    catch: [{{{say('catch')}}}]\n"
    spec = f"spec:\n  steps:\n{first}  - try: [{{{say('next')}}}]\n"
    [test] = nowhere.run(spec).tests
    assert said(nowhere) == ["on", "catch", "next"]
    assert test.status is Status.FAILED


@pytest.mark.parametrize("block", ["catch", "finally", "cleanup"])
def test_a_failure_in_any_block_is_a_failure_of_the_test(nowhere: Suites, block: str) -> None:
    """And is in the record, which chainsaw's own reports leave out."""
    trying = "exit 1" if block == "catch" else "true"
    step = f"  - try: [{{script: {{content: '{trying}'}}}}]\n    {block}: [{{script: {{content: exit 2}}}}]\n"
    spec = f"spec:\n  steps:\n{step}"
    [test] = nowhere.run(spec).tests
    assert test.status is Status.FAILED
    assert [each.block.value for each in test.operations if each.message.startswith("exit status 2")] == [block]


def test_bindings_are_evaluated_in_their_order(nowhere: Suites) -> None:
    """values, scenario, test, step, operation: each sees those before it, and may shadow them."""
    nowhere.options = replace(nowhere.options, values={"v": "v"})
    spec = """spec:
  bindings: [{name: t, value: "(join('', [$values.v, $s, to_string($test.scenarioId)]))"}]
  scenarios: [{bindings: [{name: s, value: x}]}, {name: named, bindings: [{name: s, value: y}]}]
  steps:
  - bindings: [{name: u, value: "(join('', [$t, 'u']))"}]
    try:
    - assert: {bindings: [{name: w, value: "(join('', [$u, to_string($operation.id), $test.metadata.name]))"}],
               resource: {"($w == 'vx1u1a' || $w == 'vy2u1a')": true}}
"""
    record = nowhere.run(spec)
    assert [(test.status, test.scenario) for test in record.tests] == [(Status.PASSED, "1"), (Status.PASSED, "named")]


def test_a_binding_without_a_value_is_an_error_of_the_set_up(nowhere: Suites) -> None:
    """Told in a step of its own; no step of the test is run."""
    spec = f"spec:\n  bindings: [{{name: a, value: ($nothing)}}]\n  steps: [{{try: [{{{say('never')}}}]}}]\n"
    [test] = nowhere.run(spec).tests
    assert (test.status, [step.name for step in test.steps], said(nowhere)) == (Status.ERROR, ["setup"], [])


# --- what is made, and what is left ---


def test_what_a_test_made_is_deleted_in_reverse(api: FakeApi, suites: Suites) -> None:
    """Steps in reverse, objects in reverse, the namespace last."""
    names = [f"apply: {{resource: {LIST_A.replace('name: a', f'name: {name}')}}}" for name in "abc"]
    second = "".join(f"  - try: [{{{name}}}]\n" for name in names[2:])
    suites.run(steps(*names[:2]) + second)
    gone = [path.rpartition("/")[2] for verb, path, _, _ in api.bodies if verb == "DELETE"]
    assert gone == ["c", "b", "a", "ns"]


def test_what_a_suite_made_itself_is_not_listed_as_changed(suites: Suites) -> None:
    """An object of an earlier step that a later one patches, kept or not."""
    patch = f"  - try: [{{patch: {{resource: {LIST_A.replace('}}', ', labels: {a: b}}}')}}}}}]\n"
    for kept in (False, True):
        record = suites.run(steps(f"apply: {{resource: {LIST_A}}}") + patch, suite={"skip_delete": kept})
        assert record.tests[0].status is Status.PASSED
        assert record.left_changed == ()


def test_skip_delete_keeps_objects_and_runs_cleanup(api: FakeApi, suites: Suites) -> None:
    """The nearest that says so decides."""
    spec = steps(f"apply: {{resource: {LIST_A}}}") + f"    cleanup: [{{{say('cleanup')}}}]\n"
    suites.run(spec, suite={"skip_delete": True})
    assert api.seen("DELETE") == 0
    assert said(suites) == ["cleanup"]
    other = spec.replace("name: a}", "name: b}").replace("steps:", "skipDelete: false\n  steps:")
    suites.run(other, suite={"skip_delete": True})
    assert [path.rpartition("/")[2] for verb, path, _, _ in api.bodies if verb == "DELETE"] == ["b"]


def test_a_namespace_is_made_from_its_template_and_may_be_renamed_by_it(api: FakeApi, suites: Suites) -> None:
    """The test's template, else that of the configuration; without a name one is generated."""
    template = "  namespaceTemplate: {metadata: {name: foo, labels: {a: b}}}\n"
    [test] = suites.run(f"spec:\n{template}  steps: [{{try: [{{script: {{content: exit 0}}}}]}}]\n").tests
    [body] = [body for verb, _, _, body in api.bodies if verb == "POST"]
    assert (test.namespace, body["metadata"]["labels"]) == ("foo", {"a": "b"})
    [other] = suites.run("spec:\n  steps: [{try: [{script: {content: exit 0}}]}]\n").tests
    assert other.namespace.startswith("chainsaw-")


def test_one_namespace_for_all_tests_is_deleted_once_at_the_end(api: FakeApi, suites: Suites) -> None:
    """It is the run's, not a test's."""
    one = "spec:\n  steps: [{try: [{script: {content: exit 0}}]}]\n"
    suites.run(one + "---\n" + HEAD + one, suite={"namespace": "all"})
    assert [path for verb, path, _, _ in api.bodies if verb == "DELETE"] == ["/api/v1/namespaces/all"]


# --- many tests ---


def many(*bodies: str) -> str:
    """Several documents, the head of the first left out."""
    heads = [HEAD.replace("name: a", f"name: t{number}") for number in range(len(bodies))]
    return "---\n".join(head + body for head, body in zip(heads, bodies, strict=True))


def test_tests_that_may_not_be_concurrent_run_first(nowhere: Suites) -> None:
    """Alone and in order, then the others; the record has them as they were found."""
    bodies = [f"spec:\n  concurrent: {flag}\n  steps: [{{try: [{{{say(word)}}}]}}]\n" for flag, word in
              (("true", "a"), ("false", "b"), ("false", "c"))]  # fmt: skip
    record = nowhere.run(many(*bodies), suite={"parallel": 1}, head="")
    assert said(nowhere) == ["b", "c", "a"]
    assert [test.name for test in record.tests] == ["t0", "t1", "t2"]


def test_fail_fast_begins_no_new_test(nowhere: Suites) -> None:
    """What was not begun is skipped, and says why."""
    bad, good = (f"spec:\n  steps: [{{try: [{{script: {{content: '{text}'}}}}]}}]\n" for text in ("exit 1", "true"))
    record = nowhere.run(many(bad, good), suite={"fail_fast": True, "parallel": 1}, head="")
    assert [test.status for test in record.tests] == [Status.FAILED, Status.SKIPPED]
    assert record.tests[1].message == "not begun: an earlier test failed (failFast)"


def test_tests_are_repeated(nowhere: Suites) -> None:
    """As often as the configuration says."""
    record = nowhere.run(f"spec:\n  steps: [{{try: [{{{say('x')}}}]}}]\n", suite={"repeat": 3})
    assert (len(record.tests), said(nowhere)) == (3, ["x"] * 3)


# --- nothing is green because nothing was looked at ---


@pytest.mark.parametrize(
    ("spec", "status", "green"),
    [
        ("spec: {steps: []}\n", Status.ERROR, False),
        ("spec: {steps: [{try: []}]}\n", Status.ERROR, False),
        ("spec: {skip: true, steps: [{try: [{sleep: {duration: 0s}}]}]}\n", Status.SKIPPED, False),
        ("spec: {steps: [{try: [{sleep: {duration: 0s}}]}]}\n", Status.SKIPPED, False),
        ("spec: {steps: [{try: [{sleep: {duration: 0s}}, {script: {content: exit 0}}]}]}\n", Status.PASSED, True),
    ],
)
def test_a_test_that_judges_nothing_is_not_green(nowhere: Suites, spec: str, status: Status, green: bool) -> None:
    """No operation, none that can fail, all skipped; the run as a whole is red."""
    record = nowhere.run(spec)
    assert record.tests[0].status is status
    assert telling.green(record) is green


def test_a_test_may_declare_that_it_checks_nothing(nowhere: Suites) -> None:
    """By aicr's annotation: it is skipped, and a run of nothing else is not green."""
    head = HEAD + "  annotations: {aicr/no-op-check: 'true'}\n"
    record = nowhere.run("spec: {steps: []}\n", head=head)
    assert record.tests[0].status is Status.SKIPPED
    assert record.error == "all tests were skipped: nothing was judged"


def test_no_test_at_all_is_not_green(nowhere: Suites) -> None:
    """The worst green."""
    record = nowhere.of(replace(nowhere.loaded("spec: {steps: []}\n"), tests=()))
    assert record.error == "no test was found: nothing was judged"
    assert not telling.green(record)


def test_without_a_cluster_what_needs_one_is_an_error(nowhere: Suites) -> None:
    """Not a pass, and not a traceback."""
    for operation in (f"apply: {{resource: {LIST_A}}}", f"error: {{resource: {LIST_A}}}", "events: {}"):
        [record] = nowhere.operations(steps(operation))
        assert record.status is Status.ERROR
        assert "cluster" in record.message


# --- what is refused before anything runs ---


@pytest.mark.parametrize(
    ("operation", "options", "foreign", "message"),
    [
        (say("x"), {"scripts": False}, "", "runs a program: script at"),
        (say("x"), {"read_only": True}, "", "may not be carried out with --read-only: script at"),
        (f"apply: {{resource: {LIST_A}}}", {"read_only": True}, "", "apply at"),
        ("delete: {ref: {apiVersion: v1, kind: A}}", {"read_only": True}, "", "delete at"),
        (f"assert: {{resource: {LIST_A}}}", {}, "theirs", "context theirs was not created by the harness"),
    ],
)
def test_what_is_not_allowed_is_refused_before_anything_runs(
    suites: Suites, operation: str, options: dict[str, bool], foreign: str, message: str
) -> None:
    """Programs, writes in read-only mode, a cluster of somebody else; with file and line."""
    suite = suites.loaded(steps(operation))
    with pytest.raises(UsageError, match=message) as refused:
        refuse(suite, replace(suites.options, **options), foreign=foreign)  # type: ignore[arg-type]  # all are flags
    if not foreign:
        assert "chainsaw-test.yaml:9" in str(refused.value)


def test_reading_a_foreign_cluster_is_allowed(api: FakeApi, suites: Suites) -> None:
    """Asserts and errors, in a namespace that is there; nothing is written, not even a namespace."""
    api.put(CONFIGMAPS, {"metadata": {"name": "a"}}, namespace="ns")
    api.put(NAMESPACES, {"metadata": {"name": "ns"}})
    suites.options = replace(suites.options, read_only=True)
    suite = suites.loaded(steps(f"assert: {{resource: {LIST_A}}}"))
    refuse(suite, suites.options, foreign="theirs")
    [test] = suites.of(suite).tests
    assert test.status is Status.PASSED
    assert api.bodies == []


def test_a_namespace_that_is_not_there_is_no_place_to_find_nothing_in(api: FakeApi, suites: Suites) -> None:
    """On a cluster that is only read it is not made, and an error would hold of nothing; kuttl's random one neither."""
    suites.options = replace(suites.options, read_only=True)
    [test] = suites.run(steps(f"error: {{resource: {LIST_A}}}")).tests
    assert test.status is Status.ERROR
    assert "namespace ns not found" in test.steps[0].operations[0].message
    api.put(NAMESPACES, {"metadata": {"name": "default"}})
    place = kuttl_suite(suites.folder, {"00-errors.yaml": "apiVersion: v1\nkind: Pod\n"})
    (place / "kuttl-test.yaml").unlink()
    [test] = suites.of(replace(kuttl.load(place), namespace="")).tests
    assert (test.namespace, test.status) == ("default", Status.PASSED)


def test_another_cluster_is_only_read_unless_its_context_is_named(api: FakeApi, suites: Suites) -> None:
    """A suite that names a kubeconfig may not write there on its own account."""
    with FakeApi() as other:
        serve(other, *KINDS)
        elsewhere = suites.folder / "elsewhere"
        elsewhere.mkdir()
        other.kubeconfig(elsewhere)
        clusters = {"other": ClusterReference("elsewhere/kubeconfig", "fake")}
        spec = steps(f"apply: {{cluster: other, resource: {LIST_A}}}")
        [test] = suites.run(spec, suite={"clusters": clusters}).tests
        assert test.status is Status.ERROR
        assert other.bodies == []
        suites.options = replace(suites.options, writable_contexts=frozenset({"fake"}))
        [test] = suites.run(spec, suite={"clusters": clusters}).tests
        assert test.status is Status.PASSED
        assert [verb for verb, *_ in other.bodies] == ["POST", "DELETE"]


# --- time and interrupts ---


def test_a_budget_ends_a_test_and_its_clean_up_still_runs(api: FakeApi, suites: Suites) -> None:
    """One budget per test on top of every timeout; what was not begun says so."""
    suites.options = replace(suites.options, test_budget=0.3)
    spec = steps(f"apply: {{resource: {LIST_A}}}", NEVER)
    [test] = suites.run(spec + f"    finally: [{{{say('finally')}}}]\n").tests
    assert test.status is Status.FAILED
    assert said(suites) == ["finally"]
    assert [path for verb, path, _, _ in api.bodies if verb == "DELETE"][-1] == "/api/v1/namespaces/ns"


def interrupting(api: FakeApi, suites: Suites) -> None:
    """Interrupt the run as soon as configmaps are watched."""

    def begin(run: Run) -> None:
        def later() -> None:
            while not api.watched(CONFIGMAPS):
                threading.Event().wait(0.01)
            run.interrupt()

        threading.Thread(target=later, daemon=True).start()

    suites.started = begin


def test_an_interrupt_runs_finally_and_clean_up_and_no_further_test(api: FakeApi, suites: Suites) -> None:
    """The operation is cancelled, catch is not run, what was made goes, and the record says interrupted."""
    interrupting(api, suites)
    first = steps(f"apply: {{resource: {LIST_A}}}", NEVER)
    first += (
        f"    catch: [{{{say('catch')}}}]\n    finally: [{{{say('finally')}}}]\n    cleanup: [{{{say('cleanup')}}}]\n"
    )
    record = suites.run(many(first, first), suite={"parallel": 1}, head="")
    assert record.interrupted
    assert said(suites) == ["finally", "cleanup"]
    assert [test.status for test in record.tests] == [Status.ERROR, Status.SKIPPED]
    assert [path.rpartition("/")[2] for verb, path, _, _ in api.bodies if verb == "DELETE"] == ["a", "ns"]
    assert not telling.green(record)


def test_an_interrupt_ends_a_script(nowhere: Suites) -> None:
    """Its group is ended; it does not take its minutes."""

    def begin(run: Run) -> None:
        def later() -> None:
            while not said(nowhere):
                threading.Event().wait(0.01)
            run.interrupt()

        threading.Thread(target=later, daemon=True).start()

    nowhere.started = begin
    [record] = nowhere.operations(steps("script: {content: echo begun > said; sleep 300, timeout: 1h}"))
    assert (record.status, record.message) == (Status.ERROR, "interrupted")


# --- recordings ---


def test_every_verdict_of_a_run_is_judged_again_alike(api: FakeApi, suites: Suites, tmp_path: Path) -> None:
    """asserts, errors, waits and deletions; of Secrets nothing is recorded."""
    api.put(CONFIGMAPS, {"metadata": {"name": "m"}, "data": {"a": "2"}}, namespace="ns")
    api.put(SECRETS, {"metadata": {"name": "s"}, "data": {"k": "c2VjcmV0"}}, namespace="ns")
    suites.recorder = Recorder(tmp_path / "run.jsonl", run_id="r", recipe="suites", deployer="test", cluster="c")
    api.leaving = {"configmaps"}
    suites.run(
        steps(
            f"apply: {{resource: {LIST_A}}}",
            f"assert: {{resource: {LIST_A}}}",
            "assert: {bindings: [{name: x, value: '2'}], resource: {apiVersion: v1, kind: ConfigMap, data: {a: ($x)}}}",
            "error: {resource: {apiVersion: v1, kind: Pod}}",
            "assert: {resource: {apiVersion: v1, kind: Secret, metadata: {name: s}}}",
            "wait: {apiVersion: v1, kind: ConfigMap, name: a, for: {jsonPath: {path: '{.metadata.name}', value: a}}}",
            "assert: {resource: {\"(length(x_k8s_list($client, 'v1', 'ConfigMap', 'ns').items) > `0`)\": true}}",
            "assert: {timeout: 100ms, resource: {apiVersion: v1, kind: ConfigMap, data: {a: '1'}}}",
        )
    )
    assert suites.recorder.close() == ""
    found = replay(tmp_path / "run.jsonl")
    assert found.differences == ()
    names = {wait.name for wait in found.waits}
    assert names >= {"assertions.asserted", "absence.vanished", "conditions.awaited"}
    assert "c2VjcmV0" not in (tmp_path / "run.jsonl").read_text()


def test_a_namespace_that_is_there_serves_those_who_may_create_none(api: FakeApi, suites: Suites) -> None:
    """It is not looked for first: who may create one needs a single request."""
    api.put(NAMESPACES, {"metadata": {"name": "ns"}})
    api.put(CONFIGMAPS, {"metadata": {"name": "a"}}, namespace="ns")
    api.fault(Fault("status", "POST", "namespaces", status=403))
    [test] = suites.run(steps(f"assert: {{resource: {LIST_A}}}")).tests
    assert test.status is Status.PASSED
    assert api.seen("DELETE") == 0
    before = api.seen("GET", "namespaces")
    suites.run(steps(f"assert: {{resource: {LIST_A}}}"))
    assert api.seen("GET", "namespaces") == before


# --- kuttl ---


def kuttl_suite(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / "suite" / "case" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "suite" / "kuttl-test.yaml").write_text("apiVersion: kuttl.dev/v1beta1\nkind: TestSuite\nnamespace: ns\n")
    return folder / "suite"


def kuttl_steps(record: RunRecord) -> list[StepRecord]:
    return [step for step in record.tests[0].steps if step.name[0].isdigit()]


def test_kuttls_round_wants_all_of_it_at_once(api: FakeApi, suites: Suites) -> None:
    """Objects are applied, asserts and errors judged together, a command asked while they hold."""
    api.put(SERVICE_ACCOUNTS, {"metadata": {"name": "default"}}, namespace="ns")
    place = kuttl_suite(
        suites.folder,
        {
            "00-make.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n",
            "00-assert.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n---\n"
            "apiVersion: kuttl.dev/v1beta1\nkind: TestAssert\ntimeout: 5\n"
            "commands: [{script: 'test -n \"$NAMESPACE\"'}]\n",
            "00-errors.yaml": "apiVersion: v1\nkind: Pod\n",
        },
    )
    record = suites.of(kuttl.load(place))
    [step] = kuttl_steps(record)
    assert [(each.kind, each.status) for each in step.operations] == [
        ("apply", Status.PASSED),
        ("assert", Status.PASSED),
        ("error", Status.PASSED),
        ("round", Status.PASSED),
    ]
    assert telling.green(record)


def test_kuttls_failure_names_the_document_that_did_not_hold(api: FakeApi, suites: Suites) -> None:
    """The others of the round are what they are; collectors run."""
    api.put(SERVICE_ACCOUNTS, {"metadata": {"name": "default"}}, namespace="ns")
    api.put(CONFIGMAPS, {"metadata": {"name": "a"}, "data": {"x": "2"}}, namespace="ns")
    place = kuttl_suite(
        suites.folder,
        {
            "00-assert.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n"
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n---\n"
            "apiVersion: kuttl.dev/v1beta1\nkind: TestAssert\ntimeout: 1\n",
        },
    )
    [step] = kuttl_steps(suites.of(kuttl.load(place)))
    assert [each.status for each in step.operations] == [Status.PASSED, Status.FAILED]
    assert ".data.x: value mismatch, expected: 1 != actual: 2" in step.operations[1].message


def test_kuttl_applies_objects_though_a_command_failed(api: FakeApi, suites: Suites) -> None:
    """The other commands are not run, the round is not judged, and the step has failed."""
    api.put(SERVICE_ACCOUNTS, {"metadata": {"name": "default"}}, namespace="ns")
    place = kuttl_suite(
        suites.folder,
        {
            "00-make.yaml": "apiVersion: kuttl.dev/v1beta1\nkind: TestStep\n"
            "commands: [{script: exit 1}, {script: 'true'}]\n---\n"
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
            "00-errors.yaml": "apiVersion: v1\nkind: Pod\n",
        },
    )
    [step] = kuttl_steps(suites.of(kuttl.load(place)))
    assert [(each.kind, each.status) for each in step.operations] == [
        ("script", Status.FAILED),
        ("apply", Status.PASSED),
    ]


@pytest.mark.parametrize(
    ("command", "message", "output"),
    [
        (
            "script: 'echo out; echo err >&2; exit 3'",
            'command "echo out; echo err >&2; exit 3" failed, exit status 3',
            "err",
        ),
        ("command: no-such-program a", 'exec: "no-such-program": executable file not found in $PATH', ""),
        (
            "{script: 'sleep 30', timeout: 1}",
            'command "sleep 30" exceeded 1 sec timeout, context deadline exceeded',
            "",
        ),
    ],
)
def test_a_failed_command_of_kuttl_has_kuttls_words(
    api: FakeApi, suites: Suites, command: str, message: str, output: str
) -> None:
    """They alone, because kuttl's reports have them; what the command wrote is beside them."""
    api.put(SERVICE_ACCOUNTS, {"metadata": {"name": "default"}}, namespace="ns")
    text = f"apiVersion: kuttl.dev/v1beta1\nkind: TestStep\ncommands:\n- {command}\n"
    [step] = kuttl_steps(suites.of(kuttl.load(kuttl_suite(suites.folder, {"00-make.yaml": text}))))
    [operation] = step.operations
    assert (operation.status, operation.message) == (Status.FAILED, message)
    assert output in operation.output


def test_a_command_of_kuttl_without_a_limit_is_ended_by_the_budget(api: FakeApi, suites: Suites) -> None:
    """The limit that is told is that of the test."""
    suites.options = replace(suites.options, test_budget=1.0)
    api.put(SERVICE_ACCOUNTS, {"metadata": {"name": "default"}}, namespace="ns")
    text = "apiVersion: kuttl.dev/v1beta1\nkind: TestStep\ncommands: [{script: 'sleep 30', timeout: -1}]\n"
    [step] = kuttl_steps(suites.of(kuttl.load(kuttl_suite(suites.folder, {"00-make.yaml": text}))))
    message = 'command "sleep 30" exceeded 1 sec timeout, context deadline exceeded'
    assert step.operations[0].message == message


def test_a_failed_command_of_a_round_has_kuttls_words(api: FakeApi, suites: Suites) -> None:
    """Of the last time that it was run."""
    api.put(SERVICE_ACCOUNTS, {"metadata": {"name": "default"}}, namespace="ns")
    text = "apiVersion: kuttl.dev/v1beta1\nkind: TestAssert\ntimeout: 1\ncommands: [{script: 'echo err >&2; false'}]\n"
    [step] = kuttl_steps(suites.of(kuttl.load(kuttl_suite(suites.folder, {"00-assert.yaml": text}))))
    [operation] = step.operations
    assert operation.message == 'command "echo err >&2; false" failed, exit status 1'
    assert "err" in operation.output


def test_folders_of_both_languages_run_in_one_go(api: FakeApi, suites: Suites) -> None:
    """Each is told by what is in it."""
    (suites.folder / "chainsaw").mkdir()
    (suites.folder / "chainsaw" / "chainsaw-test.yaml").write_text(HEAD + "spec: {steps: [{try: []}]}\n")
    place = kuttl_suite(suites.folder, {"00-errors.yaml": "apiVersion: v1\nkind: Pod\n"})
    problems = Problems()
    found = load([suites.folder / "chainsaw", place], problems)
    assert [(suite.language.value, len(suite.tests)) for suite in found] == [("chainsaw", 1), ("kuttl", 1)]
    assert not problems.errors


def test_an_operation_refused_by_the_server_is_told_with_its_words(api: FakeApi, suites: Suites) -> None:
    """Not a traceback, and the test is cleaned up."""
    api.fault(Fault("status", "POST", "namespaces", status=403))
    [test] = suites.run(steps(f"assert: {{resource: {LIST_A}}}")).tests
    assert (test.status, test.steps[0].name) == (Status.ERROR, "setup")
    assert "403" in test.steps[0].operations[0].message


def test_kuttl_shows_the_events_of_the_namespace(api: FakeApi, suites: Suites) -> None:
    """Beside the step that ran last, unless the suite suppresses them; they fail nothing."""
    event = {"type": "Warning", "reason": "Failed", "message": "why", "involvedObject": {"kind": "Pod", "name": "p"}}
    api.put(EVENTS, event, namespace="ns", name="e")
    api.put(SERVICE_ACCOUNTS, {}, namespace="ns", name="default")
    place = kuttl_suite(suites.folder, {"00-map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n"})
    loaded = kuttl.load(place)
    [step] = kuttl_steps(suites.of(loaded))
    assert [(each.kind, each.status) for each in step.operations] == [("apply", "passed"), ("events", "passed")]
    assert "Warning  Failed  Pod/p  why" in step.operations[-1].output
    [quiet] = kuttl_steps(suites.of(replace(loaded, suppress=("events",))))
    assert [each.kind for each in quiet.operations] == ["apply"]
    api.fault(Fault("status", "LIST", "events", status=403))
    [without] = kuttl_steps(suites.of(loaded))
    assert without.status is Status.PASSED
