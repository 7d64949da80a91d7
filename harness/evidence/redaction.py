"""Takes secrets out of text before it is written where others may read it.

Two nets, because each has holes. Values that the cluster itself holds in Secrets are known and replaced wherever they
turn up; what merely looks like a secret (a key by its name, a token by its shape, a Secret manifest, a private key) is
found by pattern. Text is always redacted whole, never in pieces, so that no secret lies across a border; text that was
cut (a log's tail, the output of a command that was stopped) may begin or end inside a secret, and that is looked for.

In doubt the text is redacted, except for what a reader needs most and what is never secret: digests, uids, resource
versions, names of Secrets, booleans, templates that hold no literal.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from harness.objects import Object

REDACTED = "REDACTED"

# The name of a key, a variable or a flag whose value is secret: it ends in one of these words.
_NAME = (
    r"(?<![\w.-])(?<!checksum/)"
    r"(?:[\w.-]{0,200}?(?:password|passwd|passphrase|secret|token|api[-_]?key"
    r"|(?:access|secret|private|client|encryption|signing|license|account|master|shared)[-_]?key(?:[-_]?data)?"
    r"|credentials?|dockerconfigjson|dockercfg|authorization|cookie)"
    r"|(?:[\w.-]{0,200}[-_.])?(?:pass|pwd))"
)
_QUOTE = r"(?:\\*[\"'])?"  # also escaped, as in JSON within JSON
_QUOTED = (  # the last two: the text ends, or was cut, before the quote is closed
    r"\"(?:[^\"\\]|\\.){0,8192}\"|'(?:[^']|''){0,8192}'|\\+\"[^\"\n]*?\\+\"|\"[^\"\n]*(?=\n|\Z)|'[^'\n]*(?=\n|\Z)"
)
_SPACE = r"[ \t]*"
_KEY = rf"{_QUOTE}({_NAME}){_QUOTE}{_SPACE}"
_REST = r"[^\s{\[|>][^\n]*|\{\{[^\n]*"  # of a line, unless a mapping, a list or a block begins there
_FLAGS = re.IGNORECASE | re.MULTILINE

# Each of these has the groups: what comes before the value, the key's name, the value.
_WHOLE_LINE = re.compile(rf"^({_SPACE}(?:- )*(?:export )?{_KEY}[:=]{_SPACE})({_QUOTED}|{_REST})", _FLAGS)
_WITHIN_LINE = re.compile(
    rf"({_KEY}(?:=>|[:=]){_SPACE})({_QUOTED}|[^\s\"'&,;{{\[|>\\][^\s\"'&,;\\]*)",
    _FLAGS,
)
_ENVIRONMENT = re.compile(  # name: DB_PASSWORD, value: ... in YAML and in JSON
    rf"({_QUOTE}name{_QUOTE}{_SPACE}:{_SPACE}{_KEY},?\s*{_QUOTE}value{_QUOTE}{_SPACE}:{_SPACE})({_QUOTED}|{_REST})",
    _FLAGS,
)
_FLAG = re.compile(  # --password hunter2; as list items of YAML and JSON too
    rf"((?=-)({_NAME}){_QUOTE}(?:[ \t]+|{_SPACE},\s*|{_SPACE}\n{_SPACE}- ))({_QUOTED}|[^\s\"'-][^\s\"',]*)",
    _FLAGS,
)
_HARMLESS = re.compile(
    r"true|false|null|nil|none|~|<none>|<nil>|<unset>|\{\{[^\"'{}]*\}\}|\$\{\w+\}|\$\(\w+\)|REDACTED", _FLAGS
)
_BLOCK_SCALAR = re.compile(  # password: | and the deeper lines below it
    rf"^([ \t]*)((?:- )*{_QUOTE}{_NAME}{_QUOTE}{_SPACE}:{_SPACE})[|>][-+0-9]*{_SPACE}\n"
    r"(?:\1[ \t]+\S.*(?:\n|\Z)|[ \t]*\n)+",
    _FLAGS,
)

_KEY_END = r"-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
    rf"(?:(?:(?!-----).)*{_KEY_END}|(?:\s|\\[nr])*(?:[A-Za-z0-9+/=]{{8,}}(?:\s|\\[nr])*)*)",
    re.DOTALL,
)
_PRIVATE_KEY_END = re.compile(_KEY_END)
_KEY_LINE = re.compile(r"[A-Za-z0-9+/=]{16,}|")
_ENCODED = re.compile(r"(?:LS0tLS1CRUdJTi|eyJhdXRocy)[A-Za-z0-9+/]{16,}={0,2}")  # "-----BEGIN", {"auths in base64
_DOCKER_AUTH = re.compile(rf"({_QUOTE}\bauth{_QUOTE}{_SPACE}[:=]{_SPACE}{_QUOTE})([A-Za-z0-9+/]{{8,}}={{0,2}})")
_URL_PASSWORD = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]{0,30}://[^\s:/@\"']*):[^\s/\"']+@")
_AUTHORIZATION = re.compile(
    r"(\bauthorization\b\\*[\"']?\s*[:=]\s*\\*[\"']?\[?(?:basic|bearer|digest|negotiate|token)\s+"
    r"|\bbearer\s+(?=\S{20}|\S*\d))[A-Za-z0-9._~+/=-]+",
    _FLAGS,
)
_TOKENS = re.compile(
    r"\b(?:"
    r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"  # JSON web tokens
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}"
    r"|nvapi-[\w-]{20,}|hf_[A-Za-z0-9]{30,}|AIza[\w-]{35}|xox[abeprs]-[A-Za-z0-9-]{10,}"
    r")"
)

_SECRET_KIND = re.compile(r"^([ \t]*(?:- )?)[\"']?kind[\"']?:[ \t]*[\"']?Secret[\"']?[ \t]*(?:#.*)?$")
_SECRET_KIND_JSON = re.compile(r"\\*\"kind\\*\"\s*:\s*\\*\"Secret\\*\"")
_DATA_JSON = re.compile(
    r"(\\*\")((?:data|stringData)\\*\"\s*:\s*)"
    r"\{(?:[^{}\"\\]|\"(?:[^\"\\]|\\.)*\"|\\+\"[^\"]*?\\+\")*(?:\}|\Z)"
)
_YAML_KEY = re.compile(r"^([ \t]*(?:- )?)([\"']?[\w./-]+[\"']?):(?:[ \t]+(.*))?$")

# Keys of Secrets whose values are not secret, but the names of things one wants to read about.
_PUBLIC = re.compile(
    r".*\.crt|namespace|name|user|username|host|hostname|port|database|db|dbname|type|release|enabled", _FLAGS
)
_SECRET_NAME = re.compile(_NAME, _FLAGS)


class Redactor:
    """Redacts text; `known` are values that are secret wherever they stand (see `secret_values`)."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = sorted({value for value in known if value}, key=lambda value: (-len(value), value))
        self._written = [json.dumps(value, ensure_ascii=False)[1:-1].encode(errors="replace") for value in self._known]
        # Documents are of the same texts again and again: an object that changed has mostly those that it had before.
        self._remembered = lru_cache(maxsize=1 << 16)(self.text)

    def text(self, text: str) -> str:
        """`text` without its secrets. Applying it twice changes nothing more."""
        for value in self._known:
            text = text.replace(value, REDACTED)
        text = _manifests(text)
        text = _PRIVATE_KEY.sub(REDACTED, text)
        text = _beheaded_keys(text)
        text = _ENCODED.sub(_encoded, text)
        text = _DOCKER_AUTH.sub(_docker_auth, text)
        text = _URL_PASSWORD.sub(rf"\1:{REDACTED}@", text)
        text = _AUTHORIZATION.sub(rf"\1{REDACTED}", text)
        text = _TOKENS.sub(REDACTED, text)
        text = _BLOCK_SCALAR.sub(rf"\1\2{REDACTED}\n", text)
        for pattern in (_ENVIRONMENT, _FLAG, _WHOLE_LINE, _WITHIN_LINE):
            text = pattern.sub(_value, text)
        return text

    def concerns(self, line: bytes) -> bool:
        """Whether a line of JSON, as a recording has it, holds a value that is known to be secret."""
        return any(value in line for value in self._written)

    def document(self, document: Any) -> Any:
        """JSON-ready data without its secrets; other than redacted text it is sure to stay what it is, JSON."""
        if isinstance(document, str):
            return self._remembered(document)
        if isinstance(document, Mapping):
            return {key: self._entry(key, value) for key, value in document.items()}
        if isinstance(document, list | tuple):
            return [self.document(value) for value in document]
        return document

    def _entry(self, key: Any, value: Any) -> Any:
        scalar = isinstance(value, str | int | float) and not isinstance(value, bool)
        if scalar and str(value) and _names_a_secret(str(key)) and not _HARMLESS.fullmatch(str(value)):
            return REDACTED
        return self.document(value)


