"""Chart mirrors: where a repository of charts is to be had from instead, by settings.

A pure rewriting of addresses, so that every shape of a bundle names the same place. The longest prefix wins, and a
prefix is made of whole path segments: a mirror of https://charts.example/nvidia says nothing of .../nvidia-internal.
"""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import SplitResult, urlsplit

from harness.errors import DataError, HarnessError, SettingsError
from harness.recipes.model import Recipe

_SCHEMES = ("http", "https", "oci")


def rewrite(repository: str, mirrors: Mapping[str, str]) -> str:
    """`repository` below the mirror of its longest known prefix; unchanged where none is known.

    Anything that is no http(s):// or oci:// address (a chart in the bundle or in the data root) is unchanged too.
    Raises SettingsError for a mirror, DataError for a repository, that carries credentials or cannot be read.
    Credentials are not quoted. Ports are compared as they are written.
    """
    known: dict[tuple[str, ...], str] = {}
    for prefix, mirror in mirrors.items():
        key = _segments(_parse(prefix, "mirrors", SettingsError))
        if key in known:
            raise SettingsError("is named twice", where=f"mirrors: {prefix}", do="keep one of the two")
        known[key] = _parse(mirror, f"mirrors: {prefix}", SettingsError).geturl().rstrip("/")
    if repository.partition("://")[0].lower() not in _SCHEMES:
        return repository
    segments = _segments(_parse(repository, "chart repository", DataError))
    for length in range(len(segments), 0, -1):
        mirror = known.get(segments[:length], "")
        if mirror:
            return "/".join((mirror, *segments[length:]))
    return repository


def mirrored(recipe: Recipe, mirrors: Mapping[str, str]) -> Recipe:
    """`recipe` with each component's chart from its mirror; bundles of every shape then name that, and nothing else."""
    components = tuple(replace(each, source=rewrite(each.source, mirrors)) for each in recipe.components)
    return replace(recipe, components=components)


def _segments(parts: SplitResult) -> tuple[str, ...]:
    """Scheme and host, which do not depend on case, then the path's segments, which do."""
    return (f"{parts.scheme}://{parts.netloc.lower()}", *filter(None, parts.path.split("/")))


def _parse(address: str, where: str, error: type[HarnessError]) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if "@" in parts.netloc:
        raise error(
            "an address has credentials in it, which would end up in bundles and logs",
            where=where,
            do="remove them, and use repositories that need no credentials",
        )
    if (
        parts.scheme not in _SCHEMES
        or not parts.hostname
        or parts.query
        or parts.fragment
        or ".." in parts.path.split("/")
    ):
        shown = "an address" if set("@?#") & set(address) else repr(address)
        raise error(f"{shown} is not of the form https://host/path, http://host/path or oci://host/path", where=where)
    return parts
