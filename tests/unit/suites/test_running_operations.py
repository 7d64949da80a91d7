"""What operations do to a cluster, what is retried, and what `expect` and `check` make of a failure."""

import base64
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cluster.api import Cluster
from harness.installers.manifests import SERVICES
from harness.objects import CONFIGMAPS, NAMESPACES, PODS
from harness.suites.record import Status
from harness.suites.running.nodes import Nodes, nodes_of
from tests.fakes.api import FakeApi, Fault
from tests.fakes.suite_runs import KINDS, SECRETS, WIDGETS, Suites, serve, steps

MAP = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, data: {a: '1'}}"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as api:
        serve(api, *KINDS)
        yield api


@pytest.fixture
def suites(api: FakeApi, tmp_path: Path) -> Suites:
    return Suites(api, tmp_path)


def statuses(suites: Suites, *operations: str) -> list[Status]:
    return [record.status for record in suites.operations(steps(*operations))]


def made(api: FakeApi, verb: str) -> list[str]:
    return [path for v, path, _, _ in api.bodies if v == verb]


# --- writes ---


def test_apply_creates_what_is_missing_and_takes_it_away_again(api: FakeApi, suites: Suites) -> None:
    """In the test's namespace, with strict field validation; the namespace comes first and goes last."""
    assert statuses(suites, f"apply: {{resource: {MAP}}}") == [Status.PASSED]
    assert made(api, "POST") == ["/api/v1/namespaces", "/api/v1/namespaces/ns/configmaps"]
    assert made(api, "DELETE") == ["/api/v1/namespaces/ns/configmaps/m", "/api/v1/namespaces/ns"]
    assert all(query["fieldValidation"] == "Strict" for verb, _, query in api.requests if verb == "POST")


def test_what_the_server_says_is_gone_is_not_looked_for(api: FakeApi, suites: Suites) -> None:
    """A Status is the answer of a deletion that is over; an assert that holds at once is one LIST."""
    statuses(suites, f"apply: {{resource: {MAP}}}", f"assert: {{resource: {MAP}}}")
    asked = [verb for verb, plural, _ in api.requests if plural == "configmaps"]
    assert asked == ["GET", "POST", "LIST", "DELETE"]


def test_what_was_there_is_patched_listed_and_never_deleted(api: FakeApi, suites: Suites) -> None:
    """Neither the object nor the namespace; who runs the suite is told what is not as it was."""
    api.put(NAMESPACES, {"metadata": {"name": "ns"}})
    api.put(CONFIGMAPS, {"metadata": {"name": "m"}, "data": {"b": "2"}}, namespace="ns")
    record = suites.run(steps(f"apply: {{resource: {MAP}}}"))
    assert record.left_changed == ("ConfigMap ns/m (apply)",)
    assert made(api, "DELETE") == []
    [(_, _, content_type, body)] = [each for each in api.bodies if each[0] == "PATCH"]
    assert content_type == "application/merge-patch+json"
    assert body["metadata"]["resourceVersion"]


def test_a_dry_run_is_told_to_the_server_and_leaves_nothing_to_clean_up(api: FakeApi, suites: Suites) -> None:
    """dryRun=All on the request, no deletion at the end."""
    suites.run(steps(f"create: {{dryRun: true, resource: {MAP}}}"))
    assert [query["dryRun"] for verb, plural, query in api.requests if (verb, plural) == ("POST", "configmaps")] == [
        "All"
    ]
    assert made(api, "DELETE") == ["/api/v1/namespaces/ns"]


@pytest.mark.parametrize(
    ("verb", "there", "message"),
    [
        ("create", True, "the resource already exists in the cluster"),
        ("update", False, "the resource does not exist in the cluster"),
        ("patch", False, "the resource does not exist in the cluster"),
    ],
)
def test_create_update_and_patch_want_the_object_as_they_say(
    api: FakeApi, suites: Suites, verb: str, there: bool, message: str
) -> None:
    """The failure is chainsaw's text, and it comes at once."""
    if there:
        api.put(CONFIGMAPS, {"metadata": {"name": "m"}}, namespace="ns")
    [record] = suites.operations(steps(f"{verb}: {{timeout: 1h, resource: {MAP}}}"))
    assert (record.status, record.message) == (Status.FAILED, message)


