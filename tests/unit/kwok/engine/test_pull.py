"""What of a failed pull heals by waiting, and how much of an image is here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwok.engine.client import EngineError, PullEvent
from kwok.engine.pull import Bytes, Stopped, passes


@pytest.mark.parametrize(
    "told",
    [
        "toomanyrequests: You have reached your unauthenticated pull rate limit. denied until then",
        "received unexpected HTTP status: 503 Service Unavailable",
        "error parsing HTTP 429 response body: Too Many Requests",
        'Get "https://a.example/v2/": net/http: TLS handshake timeout',
        'Get "https://a.example/v2/": dial tcp 192.0.2.1:443: i/o timeout',
        "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
        "unexpected status code 502",
        "read tcp 192.0.2.2:5->192.0.2.1:443: read: connection reset by peer",
        "unexpected EOF",
    ],
)
def test_what_passes(told: str) -> None:
    """Rate limits, a busy registry, connections that broke or took too long: tried again."""
    assert passes(EngineError(f"Docker cannot pull it: {told}", status=500))


@pytest.mark.parametrize(
    "told",
    [
        'Get "https://a.example/v2/": dial tcp: lookup a.example on 192.0.2.53:53: no such host',
        'Get "https://a.example/v2/": dial tcp 192.0.2.1:443: connect: network is unreachable',
        'Get "https://a.example/v2/": dial tcp 127.0.0.1:443: connect: connection refused',
        "manifest for a.example/b:1 not found: manifest unknown: manifest unknown",
        "pull access denied for b, repository does not exist or may require 'docker login'",
        "unauthorized: authentication required",
        "x509: certificate signed by unknown authority",
        "write /var/lib/docker/tmp/GetImageBlob5: no space left on device",
        "something that nobody has seen before",
    ],
)
def test_what_lasts(told: str) -> None:
    """Nothing of this heals by waiting; Docker answers it with 500 all the same."""
    assert not passes(EngineError(f"Docker cannot pull it: {told}", status=500))


def test_a_limit_by_status() -> None:
    """Where the engine hands the registry's status on, its words do not matter."""
    assert passes(EngineError("slow down", status=429))


def test_a_pull_that_was_stopped_does_not_begin_again() -> None:
    """Nor does a defect of the harness."""
    assert not passes(Stopped("timeout"))
    assert not passes(ValueError("timeout"))


def test_bytes_are_those_of_all_layers() -> None:
    """A layer that is done counts whole; one that was there already not at all."""
    here = Bytes()
    assert str(here) == "under way"
    for event in (
        PullEvent("Already exists", "base"),
        PullEvent("Downloading", "a", 1_000_000, 8_000_000),
        PullEvent("Downloading", "b", 1_000_000, 4_000_000),
        PullEvent("Download complete", "b"),
        PullEvent("Extracting", "b", 3_000_000, 4_000_000),
    ):
        here.note(event)
    assert str(here) == "5 of 12 MB"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 100), st.booleans()), min_size=1))
def test_never_more_is_here_than_there_is(history: list[tuple[str, int, bool]]) -> None:
    """Whatever the order of events."""
    here = Bytes()
    for layer, current, done in history:
        here.note(PullEvent("Pull complete" if done else "Downloading", layer, current * 10**6, 100 * 10**6))
    if str(here) != "under way":
        current_text, _, total_text = str(here).removesuffix(" MB").partition(" of ")
        assert int(current_text) <= int(total_text)
