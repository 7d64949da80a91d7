"""The versions of the format that this harness reads, and what becomes of a field that none of them has.

`aicr.nvidia.com/v1alpha1` is the format until June 2026, `aicr.run/v1alpha2` the one after it; a file that declares a
profile says `aicr.run/v1alpha3`. registry.yaml tells which of the two rules a data directory follows.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.errors import DataError, did_you_mean
from harness.names import API_VERSION

CURRENT = "aicr.run/v1alpha2"
WITH_PROFILE = "aicr.run/v1alpha3"  # overlays that declare a profile, and recipes that have one selected
VERSIONS = (API_VERSION, CURRENT, WITH_PROFILE)

_KNOWN = f"this harness knows the format's versions {', '.join(VERSIONS)}"

OVERLAY_FIELDS = ("base", "mixins", "criteria", "constraints", "componentRefs", "validation", "profile")  # of its spec


@dataclass
class Reading:
    """How recipe data is read. `lenient` leaves out what no known version has and says so in `notes`."""

    lenient: bool = False
    notes: list[str] = field(default_factory=list)

    def unknown_field(self, key: str, known: Iterable[str], where: str) -> None:
        """A field that nobody here reads. Raises DataError, unless it may be left out."""
        self._unknown(f"unknown field {key!r}", where, did_you_mean(key, known))

    def unknown_version(self, version: str, where: str) -> None:
        """A file of another version, which is read as one of CURRENT where it may be."""
        self._unknown(f"apiVersion is {version!r}", where, "")

    def _unknown(self, what: str, where: str, near: str) -> None:
        if not self.lenient:
            do = f"{near}\n  " if near else ""
            raise DataError(what, where=where, do=f"{do}{_KNOWN}; --lenient leaves out what it does not know")
        self.notes.append(f"{where}: {what}: left out, {_KNOWN}")
