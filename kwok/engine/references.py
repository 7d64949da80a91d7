"""Names of images, compared as engines compare them: `registry:3.0.0` is `docker.io/library/registry:3.0.0`."""

import re
from dataclasses import dataclass

# Of images that are made, and in no registry: a host that never exists (RFC 6761), so nobody else's are taken for them.
OWN_HOST = "kwok-harness.invalid"
_DEFAULT_HOST, _OFFICIAL = "docker.io", "library"
_REFERENCE = re.compile(
    r"(?P<repository>(?:[a-z0-9][a-z0-9.-]*(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class Reference:
    """A name in full: `repository` with its host; at least one of `tag` and `digest` (sha256:…) is not empty."""

    repository: str
    tag: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Raises ValueError for what no engine would take."""
        found = _REFERENCE.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} names no image: write host/name:tag, or host/name:tag@sha256:<64 hex digits>")
        tag, digest = found["tag"] or "", found["digest"] or ""
        return cls(_in_full(found["repository"]), tag if tag or digest else "latest", digest)

    @property
    def tagged(self) -> str:
        return f"{self.repository}:{self.tag}"

    @property
    def digested(self) -> str:
        return f"{self.repository}@{self.digest}"

    @property
    def made_here(self) -> bool:
        """Whether no registry can have it."""
        return self.repository.startswith(f"{OWN_HOST}/")

    @property
    def pulled(self) -> str:
        """What to ask a registry for: the digest alone where there is one, which every engine understands."""
        return self.digested if self.digest else self.tagged

    @property
    def mark(self) -> str:
        """The tag by which an image of this digest is known here. Nobody else's tag is ever called like this."""
        return f"{self.repository}:{self.digest.replace(':', '-')}" if self.digest else self.tagged


def same_names(names: tuple[str, ...]) -> dict[str, str]:
    """The engine's names by the names in full; what cannot be read is left out."""
    found = {}
    for name in names:
        try:
            reference = Reference.parse(name)
        except ValueError:
            continue
        found[reference.pulled] = name
    return found


def _in_full(repository: str) -> str:
    first, slash, rest = repository.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host, path = ("docker.io" if first == "index.docker.io" else first), rest
    else:
        host, path = _DEFAULT_HOST, repository
    return f"{host}/{_OFFICIAL}/{path}" if host == _DEFAULT_HOST and "/" not in path else f"{host}/{path}"
