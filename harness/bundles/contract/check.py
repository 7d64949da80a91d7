"""Would its consumer take this artifact? Asked before any cluster is touched.

A controller that refuses an artifact says so minutes later, and some say nothing: a release whose dependency is missing
waits, and a root without children is healthy. So what is pushed is held against the rules of who will pull it, and a
bundle of the aicr command line, which pushes by itself, against the same ones when its digest is read back.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.bundles.contract import argocd, artifact, flux
from harness.bundles.contract.delivered import Delivered, Finding
from harness.bundles.delivery import ENTRY, Target, known
from harness.errors import VerdictFailed


@dataclass(frozen=True)
class Violation:
    """One rule broken in one place; `do` is the remedy."""

    rule: str
    where: str
    what: str
    do: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}: {self.what}\n    {self.do}"


class ContractBroken(VerdictFailed):
    """The bundle cannot be delivered as it is: what `check` found, in one message. `where` is its address."""

    def __init__(self, violations: Sequence[Violation], *, where: str) -> None:
        lines = "\n  ".join(str(violation) for violation in violations)
        super().__init__(f"the bundle breaks its contract in {len(violations)} places\n  {lines}", where=where)
        self.violations = tuple(violations)


@dataclass(frozen=True)
class Rule:
    """`find` yields where the bundle breaks it, and how; `do` is the remedy."""

    name: str
    shapes: frozenset[str]
    find: Callable[[Delivered], Iterator[Finding]]
    do: str


_ALL = frozenset(ENTRY)
_ARGOCD = frozenset({"argocd"})
_WRAPPER = frozenset({"argocd-helm"})
_FLUX = frozenset({"flux"})

_ADDRESS = "make the bundle for the address under which it is published"
_INLINE = "have the values in the Application"
_OTHER_NAME = "call the file something else"
_PACK = "pack the bundle for its shape: harness/publishing/oci/artifact.py"
_REMAKE = "make the bundle again"
_ROOT = "publish the content of the bundle's directory, not the directory"
_TLS = "say of every address that it has no TLS"
_VERSION = "give the chart one version, such as 0.0.0-abc1234, and the tag after it"

# Without its entry a bundle cannot be looked into, so this one stands alone.
FIRST = Rule("files-at-root", _ALL, artifact.entry, _ROOT)
RULES: tuple[Rule, ...] = (
    Rule("files-at-root", _ALL, artifact.layer_root, _ROOT),
    Rule("config-media-type", _WRAPPER, artifact.config_type, _PACK),
    Rule("layer-media-type", _ALL, artifact.layer_type, _PACK),
    Rule("single-layer", _ALL, artifact.single_layer, _PACK),
    Rule("semver-tag", _WRAPPER, artifact.semver_tag, _VERSION),
    Rule("chart-version", _WRAPPER, artifact.chart_version, _VERSION),
    Rule("chart-name", _WRAPPER, artifact.chart_name, _ADDRESS),
    Rule("empty", _ALL, artifact.empty, _REMAKE),
    Rule("values-reference", _ARGOCD | _WRAPPER, argocd.values_reference, _INLINE),
    Rule("git-placeholder", _ARGOCD | _WRAPPER, argocd.git_placeholder, _ADDRESS),
    Rule("git-placeholder", _FLUX, flux.git_placeholder, _ADDRESS),
    Rule("own-address", _ARGOCD, argocd.own_address, _ADDRESS),
    Rule("stray-manifest", _ARGOCD, argocd.stray_manifest, _OTHER_NAME),
    Rule("missing-path", _ARGOCD | _WRAPPER, argocd.missing_path, _REMAKE),
    Rule("missing-path", _FLUX, flux.missing_path, _REMAKE),
    Rule("missing-source", _FLUX, flux.missing_source, _REMAKE),
    Rule("chart-directory", _FLUX, flux.chart_directory, 'copy to "@artifact/NAME/"'),
    Rule("depends-on", _FLUX, flux.depends_on, _REMAKE),
    Rule("plain-http", _ARGOCD | _WRAPPER, argocd.plain_http, _TLS),
    Rule("plain-http", _FLUX, flux.plain_http, _TLS),
)


def check(
    directory: Path,
    shape: str,
    manifest: Mapping[str, Any],
    target: Target,
    *,
    layer: bytes | None = None,
    applied: Sequence[Mapping[str, Any]] | None = None,
) -> tuple[Violation, ...]:
    """Every rule that the bundle at `directory` breaks, published at `target` under the OCI `manifest`.

    `layer` is the blob of its one layer, where it is at hand, and `applied` are the objects that the lane itself
    creates (OCIRepository, repo-creds Secret): without them the rules about them are left out. Raises DataError for
    files that cannot be read at all.
    """
    it = Delivered(directory, known(shape), manifest, target, layer, applied)
    found = _broken(FIRST, it)
    return found or tuple(violation for rule in RULES if shape in rule.shapes for violation in _broken(rule, it))


def _broken(rule: Rule, it: Delivered) -> tuple[Violation, ...]:
    return tuple(Violation(rule.name, where, what, rule.do) for where, what in rule.find(it))
