"""x509_decode: a certificate or a request, with the names that Go's JSON gives its fields. RSA keys only."""

import base64
import binascii
import ipaddress
import re
from typing import Any

from harness.assertions.expressions.functions.signature import Call, Table
from harness.assertions.go import der
from harness.assertions.go.der import Value

TABLE = Table()

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s*\n(.*?)-----END \1-----", re.DOTALL)
_RSA = (1, 2, 840, 113549, 1, 1, 1)
_NAMES = {
    (2, 5, 4, 6): "Country",
    (2, 5, 4, 10): "Organization",
    (2, 5, 4, 11): "OrganizationalUnit",
    (2, 5, 4, 7): "Locality",
    (2, 5, 4, 8): "Province",
    (2, 5, 4, 9): "StreetAddress",
    (2, 5, 4, 17): "PostalCode",
}
_ONE_NAME = {(2, 5, 4, 3): "CommonName", (2, 5, 4, 5): "SerialNumber"}
# The last numbers of 1.2.840.113549.1.1, and what Go calls these algorithms.
_SIGNATURES = {4: 3, 5: 3, 11: 4, 12: 5, 13: 6} | {2: 1}
_EXTENSIONS = (2, 5, 29)
_EXTENSION_REQUEST = (1, 2, 840, 113549, 1, 9, 14)
_USAGES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 9: 9}  # id-kp-N as Go's ExtKeyUsage N
_NEVER_SET = [
    "ExtraExtensions",
    "UnhandledCriticalExtensions",
    "UnknownExtKeyUsage",
    "PermittedDNSDomains",
    "ExcludedDNSDomains",
    "PermittedIPRanges",
    "ExcludedIPRanges",
    "PermittedEmailAddresses",
    "ExcludedEmailAddresses",
    "PermittedURIDomains",
    "ExcludedURIDomains",
    "CRLDistributionPoints",
    "PolicyIdentifiers",
    "Policies",
    "PolicyMappings",
    "OCSPServer",
    "IssuingCertificateURL",
]
_POLICIES = ("InhibitAnyPolicy", "InhibitPolicyMapping", "RequireExplicitPolicy")
_INT64 = 1 << 63
_LISTS = ["DNSNames", "EmailAddresses", "IPAddresses", "URIs"]

Fields = dict[str, Any]


@TABLE.function("x509_decode", "string")
def x509_decode(call: Call, text: str) -> Fields:
    pem = _PEM.search(text)
    if pem is None:
        raise call.refuse("failed to decode PEM block")
    try:
        outer = der.read(base64.b64decode(re.sub(r"\s", "", pem[2]), validate=True))
        match pem[1]:
            case "CERTIFICATE":
                return _certificate(outer)
            case "CERTIFICATE REQUEST":
                return _request(outer)
    except (binascii.Error, IndexError, StopIteration, OverflowError) as error:
        raise call.refuse("malformed certificate") from error
    raise call.refuse("the PEM block is neither a CERTIFICATE nor a CERTIFICATE REQUEST")


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _certificate(outer: Value) -> Fields:
    signed, algorithm, signature = outer.items()
    items = list(signed.items())
    version = next(items.pop(0).items()).integer() if items[0].tag == 0xA0 else 0
    serial, _, issuer, validity, subject, key = items[:6]
    start, end = validity.items()
    result: Fields = {
        **_common(outer, signed, subject, key, algorithm, signature),
        "RawTBSCertificate": _packed(signed.raw),
        "RawIssuer": _packed(issuer.raw),
        "Version": version + 1,
        "SerialNumber": number if -_INT64 <= (number := serial.integer()) < _INT64 else float(number),
        "Issuer": _name(issuer),
        "NotBefore": start.time(),
        "NotAfter": end.time(),
        "KeyUsage": 0,
        "ExtKeyUsage": None,
        "BasicConstraintsValid": False,
        "IsCA": False,
        "MaxPathLen": 0,
        "MaxPathLenZero": False,
        "SubjectKeyId": None,
        "AuthorityKeyId": None,
        "PermittedDNSDomainsCritical": False,
        **dict.fromkeys((*_LISTS, *_NEVER_SET)),
        **dict.fromkeys(_POLICIES, 0),
        **{f"{policy}Zero": False for policy in _POLICIES},
    }
    explicit = next((item for item in items[6:] if item.tag == 0xA3), None)
    extensions = list(next(explicit.items()).items()) if explicit else []
    result["Extensions"] = [_extension(item, result) for item in extensions] or None
    return result


