"""Addresses of registries: which are on this machine, and which speak plain HTTP."""

import ipaddress
from urllib.parse import urlsplit


def plain_http(url: str) -> bool:
    """Whether an oci:// address is spoken to without TLS: registries of this machine are, and no others."""
    return urlsplit(url).scheme == "oci" and on_this_machine(url)


def on_this_machine(url: str) -> bool:
    """Whether the address of a registry or a repository means something else on every machine, and in every pod."""
    return _is_loopback(urlsplit(url).hostname or "")


def _is_loopback(name: str) -> bool:
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