def test_update_replaces_and_patch_of_a_subresource_goes_there(api: FakeApi, suites: Suites) -> None:
    """PUT with the resourceVersion that is there; PATCH on /status."""
    api.put(CONFIGMAPS, {"metadata": {"name": "m"}}, namespace="ns")
    found = statuses(suites, f"update: {{resource: {MAP}}}", f"patch: {{subresource: status, resource: {MAP}}}")
    assert found == [Status.PASSED, Status.PASSED]
    assert made(api, "PUT") == ["/api/v1/namespaces/ns/configmaps/m"]
    assert made(api, "PATCH") == ["/api/v1/namespaces/ns/configmaps/m/status"]


def test_apply_is_tried_again_and_create_is_not(api: FakeApi, suites: Suites) -> None:
    """A refusal that may pass: apply outlives it, create is done with it; 400 ends both at once."""
    api.fault(Fault("status", "POST", "configmaps", status=403))
    assert statuses(suites, f"apply: {{timeout: 1h, resource: {MAP}}}") == [Status.PASSED]
    api.fault(Fault("status", "POST", "configmaps", status=403))
    assert statuses(suites, f"create: {{timeout: 1h, resource: {MAP}}}") == [Status.FAILED]
    api.fault(Fault("status", "POST", "configmaps", status=400))
    assert statuses(suites, f"apply: {{timeout: 1h, resource: {MAP}}}") == [Status.FAILED]


def test_expect_turns_a_failure_into_a_pass(api: FakeApi, suites: Suites) -> None:
    """Where a rule fits the object its check stands instead of the error; where none fits, the error stands."""
    api.put(CONFIGMAPS, {"metadata": {"name": "m"}}, namespace="ns")

    def create(rule: str) -> str:
        return f"create: {{resource: {MAP}, expect: [{rule}]}}"

    assert statuses(suites, create("{check: {($error != null): true}}")) == [Status.PASSED]
    exists = "($error): the resource already exists in the cluster"
    assert statuses(suites, create(f"{{match: {{kind: ConfigMap}}, check: {{{exists}}}}}")) == [Status.PASSED]
    assert statuses(suites, create("{match: {kind: Secret}, check: {($error != null): true}}")) == [Status.FAILED]
    [record] = suites.operations(steps(create("{check: {($error): null}}")))
    assert record.status is Status.FAILED
    assert "expect does not hold (the error was: the resource already exists in the cluster)" in record.message


def test_a_success_that_was_to_fail_is_a_failure(suites: Suites) -> None:
    """An expected error that does not come."""
    operation = f"create: {{resource: {MAP}, expect: [{{check: {{($error != null): true}}}}]}}"
    assert statuses(suites, operation) == [Status.FAILED]


def test_delete_takes_names_labels_and_files_and_what_is_not_there(api: FakeApi, suites: Suites) -> None:
    """By reference and by file; nothing to delete is a pass; a kind that nobody serves too."""
    for name, label in (("m", "x"), ("n", "x"), ("o", "y")):
        api.put(CONFIGMAPS, {"metadata": {"name": name, "labels": {"l": label}}}, namespace="ns")
    (suites.folder / "m.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n")
    found = suites.operations(
        steps(
            "delete: {file: m.yaml}",
            "delete: {ref: {apiVersion: v1, kind: ConfigMap, name: never}}",
            "delete: {ref: {apiVersion: gone.example.com/v1, kind: Gone, name: g}}",
        )
    )
    assert [(record.status, record.objects) for record in found] == [
        (Status.PASSED, ("ConfigMap ns/m",)),
        (Status.PASSED, ()),
        (Status.PASSED, ()),
    ]
    assert next(query for verb, _, query in api.requests if verb == "DELETE") == {}
    assert next(body["preconditions"] for verb, _, _, body in api.bodies if verb == "DELETE")["uid"]


def test_the_forced_grace_period_reaches_pods(api: FakeApi, suites: Suites) -> None:
    """Of pods and of what makes them, and of nothing else."""
    deployment = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {template: {spec: {a: b}}}}"
    spec = steps(f"apply: {{resource: {deployment}}}").replace("steps:", "forceTerminationGracePeriod: 5s\n  steps:")
    suites.run(spec)
    [body] = [body for verb, path, _, body in api.bodies if verb == "POST" and path.endswith("deployments")]
    assert body["spec"]["template"]["spec"] == {"a": "b", "terminationGracePeriodSeconds": 5}


