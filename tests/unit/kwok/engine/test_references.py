"""Names of images are compared as engines compare them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwok.engine.references import Reference, same_names

DIGEST = "sha256:" + "7" * 64


@pytest.mark.parametrize(
    ("written", "full"),
    [
        ("registry:3.0.0", "docker.io/library/registry:3.0.0"),
        ("docker.io/library/registry:3.0.0", "docker.io/library/registry:3.0.0"),
        ("docker.io/registry:3.0.0", "docker.io/library/registry:3.0.0"),
        ("index.docker.io/library/registry:3.0.0", "docker.io/library/registry:3.0.0"),
        ("kindest/node:v1", "docker.io/kindest/node:v1"),
        ("registry", "docker.io/library/registry:latest"),
        ("localhost:5000/a/b:c", "localhost:5000/a/b:c"),
        ("localhost/kindest/node:v1", "localhost/kindest/node:v1"),
        ("quay.io/argoproj/argocd:v3.2.6", "quay.io/argoproj/argocd:v3.2.6"),
        (f"kindest/node:v1@{DIGEST}", f"docker.io/kindest/node@{DIGEST}"),
        (f"kindest/node@{DIGEST}", f"docker.io/kindest/node@{DIGEST}"),
    ],
)
def test_a_name_is_completed(written: str, full: str) -> None:
    """Host, `library` and `latest` are added as engines add them; a digest alone says which image it is."""
    assert Reference.parse(written).pulled == full


@pytest.mark.parametrize("text", ["", "UPPER/case:1", "a:b:c", "a@sha256:12", "http://a/b:1", "a b", "<none>:<none>"])
def test_what_names_no_image_is_refused(text: str) -> None:
    """A mistake is told before an engine is asked."""
    with pytest.raises(ValueError, match="names no image"):
        Reference.parse(text)


def test_the_tag_of_a_digest_says_the_digest() -> None:
    """`mark` is a tag that an engine takes, and that no one else gives to an image."""
    mark = Reference.parse(f"kindest/node:v1@{DIGEST}").mark
    assert mark == "docker.io/kindest/node:sha256-" + "7" * 64
    assert Reference.parse(mark).tagged == mark


def test_the_engines_own_spelling_is_kept() -> None:
    """Names in full lead to the engine's; what cannot be read is passed over."""
    assert same_names(("registry:3.0.0", "<none>@<none>")) == {"docker.io/library/registry:3.0.0": "registry:3.0.0"}


@settings(deadline=None)
@given(st.from_regex(r"[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,2}:[a-z0-9]{1,5}", fullmatch=True))
def test_a_full_name_is_its_own_full_name(text: str) -> None:
    """Completing twice changes nothing more."""
    once = Reference.parse(text)
    assert Reference.parse(once.tagged) == once
