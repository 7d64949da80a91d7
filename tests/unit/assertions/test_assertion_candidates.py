"""From a document to objects: which it is about, which of them match, and what people see of the others."""

from typing import Any

import pytest

from harness.assertions.candidates import Judgement, Resolved, Standing, Target, compile_assertion
from harness.assertions.errors import TreeInvalid
from harness.assertions.expressions.context import Context
from harness.assertions.outcome import CannotEvaluate
from harness.assertions.template import compile_template


def pod(name: str, **status: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "n", "uid": "u", "labels": {"app": "web"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"x": 1}, "status": status}


def document(**rest: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", **rest}


def resolved(source: dict[str, Any], *, template: bool = True, **bindings: Any) -> Resolved:
    found = compile_assertion(source, template=template).resolve(Context(bindings=bindings))
    assert isinstance(found, Resolved)
    return found


def asserted(source: dict[str, Any], *candidates: dict[str, Any], **bindings: Any) -> Judgement:
    return resolved(source, **bindings).judge_assert(candidates, Context(bindings=bindings))


def refuted(source: dict[str, Any], *candidates: dict[str, Any]) -> Judgement:
    return resolved(source).judge_error(candidates, Context())


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (document(), Target("v1", "Pod")),
        (document(metadata={"name": "a", "namespace": "b"}), Target("v1", "Pod", "a", "b")),
        (document(metadata={"labels": {"x": "y"}}), Target("v1", "Pod", labels=(("x", "y"),))),
        (document(metadata={"labels": {"x": "y", "z": 1}}), Target("v1", "Pod")),
        (
            document(metadata={"name": "($name)", "labels": {"x": "($name)"}}),
            Target("v1", "Pod", "p", labels=(("x", "p"),)),
        ),
        ({"kind": "Pod"}, None),
        ({"a": 1}, None),
    ],
)
def test_a_document_is_about_objects_by_name_or_by_labels(source: dict[str, Any], target: Target | None) -> None:
    """Its kind, name, namespace and labels may be expressions; a label that is no text leaves all of them out."""
    assert resolved(source, name="p").target == target


def test_without_templates_a_name_is_as_it_is_written() -> None:
    """`template: false` of an operation."""
    found = resolved(document(metadata={"name": "($name)"}), template=False)
    assert found.target == Target("v1", "Pod", "($name)")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (document(metadata={"name": "($nope)"}), "metadata.name: variable not defined: $nope"),
        (document(metadata={"namespace": "(`1`)"}), "metadata.namespace: the expression must give a text"),
    ],
)
def test_a_name_that_cannot_be_evaluated_ends_the_operation(source: dict[str, Any], why: str) -> None:
    """And is no object that is not there yet."""
    found = compile_assertion(source).resolve(Context())
    assert isinstance(found, CannotEvaluate)
    assert why in str(found)


def test_a_document_that_is_no_mapping_is_refused() -> None:
    """As any other file that is no object."""
    with pytest.raises(TreeInvalid, match="expected a mapping, got list"):
        compile_assertion([])


def test_any_match_passes_an_assert_and_is_counted() -> None:
    """One of two: said, since the other may be broken."""
    found = asserted(document(status={"phase": "Running"}), pod("a", phase="Failed"), pod("b", phase="Running"))
    assert (found.standing, found.matched, found.candidates) == (Standing.HOLDS, 1, 2)


@pytest.mark.parametrize(("name", "text"), [("", "no actual resource found"), ("a", "actual resource not found")])
def test_no_object_fails_an_assert(name: str, text: str) -> None:
    """It may be about to appear."""
    found = asserted(document(metadata={"name": name} if name else {}))
    assert (found.standing, found.text) == (Standing.NOT_YET, text)


def test_an_assert_shows_each_object_as_chainsaw_does() -> None:
    """Reference, sorted lines, and a diff of what is asked for; the nearest is the one with the fewest mismatches."""
    source = document(metadata={"labels": {"app": "web"}}, status={"phase": "Running", "ip": "(to_string(`1`))"})
    near, far = pod("near", phase="Running", ip="2"), pod("far", phase="Failed", ip="2", other=1)
    found = asserted(source, far, near)
    assert found.nearest == near
    assert found.standing is Standing.NOT_YET
    assert found.text.split("; ")[0] == (
        "------------\n"
        "v1/Pod/n/far\n"
        "------------\n"
        '* status.ip: Invalid value: "2": Expected value: "1"\n'
        '* status.phase: Invalid value: "Failed": Expected value: "Running"\n'
        "\n"
        "--- expected\n"
        "+++ actual\n"
        "@@ -3,7 +3,8 @@\n"
        " metadata:\n"
        "   labels:\n"
        "     app: web\n"
        "+  name: far\n"
        " status:\n"
        '-  ip: "1"\n'
        "-  phase: Running\n"
        '+  ip: "2"\n'
        "+  phase: Failed\n"
        " \n"
    )