def test_an_unknown_kind_of_a_group_that_is_built_in_is_told_at_once(suites: Suites) -> None:
    """With the nearest name, for writes and asserts alike."""
    wrong = "{apiVersion: apps/v1, kind: Deploymnt, metadata: {name: d}}"
    for verb in ("apply", "assert", "error"):
        [record] = suites.operations(steps(f"{verb}: {{timeout: 1h, resource: {wrong}}}"))
        assert record.status.red
        assert "the server does not serve the kind Deploymnt of apps/v1" in record.message
        assert "did you mean Deployment?" in record.message


# --- asserts and errors ---


def test_an_assert_passes_on_the_event_that_makes_it_true(api: FakeApi, suites: Suites) -> None:
    """It is watched: the object may come later."""

    def later() -> None:
        while not api.watched(CONFIGMAPS):
            threading.Event().wait(0.01)
        api.put(CONFIGMAPS, {"metadata": {"name": "m"}, "data": {"a": "1"}}, namespace="ns")

    threading.Thread(target=later, daemon=True).start()
    [record] = suites.operations(steps(f"assert: {{timeout: 1h, resource: {MAP}}}"))
    assert (record.status, record.matched, record.candidates) == (Status.PASSED, 1, 1)
    assert record.proof == "api"


def test_a_watch_is_narrowed_to_what_the_document_is_about(api: FakeApi, suites: Suites) -> None:
    """By name, or by labels; in its namespace."""
    api.put(CONFIGMAPS, {"metadata": {"name": "m", "labels": {"l": "x"}}, "data": {"a": "1"}}, namespace="ns")
    labelled = "{apiVersion: v1, kind: ConfigMap, metadata: {labels: {l: x}}}"
    assert statuses(suites, f"assert: {{resource: {MAP}}}", f"assert: {{resource: {labelled}}}") == 2 * [Status.PASSED]
    lists = [query for verb, plural, query in api.requests if (verb, plural) == ("LIST", "configmaps")]
    assert {query.get("fieldSelector") for query in lists} >= {"metadata.name=m"}
    assert {query.get("labelSelector") for query in lists} >= {"l=x"}


def test_what_does_not_match_is_told_with_candidates_lines_and_a_diff(api: FakeApi, suites: Suites) -> None:
    """The nearest of several, how many matched, and when it last changed."""
    for name, value in (("m", "2"), ("n", "3")):
        api.put(CONFIGMAPS, {"metadata": {"name": name}, "data": {"a": value, "b": name}}, namespace="ns")
    wanted = "{apiVersion: v1, kind: ConfigMap, data: {a: '1', b: n}}"
    [record] = suites.operations(steps(f"assert: {{timeout: 200ms, resource: {wanted}}}"))
    assert record.status is Status.FAILED
    assert "0 of 2 matched; the nearest is v1/ConfigMap/ns/n" in record.message
    assert '* data.a: Invalid value: "3": Expected value: "1"' in record.message
    assert "-  a: '1'" in record.diff or '-  a: "1"' in record.diff
    assert record.objects[0] == "ConfigMap ns/n"
    assert [name for name, _ in record.changed] == ["ConfigMap ns/n", "ConfigMap ns/m"]


def test_an_error_holds_while_nothing_matches(api: FakeApi, suites: Suites) -> None:
    """Nothing there: vacuous, and said so; something that matches fails it at its timeout."""
    [record] = suites.operations(steps(f"error: {{resource: {MAP}}}"))
    assert (record.status, record.vacuous) == (Status.PASSED, ("there is no ConfigMap to look at",))
    api.put(CONFIGMAPS, {"metadata": {"name": "m"}, "data": {"a": "1"}}, namespace="ns")
    [record] = suites.operations(steps(f"error: {{timeout: 200ms, resource: {MAP}}}"))
    assert record.status is Status.FAILED
    assert "resource matches expectation" in record.message


def test_vacuous_truth_can_be_refused(api: FakeApi, suites: Suites) -> None:
    """--strict-vacuous: what holds of nothing does not hold."""
    suites.options = replace(suites.options, strict_vacuous=True)
    assert statuses(suites, f"error: {{timeout: 200ms, resource: {MAP}}}") == [Status.FAILED]


def test_what_cannot_be_evaluated_ends_at_once_and_is_an_error(api: FakeApi, suites: Suites) -> None:
    """A wrong type does not become right by waiting."""
    api.put(CONFIGMAPS, {"metadata": {"name": "m"}, "data": {"a": "1"}}, namespace="ns")
    wrong = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, data: {a: 1}}"
    [record] = suites.operations(steps(f"assert: {{timeout: 1h, resource: {wrong}}}"))
    assert record.status is Status.ERROR
    assert "types are not comparable" in record.message


