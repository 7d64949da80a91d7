"""semver_compare."""

from harness.assertions.expressions.functions.signature import Call, Table
from harness.assertions.go import semver

TABLE = Table()


@TABLE.function("semver_compare", "string", "string")
def semver_compare(_call: Call, version: str, versions: str) -> bool:
    return semver.satisfies(version, versions)