def _request(outer: Value) -> Fields:
    signed, algorithm, signature = outer.items()
    version, subject, key, *attributes = signed.items()
    result: Fields = {
        **_common(outer, signed, subject, key, algorithm, signature),
        "RawTBSCertificateRequest": _packed(signed.raw),
        "Version": version.integer(),
        **dict.fromkeys(_LISTS),
        "ExtraExtensions": None,
    }
    extensions: list[Value] = []
    shown: list[Fields] = []
    for attribute in attributes[0].items() if attributes else ():
        kind, values = attribute.items()
        if kind.oid() == _EXTENSION_REQUEST:
            extensions = list(next(values.items()).items())
            asked = [_extension(item, {}) for item in extensions]
            pairs = [{"Type": extension["Id"], "Value": extension["Value"]} for extension in asked]
            shown.append({"Type": list(_EXTENSION_REQUEST), "Value": [pairs]})
    result["Extensions"] = [_extension(item, result) for item in extensions] or None
    result["Attributes"] = shown or None
    return result


def _common(outer: Value, signed: Value, subject: Value, key: Value, algorithm: Value, signature: Value) -> Fields:
    kind, bits = key.items()
    if next(kind.items()).oid() != _RSA:
        raise ValueError("certificate should use rsa algorithm")
    modulus, exponent = der.read(bits.bits()).items()
    return {
        "Raw": _packed(outer.raw),
        "RawSubjectPublicKeyInfo": _packed(key.raw),
        "RawSubject": _packed(subject.raw),
        "Signature": _packed(signature.bits()),
        "SignatureAlgorithm": _SIGNATURES.get(next(algorithm.items()).oid()[-1], 0),
        "PublicKeyAlgorithm": 1,
        "PublicKey": {
            "N": str(modulus.integer()) if modulus.integer().bit_length() < 14_000 else "",
            "E": exponent.integer(),
        },
        "Subject": _name(subject),
    }


def _name(value: Value) -> Fields:
    result: Fields = {**dict.fromkeys(_NAMES.values()), **dict.fromkeys(_ONE_NAME.values(), ""), "ExtraNames": None}
    names: list[Fields] = []
    for part in value.items():
        for attribute in part.items():
            kind, content = attribute.items()
            oid, text = kind.oid(), content.text()
            names.append({"Type": list(oid), "Value": text})
            if oid in _NAMES:
                result[_NAMES[oid]] = [*(result[_NAMES[oid]] or []), text]
            elif oid in _ONE_NAME:
                result[_ONE_NAME[oid]] = text
    return {**result, "Names": names or None}


def _extension(value: Value, result: Fields) -> Fields:
    kind, *rest = value.items()
    critical = len(rest) == 2 and rest[0].content == b"\xff"
    content = rest[-1].content
    oid = kind.oid()
    if oid[:3] == _EXTENSIONS:
        _read_extension(oid[-1], content, result)
    return {"Id": list(oid), "Critical": critical, "Value": _packed(content)}


def _read_extension(number: int, content: bytes, result: Fields) -> None:
    match number:
        case 17 if "DNSNames" in result:
            _alternative_names(der.read(content), result)
        case _ if "KeyUsage" not in result:
            pass  # a request shows the others as they are
        case 14:
            result["SubjectKeyId"] = _packed(der.read(content).content)
        case 35:
            key = next((item for item in der.read(content).items() if item.tag == 0x80), None)
            result["AuthorityKeyId"] = _packed(key.content) if key else None
        case 15:
            bits = der.read(content).bits()
            result["KeyUsage"] = sum(1 << i for i in range(8 * len(bits)) if bits[i // 8] & (0x80 >> i % 8))
        case 37:
            result["ExtKeyUsage"] = [_USAGES.get(item.oid()[-1], 0) for item in der.read(content).items()]
        case 19:
            items = list(der.read(content).items())
            authority = bool(items) and items[0].content == b"\xff"
            length = items[1].integer() if len(items) > 1 else -1
            result |= {
                "BasicConstraintsValid": True,
                "IsCA": authority,
                "MaxPathLen": length,
                "MaxPathLenZero": length == 0,
            }


def _alternative_names(names: Value, result: Fields) -> None:
    for item in names.items():
        match item.tag:
            case 0x81:
                name, found = "EmailAddresses", item.content.decode("ascii", "replace")
            case 0x82:
                name, found = "DNSNames", item.content.decode("ascii", "replace")
            case 0x87:
                name, found = "IPAddresses", str(ipaddress.ip_address(item.content))
            case _:
                continue
        result[name] = [*(result[name] or []), found]