def test_a_kind_that_a_definition_brings_later_is_waited_for(api: FakeApi, suites: Suites) -> None:
    """An assert on a kind of a group that is not built in; an error on one fails at once."""
    serve(api, *(kind for kind in KINDS if kind != WIDGETS))
    widget = "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}}"
    [record] = suites.operations(steps(f"error: {{timeout: 1h, resource: {widget}}}"))
    assert record.status is Status.ERROR

    def later() -> None:
        seen = api.seen("GET")
        while api.seen("GET") <= seen:
            threading.Event().wait(0.01)
        api.put(WIDGETS, {"metadata": {"name": "w"}}, namespace="ns")
        serve(api, *KINDS)

    threading.Thread(target=later, daemon=True).start()
    assert statuses(suites, f"assert: {{timeout: 1h, resource: {widget}}}") == [Status.PASSED]


def test_objects_that_may_not_be_watched_are_read_and_it_is_said(api: FakeApi, suites: Suites) -> None:
    """Where listing and watching are forbidden a named object is asked for by GET."""
    api.put(CONFIGMAPS, {"metadata": {"name": "m"}, "data": {"a": "1"}}, namespace="ns")
    api.fault(*(Fault("status", verb, "configmaps", status=403) for verb in ("LIST", "WATCH") for _ in range(3)))
    [record] = suites.operations(steps(f"assert: {{timeout: 1h, resource: {MAP}}}"))
    assert record.status is Status.PASSED
    assert any("read once a second" in note for note in record.notes)


def test_expressions_ask_for_more_kinds_and_these_are_watched_too(api: FakeApi, suites: Suites) -> None:
    """x_k8s_list with a computed kind; what the server does not have cannot be evaluated."""
    api.put(PODS, {"metadata": {"name": "p"}}, namespace="ns")
    some = "\"(length(x_k8s_list($client, 'v1', join('', ['P', 'od']), 'ns').items))\": 1"
    assert statuses(suites, f"assert: {{timeout: 1h, resource: {{{some}}}}}") == [Status.PASSED]
    assert api.seen("LIST", "pods")
    none = "\"(x_k8s_list($client, 'v1', 'Nothing'))\": {}"
    [record] = suites.operations(steps(f"assert: {{timeout: 1h, resource: {{{none}}}}}"))
    assert record.status is Status.ERROR
    assert 'no matches for kind "Nothing"' in record.message
    served = "\"(x_k8s_resource_exists($client, 'apps/v1', 'Deployment'))\": true"
    assert statuses(suites, f"assert: {{timeout: 1h, resource: {{{served}}}}}") == [Status.PASSED]


def test_an_assert_about_nothing_that_can_change_fails_at_once(suites: Suites) -> None:
    """Bindings are fixed: there is nothing to wait for."""
    assert statuses(suites, "assert: {timeout: 1h, resource: {($namespace): ns}}") == [Status.PASSED]
    assert statuses(suites, "assert: {timeout: 1h, resource: {($namespace): other}}") == [Status.FAILED]


def test_an_empty_tree_is_judged_and_does_not_hold(suites: Suites) -> None:
    """Of nothing, `{}` wants something; it is not an operation without anything to do."""
    [record] = suites.operations(steps("assert: {timeout: 1h, resource: {}}"))
    assert record.status is Status.FAILED
    assert "must not be null" in record.message


def test_many_elements_and_patterns_that_explode_are_bounded(api: FakeApi, suites: Suites) -> None:
    """10,000 elements are judged; a pattern that would take for ever is."""
    api.put(CONFIGMAPS, {"metadata": {"name": "m"}, "list": [{"n": n} for n in range(10_000)]}, namespace="ns")
    long = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, ~.list: {(n >= `0`): true}}"
    assert statuses(suites, f"assert: {{timeout: 1h, resource: {long}}}") == [Status.PASSED]
    pattern = "{\"(regex_match('(a+)+$', join('', ['" + "a" * 40 + "', 'b'])))\": false}"
    assert statuses(suites, f"assert: {{timeout: 1h, resource: {pattern}}}") == [Status.PASSED]


# --- programs ---


