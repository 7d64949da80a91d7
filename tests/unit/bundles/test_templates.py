"""Manifests are rendered as Go's text/template renders them, with the functions that the reference tool gives it."""

from typing import Any

import pytest

from harness.bundles.template_syntax import TemplateError
from harness.bundles.templates import Fixed, render

VALUES: dict[str, Any] = {
    "one": 1,
    "half": 1.5,
    "big": 1e21,
    "small": 1e-7,
    "text": "x-y",
    "empty": "",
    "off": False,
    "nothing": None,
    "list": [1, "b", {"z": 1, "y": []}],
    "none": [],
    "map": {"k2": "v", "k1": {"q": 1}},
    "lines": "a\nb\n",
}
DATA = Fixed(
    Values={"c": VALUES}, Release=Fixed(Namespace="ns", Service="Helm"), Chart=Fixed(Name="chart", Version="1.2+3")
)

# What Go makes of the same, with the reference tool's functions.
RENDERED = {
    "label": (
        '{{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}',
        "chart-1.2_3",
    ),
    "values": ("{{ $c.one }} {{ $c.half }} {{ $c.off }} {{ $c.big }} {{ $c.small }}", "1 1.5 false 1e+21 1e-07"),
    "list and map": ("{{ $c.list }} {{ $c.map }}", "[1 b map[y:[] z:1]] map[k1:map[q:1] k2:v]"),
    "nothing": ('{{ $c.gone }} {{ $c.gone.too }} {{ $c.nothing }} {{ index $c "gone" }}', " ".join(["<no value>"] * 4)),
    "text of nothing": ('{{ toString (index $c "gone") }} {{ quote $c.gone "a" }}', '<nil> "a"'),
    "trimming": ("a\n{{- 1 }}\n {{ 2 -}} \n b {{- /* said */ -}} c{{/* and */}}d", "a1\n 2b c d".replace(" c d", "cd")),
    "yaml": ("m: {{- toYaml $c.map | nindent 2 }}", "m:\n  k1:\n    q: 1\n  k2: v"),
    "yaml of scalars": ("{{ toYaml 1 }} {{ toYaml nil }} {{ toYaml true }} {{ toYaml $c.text }}", "1 null true x-y"),
    "default leaves false alone": (
        "{{ $c.off | default true }} {{ default 1 $c.gone }} {{ default 1 $c.empty }}",
        "false 1 1",
    ),
    "not false": ('{{ ne (toString ($c.gone | default true)) "false" }}', "true"),
    "if": ("{{ if $c.none }}a{{ else if eq $c.one 2 1 }}b{{ else }}c{{ end }}", "b"),
    "with": (
        "{{ with $c.gone }}{{ . }}{{ else with $c.text }}{{ . }}{{ end }}"
        "{{ with $c.map }}{{ .k2 }}{{ $.Chart.Name }}{{ end }}",
        "x-yvchart",
    ),
    "and, or, not": (
        "{{ and $c.map $c.map.k1 $c.map.k1.q }} {{ or $c.empty $c.text }} {{ not $c.none }}",
        "1 x-y true",
    ),
    "short circuit": ("{{ if and $c.nothing $c.nothing.x }}a{{ end }}{{ or 1 $c.nothing.x }}", "1"),
    "range": (
        "{{ range $c.list }}<{{ . }}>{{ end }}{{ range $c.none }}{{ else }}none{{ end }}",
        "<1><b><map[y:[] z:1]>none",
    ),
    "range over a map": ("{{ range $k, $v := $c.map }}{{ $k }}={{ $v }};{{ end }}", "k1=map[q:1];k2=v;"),
    "break and continue": (
        "{{ range $i, $x := $c.list }}{{ if eq $i 0 }}{{ continue }}{{ end }}{{ $x }}{{ break }}{{ end }}",
        "b",
    ),
    "assignment": (
        "{{ $x := 1 }}{{ range $c.none }}{{ else }}{{ $x = 2 }}{{ end }}{{ if true }}{{ $x := 3 }}{{ end }}{{ $x }}",
        "2",
    ),
    "nested else": ("{{ if false }}{{ else }}{{ if true }}a{{ end }}b{{ end }}c", "abc"),
    "index": ('{{ index $c.list 2 "z" }} {{ (index $c "map").k2 }} {{ len $c.list }}', "1 v 3"),
    "comparison": ("{{ lt 1 2 }} {{ ge 2 2 }} {{ gt $c.half 1.0 }} {{ eq nil nil }}", "true true true true"),
    "printf": ('{{ printf "%05d|%-4s|%4s|%q|%v|%%" 42 "a" "b" "c" true }}', '00042|a   |   b|"c"|true|%'),
    "printf of another kind": (
        '{{ printf "%s" 5 }} {{ printf "%d" "x" }} {{ printf "%s" }}',
        "%!s(int=5) %!d(string=x) %!s(MISSING)",
    ),
    "literals": ('{{ 0x10 }} {{ -3 }} {{ 010 }} {{ `r"` }} {{ "}}" }} {{ "a\\tb" }}', '16 -3 8 r" }} a\tb'),
    "quoted": ("{{ $c.lines | quote }}", '"a\\nb\\n"'),
    "more of Helm's": (
        '{{ int "5" }} {{ toJson $c.map }} {{ b64enc "a" }} {{ upper "a" }}',
        '5 {"k1":{"q":1},"k2":"v"} YQ== A',
    ),
}