def test_a_diff_shows_expressions_that_have_no_value_by_themselves() -> None:
    """And says why."""
    found = asserted(document(spec={"x": "($nope)"}, status={"(length(@))": 2}), pod("a", phase="x"))
    assert found.standing is Standing.CANNOT_BE_EVALUATED
    found = asserted(document(status={"phase": "(length(@) && 'x')"}), pod("a", phase="y"), pod("b", phase="z"))
    assert "phase: Invalid value" in found.text


@pytest.mark.parametrize(
    ("candidates", "standing"),
    [
        ((pod("a", n="text"), pod("b", n=1)), Standing.CANNOT_BE_EVALUATED),
        ((pod("b", n=1), pod("a", n="text")), Standing.HOLDS),
        ((pod("b", n=2), pod("a", n="text")), Standing.CANNOT_BE_EVALUATED),
    ],
)
def test_objects_are_looked_at_in_order(candidates: tuple[dict[str, Any], ...], standing: Standing) -> None:
    """One that cannot be evaluated ends it before a later one passes, and not after an earlier one did."""
    assert asserted(document(status={"n": 1}), *candidates).standing is standing


def test_an_error_passes_while_nothing_matches() -> None:
    """Without any object it passes too, and says that there was nothing."""
    source = document(status={"phase": "Failed"})
    assert refuted(source, pod("a", phase="Running")) == Judgement(Standing.HOLDS, candidates=1)
    nothing = refuted(source)
    assert (nothing.standing, nothing.vacuous) == (Standing.HOLDS, ("there is no Pod to look at",))


def test_an_error_names_what_matches() -> None:
    """Each object on its own."""
    found = refuted(document(status={"phase": "Failed"}), pod("a", phase="Failed"), pod("b", phase="Failed"))
    assert found.standing is Standing.NOT_YET
    assert found.text == "v1/Pod/n/a - resource matches expectation; v1/Pod/n/b - resource matches expectation"
    assert refuted(document(status={"n": 1}), pod("a", n="x")).standing is Standing.CANNOT_BE_EVALUATED


def test_a_document_without_a_kind_is_judged_by_its_bindings() -> None:
    """No object is looked at."""
    assert asserted({"($v)": "a"}, v="a").standing is Standing.HOLDS
    missed = asserted({"($v)": "a"}, v="b")
    assert (missed.standing, missed.text) == (Standing.NOT_YET, '($v): Invalid value: "b": Expected value: "a"')
    assert refuted({"(`1`)": 1}).text == "expectation matched"
    assert refuted({"(`1`)": 2}).standing is Standing.HOLDS
    assert refuted({"(nope())": 2}).standing is Standing.CANNOT_BE_EVALUATED


@pytest.mark.parametrize(
    ("name", "namespace", "labels", "selected"),
    [
        ("", "", {}, True),
        ("a", "", {}, True),
        ("b", "", {}, False),
        ("", "m", {}, False),
        ("", "n", {"app": "web"}, True),
    ],
)
def test_a_target_selects_what_a_list_would_have(
    name: str, namespace: str, labels: dict[str, str], selected: bool
) -> None:
    """By name, namespace and labels."""
    assert Target("v1", "Pod", name, namespace, tuple(labels.items())).selects(pod("a")) is selected


def test_a_template_replaces_values_and_never_keys() -> None:
    """Each expression sees what the value has in its place; an escape stays for whoever reads it next."""
    template = compile_template({"(a)": "($x)", "l": ["(@)", {"k": "plain"}], "e": "\\(x)\\", "n": 1})
    assert template.render({"l": ["own"]}, Context(bindings={"x": [1]})) == {
        "(a)": [1],
        "l": ["own", {"k": "plain"}],
        "e": "\\(x)\\",
        "n": 1,
    }


def test_a_template_that_does_not_compile_names_its_place() -> None:
    """Path and column, before anything runs."""
    with pytest.raises(TreeInvalid, match=r"a\[0\].b, column 4: unexpected 'y'"):
        compile_template({"a": [{"b": "(x y)"}]})


def test_of_very_many_objects_the_nearest_are_told() -> None:
    """Each block is a diff: a hundred objects that differ are twenty blocks, the nearest among them, and a number."""
    source = document(status={"a": 1, "b": 2})
    near = pod("near", a=1)
    found = asserted(source, *(pod(f"p{number}") for number in range(99)), near)
    assert (found.matched, found.candidates, found.nearest) == (0, 100, near)
    assert found.text.count("--- expected") == 20
    assert "v1/Pod/n/near" in found.text
    assert found.text.endswith("; and 80 more objects")