def test_a_script_sees_a_filtered_environment_and_one_cluster(suites: Suites) -> None:
    """NAMESPACE, KUBECONFIG of a file that is gone afterwards, HOME and TMPDIR of its own, and what was let through."""
    [record] = suites.operations(
        steps("script: {content: 'env; cat $KUBECONFIG; pwd', env: [{name: X, value: (to_string(`1`))}]}")
    )
    variables = dict(line.split("=", 1) for line in record.output.splitlines() if "=" in line)
    assert variables["NAMESPACE"] == "ns"
    assert variables["X"] == "1"
    assert variables["HOME"] == variables["TMPDIR"] == str(Path(variables["KUBECONFIG"]).parent)
    assert set(variables) <= {"NAMESPACE", "X", "HOME", "TMPDIR", "KUBECONFIG", "PATH", "PWD", "SHLVL", "_", "OLDPWD"}
    assert not Path(variables["HOME"]).exists()
    assert "current-context: chainsaw" in record.output
    assert str(suites.folder) in record.output


def test_arguments_are_expanded_and_check_decides(suites: Suites) -> None:
    """`$VAR` from the environment, unknown ones stay, `$$` is a dollar; with a check only that counts."""
    echo = "entrypoint: echo, args: [$X, $UNKNOWN_, $$], env: [{name: X, value: x}]"
    assert statuses(suites, f"command: {{{echo}, check: {{(trim_space($stdout)): x $UNKNOWN_ $}}}}") == [Status.PASSED]
    assert statuses(suites, "script: {content: exit 3}") == [Status.FAILED]
    assert statuses(suites, "script: {content: exit 3, check: {($error): exit status 3}}") == [Status.PASSED]
    [record] = suites.operations(steps("script: {content: echo no >&2, check: {($stderr): 'yes'}}"))
    assert record.status is Status.FAILED
    assert "* ($stderr): Invalid value" in record.message
    assert "no" in record.output


def test_a_program_that_takes_too_long_is_ended_and_can_be_expected(suites: Suites) -> None:
    """A timeout is an $error; a program that is not there too."""
    slow = "script: {content: sleep 300, timeout: 100ms, check: {($error != null): true}}"
    assert statuses(suites, slow) == [Status.PASSED]
    [record] = suites.operations(steps("command: {entrypoint: no-such-program-here}"))
    assert (record.status, "executable file not found" in record.message) == (Status.FAILED, True)


def test_outputs_are_seen_by_what_follows_in_the_step(api: FakeApi, suites: Suites) -> None:
    """Of a script and of an object, by a fitting match only; resourceId counts the documents."""
    (suites.folder / "two.yaml").write_text(
        "---\n".join(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n" for name in "mn")
    )
    outputs = "[{name: \"(join('', ['of', to_string($operation.resourceId)]))\", value: (metadata.name)}]"
    only = "[{name: text, value: (trim_space($stdout))}]"
    found = statuses(
        suites,
        f"apply: {{file: two.yaml, outputs: {outputs}}}",
        f"script: {{content: echo hello, outputs: {only}}}",
        "assert: {resource: {($of1): m, ($of2): n, ($text): hello}}",
    )
    assert found == 4 * [Status.PASSED]


# --- reads ---


def test_wait_is_kubectls(api: FakeApi, suites: Suites) -> None:
    """A condition, a path, creation, deletion; nothing that matches a condition fails at once."""
    condition = {"type": "Ready", "status": "True"}
    api.put(
        PODS,
        {"metadata": {"name": "p"}, "spec": {"containers": []}, "status": {"conditions": [condition]}},
        namespace="ns",
    )

    def wait(name: str, what: str) -> str:
        return f"wait: {{apiVersion: v1, kind: Pod, name: {name}, timeout: 200ms, for: {{{what}}}}}"

    path = "jsonPath: {path: '{.status.conditions[?(@.type==\"Ready\")].status}', value: 'True'}"
    good = [
        wait("p", "condition: {name: Ready}"),
        wait("p", path),
        wait("p", "creation: {}"),
        wait("q", "deletion: {}"),
    ]
    assert statuses(suites, *good) == 4 * [Status.PASSED]
    assert statuses(suites, wait("p", "condition: {name: Other}")) == [Status.FAILED]
    assert statuses(suites, wait("p", "deletion: {}")) == [Status.FAILED]
    [record] = suites.operations(steps(wait("q", "condition: {name: Ready}").replace("200ms", "1h")))
    assert (record.status, record.message) == (Status.FAILED, "no matching Pod was found")


def test_get_and_describe_show_and_logs_of_nothing_cannot_be_judged(api: FakeApi, suites: Suites) -> None:
    """What they found is in the record; on simulated nodes there are no logs, which proves nothing either way."""
    api.put(PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}}, namespace="ns")
    get, missing = suites.operations(
        steps(
            "get: {apiVersion: v1, kind: Pod, format: yaml}",
            "get: {apiVersion: v1, kind: Pod, name: never}",
        )
    )
    assert (get.status, "name: p" in get.output) == (Status.PASSED, True)
    assert (missing.status, missing.message) == (Status.FAILED, 'Pod "never" not found')
    suites.options = replace(suites.options, simulated=True)
    api.missing.add("log")
    describe = "describe: {apiVersion: v1, kind: Pod, name: p, showEvents: false}"
    assert statuses(suites, describe) == [Status.PASSED]
    api.documents["/api/v1/namespaces/ns/services/s:http/proxy/metrics"] = {"a": 1}
    serve(api, *KINDS, SERVICES)
    proxy = "proxy: {apiVersion: v1, kind: Service, name: NAME, port: http, path: /metrics, outputs: OUTPUTS}"
    outputs = "[{name: x, value: (json_parse($stdout))}]"
    good = proxy.replace("NAME", "s").replace("OUTPUTS", outputs)
    bad = proxy.replace("NAME", "t").replace("OUTPUTS", "[]")
    found = suites.operations(steps(good, "assert: {resource: {($x): {a: 1}}}", bad))
    assert [each.status for each in found] == [Status.SIMULATED, Status.PASSED, Status.SKIPPED]
    assert "nothing runs on simulated nodes" in found[-1].message