@pytest.mark.parametrize(("text", "expected"), RENDERED.values(), ids=RENDERED)
def test_a_template_renders_as_go_renders_it(text: str, expected: str) -> None:
    """The same text, to the last space."""
    assert render('{{- $c := index .Values "c" }}' + text, DATA) == expected


WRONG = {
    "function": ("\n{{ lookup }}", 2, "function lookup is not known in manifests; known: and, b64enc"),
    "field of a release": ("{{ .Release.Name }}", 1, "there is no .Name in a manifest; known: Namespace, Service"),
    "field of nothing": ("{{ .Values.c.nothing.x }}", 1, "cannot take .x of nil"),
    "field of text": ("{{ .Values.c.text.x }}", 1, "cannot take .x of string"),
    "no end": ("a\n{{ if true }}", 2, "if has no end"),
    "too many ends": ("{{ end }}", 1, "unexpected end"),
    "else alone": ("{{ else }}", 1, "unexpected else"),
    "not closed": ("a\n\n{{ .x", 3, "an action is not closed"),
    "empty": ("{{ }}", 1, "missing value"),
    "piped into a value": ("{{ 1 | 2 }}", 1, "only a function"),
    "argument of a value": ("{{ .Values 1 }}", 1, "not a function"),
    "variable": ("{{ $x }}", 1, "undefined variable $x"),
    "parenthesis": ("{{ (1 }}", 1, "not closed"),
    "define": ('{{ define "x" }}{{ end }}', 1, "define is not known"),
    "break": ("{{ break }}", 1, "break outside"),
    "range over text": ("{{ range .Values.c.text }}{{ end }}", 1, "range cannot go over string"),
    "kinds": ('{{ eq 1 "1" }}', 1, "incompatible types"),
    "kind of an argument": ("{{ 1 | trunc 3 }}", 1, "trunc takes text, not int"),
    "count": ("{{ not 1 2 }}", 1, "wrong number of arguments for not: 2"),
    "out of range": ("{{ index .Values.c.list 9 }}", 1, "index out of range: 9"),
    "required": ('{{ required "say it" .Values.c.gone }}', 1, "required: say it"),
    "sign": ("{{ a & b }}", 1, "unexpected '&'"),
}


@pytest.mark.parametrize(("text", "line", "what"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_template_is_told_with_its_line(text: str, line: int, what: str) -> None:
    """As Go refuses it: nothing renders to something else in silence."""
    with pytest.raises(TemplateError) as caught:
        render(text, DATA)
    assert what in str(caught.value)
    assert caught.value.line == line
