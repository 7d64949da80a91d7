"""Which image a check runs from: the catalog's, pinned to a release, or replaced by who runs it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

_RELEASE = re.compile(r"v?\d+\.\d+\.\d+(-[A-Za-z0-9.]+)?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_LATEST = ":latest"


@dataclass(frozen=True)
class Images:
    """How references of a catalog are resolved.

    `version` and `commit` are of the release whose checks are wanted; `tag` and `registry` replace what a reference
    says, and are what AICR_VALIDATOR_IMAGE_TAG and AICR_VALIDATOR_IMAGE_REGISTRY hold.
    """

    version: str = ""
    commit: str = ""
    tag: str = ""
    registry: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """As the environment says: AICR_CLI_VERSION, AICR_CLI_COMMIT and the two overrides."""
        return cls(
            environment.get("AICR_CLI_VERSION", ""),
            environment.get("AICR_CLI_COMMIT", ""),
            environment.get("AICR_VALIDATOR_IMAGE_TAG", ""),
            environment.get("AICR_VALIDATOR_IMAGE_REGISTRY", ""),
        )

    def resolve(self, image: str) -> str:
        """The reference to pull. A release or a commit pins `:latest` alone; digests are never changed."""
        if image.endswith(_LATEST):
            image = self._pinned(image)
        if self.tag and "@" not in image:
            path, slash, last = image.rpartition("/")
            image = f"{path}{slash}{last.partition(':')[0]}:{self.tag}"
        if self.registry and "/" in image:
            parts = image.split("/")
            image = "/".join((self.registry, *parts[2 if len(parts) > 2 else 1 :]))
        return image

    def pull_policy(self, image: str) -> str:
        """The imagePullPolicy of a resolved reference."""
        if image.startswith(("ko.local/", "kind.local/")):
            return "Never"
        if "@" in image:
            return "IfNotPresent"
        return "Always" if self.tag or image.endswith(_LATEST) else "IfNotPresent"

    def _pinned(self, image: str) -> str:
        name, commit = image.removesuffix(_LATEST), self.commit.lower()
        if _RELEASE.fullmatch(self.version) and not self.version.endswith("-next"):
            return f"{name}:v{self.version.removeprefix('v')}"
        return f"{name}:sha-{commit}" if _COMMIT.fullmatch(commit) else image
