"""The functions of the dialect: what each makes of its arguments, and what it refuses."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any

import pytest

from harness.assertions.errors import EvaluationFailed
from harness.assertions.expressions.context import Context, Scope
from harness.assertions.expressions.evaluate import compile_expression
from harness.assertions.expressions.functions import FUNCTIONS

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=2)))


class Cluster:
    """One pod, and no other kind."""

    pod: Mapping[str, Any] = {"kind": "Pod", "metadata": {"name": "p"}}

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> Mapping[str, Any] | None:
        return self.pod if (api_version, kind, namespace, name) == ("v1", "Pod", "n", "p") else None

    def list(self, api_version: str, kind: str, namespace: str) -> Sequence[Mapping[str, Any]]:
        return [self.pod] if kind == "Pod" and namespace in ("", "n") else []

    def serves(self, api_version: str, kind: str) -> bool:
        return kind == "Pod"

    def version(self) -> Mapping[str, Any]:
        return {"major": "1"}


CONTEXT = Context({"client": Cluster(), "config": Cluster()}, {"HOME": "/root"}, NOW, Random(7).randrange)


def value(expression: str, data: Any = None, context: Context = CONTEXT) -> Any:
    return compile_expression(expression)(data, Scope.of(context))


RESULTS = [
    # numbers
    ("abs(`-1.5`)", 1.5),
    ("ceil(`1.2`)", 2.0),
    ("floor(`-1.2`)", -2.0),
    ("round(`2.5`, `0`)", 3.0),
    ("round(`-2.5`, `0`)", -3.0),
    ("round(`3.14159`, `2`)", 3.14),
    ("avg(`[]`)", None),
    ("avg(`[1, 2]`)", 1.5),
    ("max(['b', 'a'])", "b"),
    ("min(`[]`)", None),
    ("sort(`[3, 1, 2]`)", [1.0, 2.0, 3.0]),
    ("max_by([{a: 'x'}, {a: 'z'}], &a)", {"a": "z"}),
    ("min_by([{a: `2`}, {a: `1`}], &a)", {"a": 1.0}),
    ("sort_by([{a: `2`}, {a: `1`}], &a)[0].a", 1.0),
    ("max_by(['only'], &nope(@))", "only"),
    # texts
    ("lower('ÄBC')", "äbc"),
    ("upper('straße')", "STRAßE"),
    ("concat('a', 'b')", "ab"),
    ("compare('a', 'b')", -1),
    ("equal_fold('K', '\u212a')", True),
    ("join(',', ['a', 'b'])", "a,b"),
    ("split('a,b', ',')", ["a", "b"]),
    ("split('ab', '')", ["a", "b"]),
    ("replace('aaa', 'a', 'b', `2`)", "bba"),
    ("replace('aaa', 'a', 'b', `-1`)", "bbb"),
    ("replace_all('aaa', 'a', 'b')", "bbb"),
    ("trim('xaxx', 'x')", "a"),
    ("trim_left('  a ')", "a "),
    ("trim_right(' a  ')", " a"),
    ("trim_space(' a ')", "a"),
    ("trim_prefix('foobar', 'foo')", "bar"),
    ("truncate('hello', `2`)", "he"),
    ("truncate('hello', `0`)", ""),
    ("truncate('hello', `9`)", "hello"),
    ("pad_left('7', `3`, '0')", "007"),
    ("pad_right('ä', `4`)", "ä  "),
    ("find_first('abcabc', 'c')", 2.0),
    ("find_first('äc', 'c')", 2.0),
    ("find_last('abcabc', 'c')", 5.0),
    ("find_first('abc', 'c', `5`)", None),
    ("find_first('', 'c')", None),
    ("path_canonicalize('//a/../b/./c/')", "/b/c"),
    ("path_canonicalize('')", ""),
    ("reverse('abc')", "cba"),
    ("length('äöü')", 3.0),
    ("starts_with('ab', 'a')", True),
    ("ends_with('ab', 'a')", False),
    # lists and objects
    ("contains('abc', `1`)", False),
    ("reverse(`[1, 2]`)", [2.0, 1.0]),
    ("group_by([{t: 'a', v: `1`}, {t: 'b'}, {t: 'a'}], &t).a[0].v", 1.0),
    ("group_by(`[]`, &t)", None),
    ("zip(['a', 'b'], `[1]`)", [["a", 1.0]]),
    ("at(['a', 'b'], `1`)", "b"),
    ("lookup(['a'], `5`)", None),
    ("at(['a', 'b'], `1.9`)", "b"),
    ("truncate('hello', `1e21`)", ""),
    ("to_string([base64_decode('/w==')])", '["\\ufffd"]'),
    ("divide('1e300', '1e-300')", float("inf")),
    ("lookup({a: 'x'}, 'a')", "x"),
    ("keys({b: `1`, a: `2`})", ["a", "b"]),
    ("values({b: `1`, a: `2`})", [2.0, 1.0]),
    ("items({a: `1`}, 'k', 'v')", [{"k": "a", "v": 1.0}]),
    ("items(['x'], 'k', 'v')", [{"k": 0.0, "v": "x"}]),
    ("from_items([['a', `1`]])", {"a": 1.0}),
    ("object_from_lists(['a', 'b'], ['x'])", {"a": "x", "b": None}),
    ("object_from_lists([`1.5`, `true`], ['x', 'y'])", {"1.5": "x", "true": "y"}),
    ("merge({a: 'x'}, {a: 'y', b: 'z'})", {"a": "y", "b": "z"}),
    ("not_null(null, 'x')", "x"),
    ("label_match({a: 'x'}, {a: 'x', b: 'y'})", True),
    ("label_match({a: 'x'}, {b: 'y'})", False),
    # types
    ("type(`1`)", "number"),
    ("type(`true`)", "boolean"),
    ("type({a: `1`})", "object"),
    ("to_number('1e3')", 1000.0),
    ("to_number(' 1')", None),
    ("to_number('0x1p4')", 16.0),
    ("to_number('1_000')", None),
    ("to_number('1e999')", None),
    ("to_string({b: `1`, a: '<'})", '{"a":"\\u003c","b":1}'),
    ("to_string(`1e21`)", "1e+21"),
    ("to_string(`1e-7`)", "1e-7"),
    ("to_string(`100000000`)", "100000000"),
    ("to_array('x')", ["x"]),
    ("to_boolean('TRUE')", True),
    ("as_string(`1`)", None),
    ("as_string('a')", "a"),
    # arithmetic
    ("add(`1`, `2`)", 3.0),
    ("add('1h', '30m0s')", "1h30m0s"),
    ("add('1Mi', '1Ki')", "1025Ki"),
    ("add('1', '2')", "3"),
    ("add('500m', '1500m')", "2"),
    ("subtract('1Gi', '1Gi')", "0"),
    ("subtract('1h', '1h30m')", "-30m0s"),
    ("multiply('1.5Gi', `2`)", "3Gi"),
    ("multiply(`2`, '1h')", "2h0m0s"),
    ("divide('1h', '30m0s')", 2.0),
    ("divide('3h', `2`)", "1h30m0s"),
    ("divide('10', `3`)", "3"),
    ("divide('1.5', `2`)", "700m"),
    ("divide('1Ki', '1')", 1024.0),
    ("modulo(`-7`, `3`)", -1.0),
    ("modulo('7m0s', '2m0s')", "1m0s"),
    ("modulo('10Ki', '3Ki')", "1Ki"),
    ("sum(['1h', '1h', '30m0s'])", "2h30m0s"),
    ("sum(['x'])", "x"),
    # matching
    ("regex_match('^a.c$', 'abc')", True),
    ("regex_match('b', 'abc')", True),
    ("regex_match('^1.5$', `1.5`)", True),
    ("regex_replace_all('a(b+)', 'abbab', '<$1>')", "<bb><b>"),
    ("regex_replace_all('(?P<x>b)', 'abc', '${x}${x}')", "abbc"),
    ("regex_replace_all('', 'ab', '-')", "-a-b-"),
    ("regex_replace_all('b*', 'abc', 'x')", "xaxcx"),
    ("regex_replace_all_literal('b', 'abc', '$1')", "a$1c"),
    ("pattern_match('1?', `12`)", True),
    ("wildcard('a*c', 'abbc')", True),
    ("wildcard('a?c', 'ac')", False),
    ("wildcard('*', '')", True),
    ("wildcard('', 'a')", False),
    # encodings
    ("base64_encode(base64_decode('/wA='))", "/wA="),
    ("parse_json('{\"a\": [1, 2.5]}')", {"a": [1, 2.5]}),
    ("json_parse('18446744073709551616')", 1.8446744073709552e19),
    ("parse_yaml('a: 1')", {"a": 1}),
    ("parse_yaml('{1: yes, b: 2.0}')", {"1": True, "b": 2}),
    ("parse_yaml('')", None),
    # versions
    ("semver_compare('1.2.3', '>=1.2.0 <2.0.0')", True),
    ("semver_compare('1.2.3', '1.x')", True),
    ("semver_compare('1.3.0', '1.2.x')", False),
    ("semver_compare('2.0.0', '<1.0.0 || >= 2.0.0')", True),
    ("semver_compare('1.0.0-rc.1', '<1.0.0')", True),
    ("semver_compare('nonsense', '<1.0.0')", True),
    ("semver_compare('1.4.5', '!1.4.5')", False),
    # times
    ("time_now()", "2026-03-04T05:06:07+02:00"),
    ("time_now_utc()", "2026-03-04T03:06:07Z"),
    ("time_since('', '2026-03-04T03:06:00Z', '')", "7s"),
    ("time_since('2006-01-02', '2024-02-28', '2024-03-01')", "48h0m0s"),
    ("time_add('2024-02-28T23:00:00+02:00', '2h')", "2024-02-29T01:00:00+02:00"),
    ("time_diff('2024-01-01T00:00:00Z', '2023-12-31T23:59:59.5Z')", "-500ms"),
    ("time_truncate('2024-01-15T10:37:45.9Z', '15m')", "2024-01-15T10:30:00Z"),
    ("time_utc('2024-01-15T10:30:00+02:00')", "2024-01-15T08:30:00Z"),
    ("time_to_cron('2024-01-15T10:30:00Z')", "30 10 15 1 1"),
    ("time_parse('Mon, 02 Jan 2006 15:04:05 MST', 'Fri, 15 Mar 2024 01:02:03 UTC')", "2024-03-15T01:02:03Z"),
    ("time_parse('3:04PM', '5:06AM')", "0000-01-01T05:06:00Z"),
    ("time_between('2024-06-15T00:00:00Z', '2024-06-15T00:00:00Z', '2025-01-01T00:00:00Z')", False),
    # the world
    ("env('HOME')", "/root"),
    ("env('NOPE')", ""),
    ("x_k8s_get($client, 'v1', 'Pod', 'n', 'p').metadata.name", "p"),
    ("x_k8s_exists($client, 'v1', 'Pod', 'n', 'q')", False),
    ("length(x_k8s_list($client, 'v1', 'Pod').items)", 1.0),
    ("x_k8s_list($client, 'v1', 'Pod', 'other').items", []),
    ("x_k8s_resource_exists($client, 'v1', 'Pod')", True),
    ("x_k8s_server_version($config).major", "1"),
]


@pytest.mark.parametrize(("expression", "expected"), RESULTS, ids=[expression for expression, _ in RESULTS])
def test_a_function_gives_what_chainsaw_gives(expression: str, expected: Any) -> None:
    """Type and content."""
    found = value(expression)
    assert found == expected
    assert isinstance(found, bool) == isinstance(expected, bool)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("at(['a'], `1`)", "out of range"),
        ("lookup(['a'], `1e21`)", "out of range"),
        ("lookup(['a'], `0.5`)", "must be an integer"),
        ("sum(`[]`)", "at least one element"),
        ("add('1h', '1Mi')", "do not go together"),
        ("add('1h', '30m')", "do not go together"),  # 30m is thirty thousandths before it is a time
        ("add('1h', `1`)", "do not go together"),
        ("add('x', 'y')", "wants numbers, quantities"),
        ("divide(`1`, '1h')", "do not go together"),
        ("divide(`1`, `0`)", "division by zero"),
        ("modulo(`1.5`, `1`)", "wants integers"),
        ("multiply('1h', '1h')", "do not go together"),
        ("round(`1`, `-1`)", "not be negative"),
        ("regex_match('(', 'a')", "not closed"),
        ("regex_match('(?=a)', 'a')", "unsupported group"),
        ("regex_match('(a)\\1', 'aa')", "invalid escape"),
        ("regex_match('*', 'a')", "nothing to repeat"),
        ("random('')", "wants a pattern"),
        ("base64_decode('a')", "not base64"),
        ("parse_json('{')", "not JSON"),
        ("parse_json('NaN')", "not JSON"),
        ("parse_yaml('a: [')", "not YAML"),
        ("parse_yaml('.inf')", "no place in JSON"),
        ("semver_compare('1.0.0', '^1.0.0')", "unknown comparison"),
        ("semver_compare('1.0.0', '')", "empty range"),
        ("semver_compare('1.0.0', '1.0.0 || ')", "not a range"),
        ("time_add('2024-13-01T00:00:00Z', '1h')", "month out of range"),
        ("time_add('2024-02-30T00:00:00Z', '1h')", "day out of range"),
        ("time_add('2024-01-01T00:00:00Z', '1d')", "invalid duration"),
        ("to_boolean('yes')", "must be 'true' or 'false'"),
        ("pad_left('a', `-1`)", "not be negative"),
        ("pad_left('a', `3`, 'ab')", "one ASCII character"),
        ("label_match({a: {b: 'c'}}, {a: {b: 'c'}})", "labels must be texts"),
        ("from_items([['a']])", "a list of two"),
        ("group_by([{a: `1`}], &a)", "must give a text"),
        ("sort_by([{a: `1`}, {a: 'x'}], &a)", "a number for each element, or a text for each"),
        ("to_string(`1` / `0`)", "unsupported value: \\+Inf"),
        ("x_k8s_get($client, 'v1', 'Pod', 'n', 'q')", "Pod n/q not found"),
        ("x_k8s_get('x', 'v1', 'Pod', 'n', 'q')", "must be \\$client"),
        ("x509_decode('x')", "failed to decode PEM"),
        ("x_metrics_decode('a{b=\"c} 1')", "not a label"),
    ],
)
def test_a_function_says_what_it_refuses(expression: str, why: str) -> None:
    """As a failed evaluation, which names the function."""
    with pytest.raises(EvaluationFailed, match=why):
        value(expression)


def test_impure_functions_refuse_what_the_caller_does_not_supply() -> None:
    """They never read a clock, the environment or chance by themselves."""
    assert value("env('HOME')", context=Context()) == ""
    for expression in ("time_now()", "time_now_utc()", "time_since('', '2024-01-01T00:00:00Z', '')", "random('a')"):
        with pytest.raises(EvaluationFailed):
            value(expression, context=Context())


def test_random_makes_a_text_of_its_pattern() -> None:
    """Of what the context chooses."""
    for _ in range(20):
        assert value("regex_match('^[a-z0-9]{8}(x|y)+$', random('[a-z0-9]{8}(x|y)+'))")


def test_metrics_are_a_list_of_samples() -> None:
    """With labels, values and times; comments are left out."""
    text = '# HELP x\n# TYPE x counter\nx{a="1",b="q\\"\\\\"} 2.5 1700000000000\ny NaN\nz 1\n'
    samples = value("x_metrics_decode(@)", text)
    metric = {"__name__": "x", "a": "1", "b": 'q"\\'}
    assert samples[-1] == {"metric": metric, "value": 2.5, "timestamp": 1700000000.0}
    assert [sample["metric"]["__name__"] for sample in samples] == ["y", "z", "x"]
    assert value("x_metrics_decode(@)[?metric.__name__ == 'z'].value | [0]", text) == 1.0


CERTIFICATE = Path(__file__).with_name("certificate.pem")


def test_a_certificate_has_the_fields_of_go() -> None:
    """Names, validity, usages and the RSA key."""
    fields = value("x509_decode(@)", CERTIFICATE.read_text())
    assert fields["Subject"]["CommonName"] == "example"
    assert fields["Subject"]["Country"] == ["DE"]
    assert fields["DNSNames"] == ["a.example"]
    assert fields["IPAddresses"] == ["10.0.0.1"]
    assert fields["NotAfter"].endswith("Z")
    assert (fields["IsCA"], fields["KeyUsage"], fields["ExtKeyUsage"]) == (False, 5, [1])
    assert fields["PublicKey"]["E"] == 65537


def test_a_request_for_a_certificate_has_its_fields() -> None:
    """The names it asks for are in its attributes, too."""
    fields = value("x509_decode(@)", CERTIFICATE.with_name("request.pem").read_text())
    assert (fields["Version"], fields["Subject"]["CommonName"]) == (0, "example")
    assert fields["EmailAddresses"] == ["a@b.example"]
    assert fields["Attributes"][0]["Value"][0][0]["Type"] == [2, 5, 29, 17]


def test_there_are_about_a_hundred_functions() -> None:
    """Those of the table in chainsaw's documentation, and none is missing."""
    names = (
        "abs avg ceil floor contains starts_with ends_with join keys values length map max max_by min min_by "
        "merge not_null reverse sort sort_by to_array to_number to_string type find_first find_last "
        "from_items group_by lower upper pad_left pad_right trim_left trim_right zip at concat json_parse "
        "wildcard compare equal_fold replace replace_all split trim trim_prefix to_upper to_lower to_boolean "
        "truncate regex_match regex_replace_all regex_replace_all_literal pattern_match label_match "
        "base64_decode base64_encode path_canonicalize random add subtract modulo multiply divide sum round "
        "parse_json parse_yaml lookup items object_from_lists semver_compare x509_decode time_now "
        "time_now_utc time_add time_diff time_since time_before time_after time_between time_truncate "
        "time_utc time_to_cron time_parse env trim_space as_string x_k8s_get x_k8s_exists x_k8s_list "
        "x_k8s_resource_exists x_k8s_server_version x_metrics_decode"
    )
    assert set(FUNCTIONS) == set(names.split())


def test_the_impure_ones_are_marked() -> None:
    """A gate treats them apart: they may change without an object that changes."""
    assert {name for name, function in FUNCTIONS.items() if not function.pure} == {
        *("env", "random", "time_now", "time_now_utc", "time_since", "x_k8s_get", "x_k8s_exists", "x_k8s_list"),
        *("x_k8s_resource_exists", "x_k8s_server_version", "x_metrics_decode"),
    }