def test_all_match_wants_every_object(api: FakeApi, suites: Suites) -> None:
    """Any object will do by default; with the option one that differs is waited for, and told."""
    api.put(CONFIGMAPS, {"metadata": {"name": "a"}, "data": {"x": "1"}}, namespace="ns")
    api.put(CONFIGMAPS, {"metadata": {"name": "b"}, "data": {"x": "2"}}, namespace="ns")
    any_ = "assert: {timeout: 200ms, resource: {apiVersion: v1, kind: ConfigMap, data: {x: '1'}}}"
    assert statuses(suites, any_) == [Status.PASSED]
    suites.options = replace(suites.options, all_match=True)
    [record] = suites.operations(steps(any_))
    assert record.status is Status.FAILED
    assert "1 of 2 matched" in record.message
    assert "ns/b" in record.message
    api.put(CONFIGMAPS, {"metadata": {"name": "b"}, "data": {"x": "1"}}, namespace="ns")
    assert statuses(suites, any_) == [Status.PASSED]


def test_what_is_on_its_way_out_can_be_left_out(api: FakeApi, suites: Suites) -> None:
    """A pod that is being deleted, or one of a lost node, counts by default; else it is a number in the verdict."""
    api.put(PODS, {"metadata": {"name": "a", "deletionTimestamp": "2024-01-01T00:00:00Z"}}, namespace="ns")
    api.put(PODS, {"metadata": {"name": "b"}, "status": {"reason": "NodeLost"}}, namespace="ns")
    operations = ["assert: {timeout: 200ms, resource: {apiVersion: v1, kind: Pod}}"]
    operations += ["error: {timeout: 200ms, resource: {apiVersion: v1, kind: Pod}}"]
    assert statuses(suites, operations[0]) == [Status.PASSED]
    suites.options = replace(suites.options, ignore_leaving=True)
    assert statuses(suites, operations[0]) == [Status.FAILED]
    [record] = suites.operations(steps(operations[1]))
    assert (record.status, record.candidates) == (Status.PASSED, 0)
    assert "on their way out: 2" in record.message


# --- what simulated nodes can prove ---


def test_what_needs_execution_is_simulated_and_not_passed(api: FakeApi, suites: Suites) -> None:
    """On simulated nodes a phase is no proof that anything ran; the object itself is."""
    suites.options = replace(suites.options, simulated=True)
    api.put(PODS, {"metadata": {"name": "p"}, "status": {"phase": "Running"}}, namespace="ns")
    running = "{apiVersion: v1, kind: Pod, metadata: {name: p}, status: {phase: Running}}"
    there = "{apiVersion: v1, kind: Pod, metadata: {name: p}}"
    found = suites.operations(steps(f"assert: {{resource: {running}}}", f"assert: {{resource: {there}}}"))
    assert [(each.status, each.proof) for each in found] == [(Status.SIMULATED, "execution"), (Status.PASSED, "api")]
    suites.options = replace(suites.options, simulated=False)
    assert statuses(suites, f"assert: {{resource: {running}}}") == [Status.PASSED]


