"""What is taken out of text before it is written, and what must stay."""

import base64
import json
import random
import time

import pytest
import yaml

from harness.evidence.redaction import REDACTED, Redactor, secret_values

LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"


def token(length: int, seed: int = 7, letters: str = LOWER) -> str:
    """Random text, so that no real-looking secret stands in this file."""
    return "".join(random.Random(seed).choices(letters, k=length))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


WORD = token(20)
PEM_BODY = [token(64, seed, LOWER + LOWER.upper() + "+/") for seed in range(6)]
PEM = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *PEM_BODY, "-----END RSA PRIVATE KEY-----"])
JWT = "eyJ" + token(20) + ".eyJ" + token(60) + "." + token(40)

# (text, the part that may not survive)
SAMPLES = {
    "bearer header": (f"curl -H 'Authorization: Bearer {WORD}'", WORD),
    "bearer in a log": (f"I1 round_trippers.go:463] Authorization: Bearer {JWT}", JWT[10:]),
    "basic header": (f"Authorization: Basic {encoded('user:' + WORD)}", encoded("user:" + WORD)),
    "header in Go's map": (f"Header:map[Authorization:[Bearer {WORD}]]", WORD),
    "web token in prose": (f"cannot parse {JWT} as a token", JWT.split(".")[1]),
    "web token without its end": (f"cannot parse {JWT[:60]}", JWT[30:60]),
    "password in a URL": (f"postgres://admin:{WORD}@db.example:5432/x", WORD),
    "password with an @ in a URL": (f"https://u:{WORD}@more-{WORD}@host/x", WORD),
    "user-less password in a URL": (f"redis://:{WORD}@cache:6379", WORD),
    "token in a query": (f"GET https://host/x?token={WORD}&page=2", WORD),
    "yaml password": (f"adminPassword: {WORD}", WORD),
    "yaml password of several words": ("adminPassword: correct horse battery", "horse"),
    "yaml quoted": (f"  password: 'it''s {WORD}'", WORD),
    "yaml double quoted with an escape": (f'  password: "a\\"b {WORD}"', WORD),
    "yaml list item": (f"- apiKey: {WORD}", WORD),
    "yaml block scalar": (f"a:\n  secretKey: |\n    first {WORD}\n\n    second {WORD}\n  b: 1\n", WORD),
    "yaml folded scalar": (f"a:\n- client-secret: >-\n    {WORD}\n  b: 1\n", WORD),
    "yaml folded quoted": (f'password: "one two\n  {WORD}"\nb: 1\n', WORD),
    "yaml flow": (f"auth: {{user: bob, password: {WORD}}}", WORD),
    "json": (json.dumps({"a": {"db_password": WORD}}), WORD),
    "json in json": (json.dumps({"a": json.dumps({"clientSecret": WORD})}), WORD),
    "ini": (f"aws_secret_access_key = {WORD}", WORD),
    "environment": (f"export NGC_API_KEY={WORD}", WORD),
    "environment in a log": (f"starting with DB_PASS={WORD} PATH=/bin", WORD),
    "env of a container": (f"env:\n- name: DB_PASSWORD\n  value: {WORD}, with more\n", WORD),
    "env of a container, quoted": (f'env:\n- name: "GITHUB_TOKEN"\n  value: "{WORD}"\n', WORD),
    "env in json": (json.dumps([{"name": "DB_PASSWORD", "value": WORD}]), WORD),
    "env in pretty json": (json.dumps([{"name": "DB_PASSWORD", "value": WORD}], indent=2), WORD),
    "env in describe": (f"    Environment:\n      DB_PASSWORD:  {WORD}\n", WORD),
    "flag": (f"args: --admin-password={WORD} --v=2", WORD),
    "flag and word": (f"run --token {WORD} --v 2", WORD),
    "flag and word as list": (f"args:\n- --token\n- {WORD}\n", WORD),
    "flag and word in json": (json.dumps(["--token", WORD]), WORD),
    "Go's struct": (f"{{User:bob Password:{WORD} Port:5432}}", WORD),
    "prose": (f"login failed, password: {WORD}", WORD),
    "cookie": (f"Set-Cookie: session={WORD}; Path=/", WORD),
    "private key": (f"x\n{PEM}\ny", PEM_BODY[2]),
    "private key, indented": ("tls.key: |\n" + "\n".join("  " + line for line in PEM.splitlines()), PEM_BODY[2]),
    "private key in json": (json.dumps({"pem": PEM}), PEM_BODY[2]),
    "private key in base64": (f"tlsKey: {encoded(PEM)}", encoded(PEM)[60:90]),
    "kubeconfig": (f"    client-key-data: {encoded(PEM)}\n", encoded(PEM)[60:90]),
    "docker configuration": (
        json.dumps({"auths": {"r.example": {"auth": encoded("me:" + WORD)}}}),
        encoded("me:" + WORD),
    ),
    "docker configuration in base64": (
        "x: " + encoded(json.dumps({"auths": {"r.example": {"auth": encoded("me:" + WORD)}}})),
        encoded(json.dumps({"auths": {"r.example": {"auth": encoded("me:" + WORD)}}}))[30:60],
    ),
    "aws key id": ("id " + "AKIA" + token(16).upper() + " x", token(16).upper()),
    "github token": ("fetch " + "ghp_" + token(36), token(36)),
    "fine-grained github token": ("fetch " + "github_pat_" + token(60), token(60)),
    "ngc key": ("pull with " + "nvapi-" + token(64), token(64)),
    "hugging face": ("pull " + "hf_" + token(34), token(34)),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_secret_is_taken_out(name: str) -> None:
    """A secret of each common form does not survive, and the text around it does not vanish with it."""
    text, secret = SAMPLES[name]
    assert secret in text
    before, after = "kept before: 1\n", "\nkept-after: 2\n"
    redacted = Redactor().text(before + text + after)
    assert secret not in redacted
    assert REDACTED in redacted
    assert redacted.startswith(before)
    assert redacted.endswith(after.lstrip("\n"))


@pytest.mark.parametrize("name", SAMPLES)
def test_redacting_twice_changes_nothing_more(name: str) -> None:
    """What was redacted once reads the same after a second time."""
    once = Redactor().text(SAMPLES[name][0])
    assert Redactor().text(once) == once


@pytest.mark.parametrize("cut", range(1, len(PEM.splitlines())))
def test_private_key_that_was_cut(cut: int) -> None:
    """Of a private key that a log's tail or a stopped command cut in two, neither half shows."""
    lines = PEM.splitlines(keepends=True)
    for half in ("log line\n" + "".join(lines[:cut]), "".join(lines[cut:]) + "\nlog line\n"):
        redacted = Redactor().text(half)
        assert not any(body[:16] in redacted for body in PEM_BODY)
        assert "log line" in redacted


def test_words_before_a_cut_private_key_stay() -> None:
    """Going back from the end of a private key stops at the first line that is no part of one."""
    redacted = Redactor().text("a log line\n" + "\n".join(PEM.splitlines()[3:]))
    assert redacted == f"a log line\n{REDACTED}"


@pytest.mark.parametrize("cut", range(1, 40))
def test_value_that_was_cut(cut: int) -> None:
    """A command that was stopped within a quoted value leaves nothing of it."""
    text = f'{{"password": "{token(60)}"}}'[: 14 + cut]
    assert token(60)[:4] not in Redactor().text(text)


HARMLESS = {
    "digest": f"image: r.example/nvidia/driver@sha256:{token(64, letters='0123456789abcdef')}",
    "bare digest": f"Successfully pulled {token(64, letters='0123456789abcdef')}",
    "uid": "  uid: 3f0c9b5e-7a54-4c1c-9d8c-0f2b5e8c1a77",
    "resource version": '  resourceVersion: "123456789"',
    "generate name": "pod-template-hash: 6f6f9b8bf4",
    "checksum annotation": "checksum/secret: " + token(64, letters="0123456789abcdef"),
    "secret reference": "secretName: webhook-server-cert",
    "secret volume": "volumes:\n- name: tls\n  secret:\n    secretName: webhook-server-cert\n",
    "secret volume in json": '{"secret":{"secretName":"webhook-server-cert"}}',
    "secret key reference": "valueFrom:\n  secretKeyRef:\n    key: admin-user\n    name: grafana\n",
    "env from": "- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef: {name: db, key: pw}\n",
    "mount of tokens": "automountServiceAccountToken: true",
    "expiration": "tokenExpirationSeconds: 3607",
    "toleration": "- key: nvidia.com/gpu\n  operator: Exists\n",
    "image pull secrets": "imagePullSecrets: []",
    "empty password": 'password: ""',
    "null": "token: null",
    "null in pretty json": '{\n  "token": null,\n  "a": 1\n}',
    "template": "password: {{ .Values.password | quote }}",
    "variable": "args: --token=$(TOKEN)",
    "missing secret": 'MountVolume.SetUp failed for volume "tls" : secret "webhook-cert" not found',
    "prose": "Guard against vacuous pass: verify the operator",
    "kind in prose": 'Secret in version "v1" cannot be handled as a Secret: json: cannot unmarshal number',
    "missing secret in prose": 'failed to read secret: secrets "x" not found',
    "flags of the API server": '--service-account-key-file="/pki/admin.key" --enable-bootstrap-token-auth="false"',
    "rbac": 'resources: ["secrets", "tokenreviews"]',
    "url with a port": "oci://localhost:5500/aicr@sha256:1234",
    "email in a URL": "https://example.com:8443/team@example",
    "certificate": "caBundle: " + encoded("-----BEGIN CERTIFICATE-----\n" + token(200)),
    "certificate text": "-----BEGIN CERTIFICATE-----\n" + PEM_BODY[0] + "\n-----END CERTIFICATE-----",
    "kubectl table": "NAMESPACE   NAME          TYPE                 DATA   AGE\ndefault   secret/x   Opaque   1   3s",
    "configuration map": "apiVersion: v1\ndata:\n  mode: fast\nkind: ConfigMap\nmetadata:\n  name: x\n",
    "kind of authentication": "auth: enabledforall",
    "bypass": "bypass: local, compass: north",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_text_stays(name: str) -> None:
    """What a reader of evidence needs, and what only looks like a secret, is not touched."""
    assert Redactor().text(HARMLESS[name]) == HARMLESS[name]


NAMED = {"kind": "Secret", "metadata": {"name": "kept"}}
MANIFESTS = {
    "kubectl": f"apiVersion: v1\ndata:\n  a: {WORD}\n  b.c: {WORD}\nkind: Secret\nmetadata:\n  name: kept\n",
    "written": f"kind: Secret\nmetadata:\n  name: kept\nstringData:\n  a: {WORD}\n  b: |\n    [x]\n    y = {WORD}\n",
    "quoted": f'"kind": "Secret"\n"metadata": {{name: kept}}\n"data":\n  "a": {WORD}\n',
    "template": "kind: Secret\nmetadata:\n  name: kept\n{{- if .x }}\ndata:\n  {{- if .y }}\n"
    f"  a: {WORD}\n{{{{- end }}}}\n",
    "flow": f"kind: Secret\nmetadata: {{name: kept}}\ndata: {{a: {WORD}}}\n",
    "list": f"items:\n- apiVersion: v1\n  data:\n    a: {WORD}\n  kind: Secret\n  metadata:\n    name: kept\n",
    "list, kind first": f"items:\n  - kind: Secret\n    data:\n      a: {WORD}\n    metadata:\n      name: kept\n",
    "json": json.dumps({**NAMED, "data": {"a": WORD, "b": "{" + WORD}}),
    "pretty json": json.dumps({**NAMED, "data": {"a": WORD}}, indent=2),
    "json in json": json.dumps({"x": json.dumps({"kind": "Secret", "data": {"a": WORD}}), "name": "kept"}),
    "annotation": "metadata:\n  name: kept\n  annotations:\n    last-applied-configuration: |\n"
    f'      {{"apiVersion":"v1","data":{{"a":"{WORD}"}},"kind":"Secret"}}\n',
    "cut at the end": f"kind: Secret\nmetadata:\n  name: kept\nstringData:\n  a: {WORD}",
}


@pytest.mark.parametrize("style", MANIFESTS)
def test_secret_manifest_loses_its_data(style: str) -> None:
    """No value of a Secret survives in any way of writing one, whatever its key is called; its name does."""
    redacted = Redactor().text(MANIFESTS[style])
    assert WORD not in redacted
    assert "kept" in redacted


def test_neighbours_of_a_secret_keep_their_data() -> None:
    """Only the Secret of a file with several documents, and of a list, is redacted, and the rest stays valid YAML."""
    config = "apiVersion: v1\ndata:\n  mode: fast\nkind: ConfigMap\nmetadata:\n  name: x\n"
    documents = list(yaml.safe_load_all(Redactor().text(f"{config}---\n{MANIFESTS['kubectl']}---\n{config}")))
    assert [document["data"] for document in documents] == [
        {"mode": "fast"},
        {"a": REDACTED, "b.c": REDACTED},
        {"mode": "fast"},
    ]
    listed = MANIFESTS["list"] + "- apiVersion: v1\n  data:\n    mode: fast\n  kind: ConfigMap\n"
    assert [item["data"] for item in yaml.safe_load(Redactor().text(listed))["items"]] == [
        {"a": REDACTED},
        {"mode": "fast"},
    ]


def test_document_is_redacted_and_stays_what_it_is() -> None:
    """Of data that becomes JSON each text is redacted by itself, and by its key; everything else is untouched."""
    secret = {"password": WORD, "token": 12345, "secret": {"name": "x"}, "automountToken": True, "apiKey": ""}
    document = {"reason": f"password={WORD}", "seconds": 1.5, "facts": [secret, None], "key": "value"}
    assert Redactor().document(document) == {
        "reason": f"password={REDACTED}",
        "seconds": 1.5,
        "facts": [{**secret, "password": REDACTED, "token": REDACTED}, None],
        "key": "value",
    }


def test_known_values_go_wherever_they_stand() -> None:
    """The values of the cluster's own Secrets are found without any hint, plain and in base64."""
    known = secret_values([{"data": {"anything": encoded("swordfish-9"), "password": encoded("tiger7")}}])
    redacted = Redactor(known).text(f"x swordfish-9y {encoded('swordfish-9')} tiger7")
    assert redacted == f"x {REDACTED}y {REDACTED} {REDACTED}"


def test_values_that_are_not_secret_are_not_known() -> None:
    """Names, certificates, booleans and values too short to be told from other text are not hunted for."""
    data = {"namespace": "gpu-operator", "ca.crt": PEM, "enabled-thing": "true", "size": "10Gi", "password": "abc"}
    assert secret_values([{"data": {key: encoded(value) for key, value in data.items()}}, {"metadata": {}}]) == set()


def test_secret_parts_of_a_configuration_file_are_known() -> None:
    """Of a whole file in a Secret, the lines that hold a password are hunted for and the others are not."""
    known = secret_values([{"data": {"conf": encoded(f"global:\n  timeout: 5m\n  smtp_password: '{WORD}'\n")}}])
    assert WORD in known
    assert not any("timeout" in value for value in known)


def test_passwords_of_a_docker_configuration_are_known() -> None:
    """By themselves too, as a controller's log could have them: user and password, and an identity token."""
    auths = {
        "a.example": {"auth": encoded("me:hunter2-x")},
        "b.example": {"auth": encoded("0:"), "identitytoken": "identity"},
    }
    config = json.dumps({"auths": auths})
    known = secret_values([{"data": {".dockerconfigjson": encoded(config)}}])
    assert {"hunter2-x", encoded("me:hunter2-x"), "identity"} <= known
    assert Redactor(known).text("denied: hunter2-x of me") == f"denied: {REDACTED} of me"
    assert secret_values([{"data": {".dockerconfigjson": encoded('{"auths": [{}]}')}}])


def test_binary_values_are_known_as_they_are_encoded() -> None:
    """Bytes that are no text can only show in base64, and are found so."""
    blob = base64.b64encode(bytes(range(200, 232))).decode()
    assert secret_values([{"data": {"keystore": blob}}]) == {blob}


LONG = {
    "one word": token(1_000) * 500,
    "dashes": "a-" * 125_000,
    "blank lines": "\n  " * 75_000,
    "quotes": '"' * 200_000,
    "keys": "name: " * 25_000,
    "begun keys": "-----BEGIN PRIVATE KEY-----\n" * 20_000,
    "words before the end of a key": "wordofsixteenand\n" * 12_500 + "x\n-----END PRIVATE KEY-----",
    "secrets": "password: 'x\n" * 20_000,
    "manifests": "kind: Secret\n" * 6_000,
}


@pytest.mark.parametrize("name", LONG)
def test_time_grows_with_length_only(name: str) -> None:
    """No input makes a pattern take quadratic time: that would be minutes of CPU time for any of these."""
    begun = time.process_time()
    Redactor().text(LONG[name])
    assert time.process_time() - begun < 5


def test_a_text_that_comes_again_is_redacted_as_before() -> None:
    """Each redactor remembers for itself: what one knows to be secret is no secret to another."""
    document = {"a": [WORD, WORD], "password": WORD}
    assert Redactor([WORD]).document(document) == {"a": [REDACTED, REDACTED], "password": REDACTED}
    assert Redactor().document(document) == {"a": [WORD, WORD], "password": REDACTED}