@lru_cache(maxsize=1 << 14)
def _names_a_secret(key: str) -> bool:
    return _SECRET_NAME.fullmatch(key) is not None


def secret_values(secrets: Iterable[Object]) -> set[str]:
    """What must not be written anywhere, from Secret objects: their values, plain and in base64.

    Left out are values too short to be told from other text, certificates and names. Of a value with several lines (a
    configuration file), the parts that look secret are taken.
    """
    found: set[str] = set()
    for secret in secrets:
        for key, encoded in (secret.get("data") or {}).items():
            try:
                value = base64.b64decode(encoded, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                found.add(encoded)  # binary: it can only be seen encoded
                continue
            if _PUBLIC.fullmatch(key) or _HARMLESS.fullmatch(value):
                continue
            if key == ".dockerconfigjson":
                found |= _logins(value)
            if "\n" in value.strip():
                found.add(encoded)
                found |= {part for part in _secret_parts(value) if len(part) >= 6}
            elif len(value.strip()) >= (6 if _SECRET_NAME.search(key) else 8):
                found |= {value.strip(), encoded}
    return {value for value in found if len(value) >= 6}


def _logins(config: str) -> set[str]:
    """Passwords and tokens in a configuration of Docker's client, plain and as they are in it."""
    found: set[str] = set()
    try:
        for entry in json.loads(config)["auths"].values():
            encoded = entry.get("auth") or ""
            found |= {str(entry.get(key) or "") for key in ("auth", "password", "identitytoken")}
            found.add(base64.b64decode(encoded).decode().partition(":")[2])
    except (ValueError, LookupError, AttributeError, TypeError):  # what could be read is kept
        return found
    return found


def _secret_parts(text: str) -> Iterator[str]:
    for pattern in (_WHOLE_LINE, _WITHIN_LINE):
        for match in pattern.finditer(text):
            value = match[3].strip().strip("\"'")
            if not _HARMLESS.fullmatch(value):
                yield value


def _value(match: re.Match[str]) -> str:
    """The value of a secret key, replaced within its quotes; in prose ("no such token: expired") a word is kept."""
    before, name, value = match[1], match[2], match[3]
    quote = re.match(r"\\*[\"']", value)
    bare = value.strip().strip(quote[0]) if quote else value.strip()
    if not bare or _HARMLESS.fullmatch(bare.rstrip(",")):
        return match[0]
    if (
        match.re is _WITHIN_LINE
        and name.lower() in ("secret", "token", "pass")
        and before[-1] == " "
        and bare.rstrip(":").isalpha()
    ):
        return match[0]
    return f"{before}{quote[0]}{REDACTED}{quote[0]}" if quote else before + REDACTED


def _encoded(match: re.Match[str]) -> str:
    """Certificates stay; a private key or a Docker configuration in base64 goes."""
    decoded = _decode(match[0])
    return REDACTED if b"PRIVATE KEY" in decoded or b'"auth' in decoded else match[0]


def _docker_auth(match: re.Match[str]) -> str:
    return match[1] + REDACTED if b":" in _decode(match[2]) else match[0]


def _decode(encoded: str) -> bytes:
    whole = encoded.rstrip("=")
    try:
        return base64.b64decode(whole[: len(whole) // 4 * 4])
    except binascii.Error:
        return b""


def _beheaded_keys(text: str) -> str:
    """Private keys whose beginning was cut away: from the end marker back over the lines of base64."""
    kept = []
    start = 0
    for end in _PRIVATE_KEY_END.finditer(text):
        pieces = re.split(r"([ \t]*(?:[\r\n]+|(?:\\[nr])+)[ \t]*)", text[start : end.start()])
        while len(pieces) >= 3 and _KEY_LINE.fullmatch(pieces[-1].strip()):
            del pieces[-2:]
        if _KEY_LINE.fullmatch(pieces[-1].strip()):
            del pieces[-1]
        kept += ["".join(pieces), "\n" if pieces else "", REDACTED]
        start = end.end()
    return "".join([*kept, text[start:]])


def _manifests(text: str) -> str:
    """Take data and stringData out of Secret manifests: YAML (templates too, so no parser) and JSON on any level."""
    if "Secret" not in text:
        return text
    if _SECRET_KIND_JSON.search(text):
        text = _DATA_JSON.sub(rf"\1\2\1{REDACTED}\1", text)
    lines = text.split("\n")
    hidden: set[int] = set()
    through: dict[int, int] = {}  # by column, the last line that was looked at
    for number, line in enumerate(lines):
        match = _SECRET_KIND.match(line)
        if match and number > through.get(len(match[1]), -1):
            through[len(match[1])] = _hide_data(lines, number, len(match[1]), hidden)
    return "\n".join(line for number, line in enumerate(lines) if number not in hidden)


def _hide_data(lines: list[str], number: int, column: int, hidden: set[int]) -> int:
    """Redact, in place, the data of the mapping with keys at `column` that line `number` is part of; its last line."""
    first = number
    while first > 0 and not _begins_item(lines[first], column) and _belongs(lines[first - 1], column):
        first -= 1
    last = number
    while last + 1 < len(lines) and _belongs(lines[last + 1], column) and not _begins_item(lines[last + 1], column):
        last += 1
    inside = False
    deeper = 0  # the column of the entries of data, once one was seen
    for position in range(first, last + 1):
        line = lines[position]
        key = _YAML_KEY.match(line)
        if key and len(key[1]) == column:
            inside = key[2].strip("\"'") in ("data", "stringData")
            deeper = 0
            if inside and key[3] and key[3] not in ("{}", "null"):
                lines[position] = f"{key[1]}{key[2]}: {REDACTED}"
        elif inside and key and (deeper == 0 or len(key[1]) == deeper):
            deeper = len(key[1])
            lines[position] = f"{key[1]}{key[2]}: {REDACTED}"
        elif inside and not _neutral(line):
            hidden.add(position)
    return last


def _belongs(line: str, column: int) -> bool:
    """Whether a line can be part of a mapping with its keys at `column`."""
    if line.startswith(("---", "...")):
        return False
    return _neutral(line) or len(line) - len(line.lstrip()) >= column or _begins_item(line, column)


def _begins_item(line: str, column: int) -> bool:
    """Whether the line is the `- ` that opens the list item whose keys are at `column`."""
    return column >= 2 and line[: column - 2].strip() == "" and line[column - 2 : column] == "- "


def _neutral(line: str) -> bool:
    """Lines that belong to any level: blank, comments, and template actions alone on their line."""
    stripped = line.strip()
    return not stripped or stripped.startswith("#") or (stripped.startswith("{{") and stripped.endswith("}}"))
