"""The functions of the dialect, one file per subject. A name is not overloaded: one function per name."""

from harness.assertions.expressions.functions import (
    arithmetic,
    certificates,
    clusters,
    collections,
    encoding,
    matching,
    metrics,
    numbers,
    texts,
    times,
    types,
    versions,
)
from harness.assertions.expressions.functions.signature import Function

FUNCTIONS: dict[str, Function] = {
    name: function
    for module in (
        arithmetic,
        certificates,
        clusters,
        collections,
        encoding,
        matching,
        metrics,
        numbers,
        texts,
        times,
        types,
        versions,
    )
    for name, function in module.TABLE.items()
}