def test_nodes_that_may_not_be_listed_prove_nothing_and_excuse_nothing(
    api: FakeApi, suites: Suites, tmp_path: Path
) -> None:
    """A phase is told apart as on simulated nodes, while the status of a custom resource is waited for."""
    cluster = Cluster(api.kubeconfig(tmp_path))
    assert nodes_of(cluster) is Nodes.SIMULATED  # there is none
    api.fault(Fault("status", "LIST", "nodes", status=403))
    assert nodes_of(cluster) is Nodes.UNKNOWN
    suites.options = replace(suites.options, unproven=True)
    api.put(PODS, {"metadata": {"name": "p"}, "status": {"phase": "Running"}}, namespace="ns")
    api.put(WIDGETS, {"metadata": {"name": "w"}}, namespace="ns")
    running = "{apiVersion: v1, kind: Pod, metadata: {name: p}, status: {phase: Running}}"
    assert statuses(suites, f"assert: {{resource: {running}}}") == [Status.SIMULATED]
    ready = "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}, status: {state: ready}}"
    assert statuses(suites, f"assert: {{timeout: 200ms, resource: {ready}}}") == [Status.FAILED]


def test_the_status_of_a_custom_resource_without_its_controller_is_skipped_at_once(
    api: FakeApi, suites: Suites
) -> None:
    """With the reason, for assert and error; where a controller of the group runs it is waited for."""
    suites.options = replace(suites.options, simulated=True)
    api.put(WIDGETS, {"metadata": {"name": "w"}}, namespace="ns")
    ready = "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}, status: {state: ready}}"
    found = suites.operations(
        steps(f"assert: {{timeout: 1h, resource: {ready}}}", f"error: {{timeout: 1h, resource: {ready}}}")
    )
    assert [each.status for each in found] == 2 * [Status.SKIPPED]
    assert all("no controller of example.com runs on simulated nodes" in each.message for each in found)
    suites.options = replace(suites.options, controllers=("example.com",))
    assert statuses(suites, f"assert: {{timeout: 200ms, resource: {ready}}}") == [Status.FAILED]


def test_a_status_that_somebody_wrote_is_judged(api: FakeApi, suites: Suites) -> None:
    """The suite itself may have patched it."""
    suites.options = replace(suites.options, simulated=True)
    api.put(WIDGETS, {"metadata": {"name": "w"}, "status": {"state": "ready"}}, namespace="ns")
    ready = "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}, status: {state: ready}}"
    assert statuses(suites, f"assert: {{timeout: 1h, resource: {ready}}}") == [Status.PASSED]


def test_secrets_are_judged(api: FakeApi, suites: Suites) -> None:
    """As any other object."""
    value = base64.b64encode(b"x").decode()
    api.put(SECRETS, {"metadata": {"name": "s"}, "data": {"k": value}}, namespace="ns")
    secret = "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {(base64_decode(k)): x}}"
    assert statuses(suites, f"assert: {{timeout: 1h, resource: {secret}}}") == [Status.PASSED]


@pytest.mark.parametrize(("enabled", "matched"), [("true", 1), ("false", None)])
def test_a_file_is_chosen_by_an_expression(api: FakeApi, suites: Suites, enabled: str, matched: int | None) -> None:
    """It is read when the operation runs: one tree, or another that asks for nothing."""
    api.put(CONFIGMAPS, {"metadata": {"name": "m"}, "data": {"a": "1"}}, namespace="ns")
    (suites.folder / "m.yaml").write_text(f"{MAP}\n")
    (suites.folder / "left-out.yaml").write_text("($enabled): false\n")
    spec = steps("assert: {file: ($enabled && 'm.yaml' || './left-out.yaml')}")
    [record] = suites.operations(spec.replace("steps:", f"bindings: [{{name: enabled, value: {enabled}}}]\n  steps:"))
    assert (record.status, record.matched) == (Status.PASSED, matched)
    assert ("m.yaml" in record.place) == (enabled == "true")
