"""The boundary to the API server, through real HTTP against a server that misbehaves as told."""

import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cluster import connection
from harness.cluster.api import ApiError, Cluster, Interrupted, Unreachable, transient
from harness.errors import ClusterError
from harness.exits import Exit
from harness.objects import CONFIGMAPS, FAILED_CREATES, NODES, PODS, Kind
from tests.fakes.api import FakeApi, Fault
from tests.fakes.clock import ManualClock, until


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        yield fake


@pytest.fixture
def cluster(api: FakeApi, tmp_path: Path) -> Cluster:
    return Cluster(api.kubeconfig(tmp_path))


def pod(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "default", "name": name}}


def fill(api: FakeApi, count: int) -> None:
    for number in range(count):
        api.put(PODS, pod(f"p{number}"))


def test_kubeconfig_names_server_and_context(api: FakeApi, cluster: Cluster) -> None:
    """The ownership guard can ask which server and context a cluster object speaks to."""
    assert (cluster.server, cluster.context_name) == (f"http://127.0.0.1:{api.port}", "fake")
    assert cluster.version() == "v1.34.10"


@pytest.mark.parametrize(
    ("text", "context"),
    [(None, None), ("", None), ("{", None), ("{}", None), ("good", "elsewhere")],
    ids=["absent", "empty", "no YAML", "no contexts", "no such context"],
)
def test_unusable_kubeconfig_is_one_clear_error(
    api: FakeApi, tmp_path: Path, text: str | None, context: str | None
) -> None:
    """A kubeconfig that cannot be used is an error that names the file, at once."""
    file = tmp_path / "broken"
    if text is not None:
        file.write_text(api.kubeconfig(tmp_path).read_text() if text == "good" else text)
    with pytest.raises(ClusterError) as caught:
        Cluster(file, context=context)
    assert caught.value.where == str(file)
    assert caught.value.exit is Exit.SETTINGS, "nothing was judged: not the code of a verdict"


def test_proxies_from_the_environment_are_not_used(
    api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls to a simulated cluster never go through somebody's proxy."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert Cluster(api.kubeconfig(tmp_path)).version() == "v1.34.10"


def test_list_follows_continue_tokens(api: FakeApi, cluster: Cluster) -> None:
    """A LIST in pages is one listing of one revision, and its items say what they are."""
    api.page = 3
    fill(api, 8)
    listing = cluster.list(PODS)
    assert sorted(item["metadata"]["name"] for item in listing.items) == [f"p{n}" for n in range(8)]
    assert {(item["apiVersion"], item["kind"]) for item in listing.items} == {("v1", "Pod")}
    assert listing.resource_version == str(api.revision)
    assert [query.get("limit") for _, _, query in api.requests] == ["500"] * 3


def test_list_starts_over_when_its_token_expires(api: FakeApi, cluster: Cluster) -> None:
    """A 410 between pages gives a complete new listing, without remains of the old one."""
    api.page = 3
    fill(api, 8)
    api.fault(Fault("none", "LIST"), Fault("status", "LIST", status=410))
    assert len(cluster.list(PODS).items) == 8
    assert len(api.requests) == 2 + 3


def test_list_at_a_revision_is_of_that_revision(api: FakeApi, cluster: Cluster) -> None:
    """`at` shows what was there then, on every page."""
    api.page = 2
    fill(api, 5)
    then = cluster.revision(PODS)
    api.delete(PODS, "default", "p0")
    api.put(PODS, pod("later"))
    assert {item["metadata"]["name"] for item in cluster.list(PODS, at=then).items} == {f"p{n}" for n in range(5)}
    api.compact()
    with pytest.raises(ApiError, match="410"):
        cluster.list(PODS, at=then)


def test_selectors_and_namespaces_are_sent(api: FakeApi, cluster: Cluster) -> None:
    """Selectors reach the server; a namespace does not narrow a kind that has none."""
    api.put(NODES, {"metadata": {"name": "n"}})
    assert len(cluster.list(NODES, namespace="x", label_selector="a=b", field_selector="c=d").items) == 1
    query = api.requests[-1][2]
    assert (query["labelSelector"], query["fieldSelector"]) == ("a=b", "c=d")


def test_a_kind_of_which_only_some_are_wanted_says_so(api: FakeApi, cluster: Cluster) -> None:
    """To a LIST and to a WATCH alike, or one would undo what the other brings."""
    cluster.list(FAILED_CREATES)
    assert api.requests[-1][2]["fieldSelector"] == "reason=FailedCreate"
    with cluster.watch(FAILED_CREATES, "1", timeout=1):
        assert api.requests[-1][2]["fieldSelector"] == "reason=FailedCreate"


RETRIES = [
    # method, fault, how many requests there are when it happens once
    *[("GET", Fault("status", status=s), 2) for s in (429, 500, 502, 503, 504)],
    *[("GET", Fault("status", status=s), 1) for s in (400, 403, 404, 405, 409, 410, 422)],
    *[("GET", Fault(how), 2) for how in ("reset", "short", "garbage")],
    *[("PATCH", Fault(how), 2) for how in ("reset", "short")],
    ("PATCH", Fault("status", status=503), 2),
    ("PATCH", Fault("status", status=409), 1),
    ("POST", Fault("status", status=429), 2),
    ("POST", Fault("status", status=503), 1),
    ("POST", Fault("reset"), 1),
]


@pytest.mark.parametrize(
    ("method", "fault", "requests"), RETRIES, ids=lambda v: f"{v.how}{v.status}" if isinstance(v, Fault) else str(v)
)
def test_what_is_tried_again(
    api: FakeApi, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, method: str, fault: Fault, requests: int
) -> None:
    """Only what can do no harm twice is repeated, and only where repeating can help."""
    monkeypatch.setattr(connection, "_backoff", lambda _: 0.0)
    api.put(PODS, pod("a"))
    api.fault(fault)
    path = "/api/v1/namespaces/default/pods" + ("" if method == "POST" else "/a")
    body = None if method == "GET" else pod("b" if method == "POST" else "a")
    if requests == 1:
        with pytest.raises(ClusterError):
            cluster.request(method, path, body=body)
    else:
        cluster.request(method, path, body=body)
    assert len(api.requests) == requests


def test_delete_whose_answer_was_lost_is_done(api: FakeApi, cluster: Cluster) -> None:
    """Deleting again what the lost request had deleted is no error."""
    api.put(PODS, pod("a"))
    api.fault(Fault("reset", "DELETE"))
    cluster.delete(PODS, "default", "a")
    assert api.seen("DELETE") == 2


def test_persistent_trouble_ends(api: FakeApi, cluster: Cluster) -> None:
    """A few attempts are enough: the last error is raised as it is."""
    api.fault(*[Fault("status", status=503)] * 9)
    with pytest.raises(ApiError) as caught:
        cluster.request("GET", "/version", attempts=3)
    assert (caught.value.status, len(api.requests)) == (503, 3)


def test_retry_after_is_honoured_within_the_timeout(api: FakeApi, cluster: Cluster) -> None:
    """The server's wish delays the next attempt; one that goes beyond the timeout ends the call now."""
    clock = ManualClock(hurried=True)
    cluster = Cluster(cluster.kubeconfig, clock=clock)
    api.fault(Fault("status", status=429, retry_after="7"))
    cluster.version()
    assert clock.slept == [7]
    api.fault(Fault("status", status=429, retry_after="600"))
    with pytest.raises(ApiError, match="429"):
        cluster.request("GET", "/version", timeout=60)
    assert clock.slept == [7]


@pytest.mark.parametrize("how", ["silent", "slow"])
def test_timeout_bounds_the_whole_call(api: FakeApi, cluster: Cluster, how: str) -> None:
    """Neither silence nor bytes that drip in keep a call beyond its timeout."""
    api.drip_seconds = 0.05
    api.fault(*[Fault(how)] * 99)
    with pytest.raises(Interrupted):  # nothing but its timeout ends it
        cluster.request("GET", "/version", timeout=0.1)


def test_nobody_there_is_unreachable(api: FakeApi, cluster: Cluster) -> None:
    """A refused connection is its own error, and one that may pass."""
    api.stop()
    with pytest.raises(Unreachable) as caught:
        cluster.request("GET", "/version", attempts=2)
    assert not isinstance(caught.value, Interrupted)
    assert transient(caught.value)
    assert str(caught.value).startswith(f"GET /version: no connection to {cluster.server}: [Errno 111]")
    assert cluster.healthy(0.2) is False
    api.start()


def test_healthy_waits_for_readyz(api: FakeApi, cluster: Cluster) -> None:
    """A server that says 500 at first is healthy as soon as it says ok."""
    api.documents["/readyz"] = b"ok"
    api.fault(Fault("status", status=500), Fault("reset"))
    assert cluster.healthy(5) is True
    assert len(api.requests) == 3


def test_new_credentials_are_read_once(api: FakeApi, cluster: Cluster, tmp_path: Path) -> None:
    """After a 401 the kubeconfig is read again: rotated credentials work, wrong ones are refused at once."""
    api.token = "rotated"
    with pytest.raises(ApiError, match="401"):
        cluster.version()
    assert len(api.requests) == 2
    api.kubeconfig(tmp_path, token="rotated")
    assert cluster.version() == "v1.34.10"


def test_objects_can_be_written_and_removed(api: FakeApi, cluster: Cluster) -> None:
    """create refuses what is there, apply takes over, delete and get do not mind what is not there."""
    item = {"metadata": {"namespace": "default", "name": "a"}, "data": {"v": "1"}}
    assert cluster.get(CONFIGMAPS, "default", "a") is None
    cluster.create(CONFIGMAPS, item)
    with pytest.raises(ApiError, match="409"):
        cluster.create(CONFIGMAPS, item)
    cluster.apply(CONFIGMAPS, item)
    assert api.requests[-1][2] == {"fieldManager": "kwok-harness", "force": "true"}
    cluster.patch_merge(CONFIGMAPS, "default", "a", {"data": {"v": "2"}})
    found = cluster.get(CONFIGMAPS, "default", "a")
    assert found is not None
    assert found["data"] == {"v": "2"}
    cluster.delete(CONFIGMAPS, "default", "a", grace=0, propagation="Foreground")
    cluster.delete(CONFIGMAPS, "default", "a")
    assert [(verb, kind) for verb, _, kind, _ in api.bodies] == [
        ("POST", "application/json"),
        ("POST", "application/json"),
        ("PATCH", "application/apply-patch+yaml"),
        ("PATCH", "application/merge-patch+json"),
        ("DELETE", "application/json"),
        ("DELETE", "application/json"),
    ]
    assert api.bodies[-2][3]["propagationPolicy"] == "Foreground"
    assert api.bodies[-2][3]["gracePeriodSeconds"] == 0


def test_discovery_keeps_the_preferred_version_of_what_can_be_listed(api: FakeApi, cluster: Cluster) -> None:
    """Each kind comes once per group; a group whose server is away is named, not raised."""

    def version(name: str, *resources: tuple[str, str], freshness: str = "Current") -> dict[str, object]:
        return {
            "version": name,
            "freshness": freshness,
            "resources": [
                {
                    "resource": plural,
                    "responseKind": {"kind": plural.title()},
                    "scope": "Namespaced",
                    "verbs": verbs.split(),
                    "subresources": [{"subresource": "status"}],
                }
                for plural, verbs in resources
            ],
        }

    api.documents["/api"] = {"items": [{"versions": [version("v1", ("pods", "list watch"), ("bindings", "create"))]}]}
    api.documents["/apis"] = {
        "items": [
            {
                "metadata": {"name": "x.io"},
                "versions": [version("v2", ("a", "list")), version("v1", ("a", "list"), ("b", "list"))],
            },
            {"metadata": {"name": "away.io"}, "versions": [version("v1", freshness="Stale")]},
        ]
    }
    found = cluster.resources()
    assert found.kinds == [Kind("v1", "pods", "Pods"), Kind("x.io/v2", "a", "A"), Kind("x.io/v1", "b", "B")]
    assert found.unavailable == ["away.io/v1"]


def test_the_api_versions_are_those_that_helm_would_find(api: FakeApi, cluster: Cluster) -> None:
    """Every version that is served, preferred or not, with each kind: those of subresources and unlistable ones too."""

    def resource(kind: str, *subresources: str) -> dict[str, object]:
        below = [{"subresource": "x", "responseKind": {"kind": each}} for each in subresources]
        return {"resource": kind.lower(), "responseKind": {"kind": kind}, "subresources": below}

    api.documents["/api"] = {"items": [{"versions": [{"version": "v1", "resources": [resource("Pod", "Eviction")]}]}]}
    versions = [{"version": "v2", "resources": [resource("A")]}, {"version": "v1", "resources": [resource("A")]}]
    away = {"metadata": {"name": "away.io"}, "versions": [{"version": "v1", "freshness": "Stale"}]}
    api.documents["/apis"] = {"items": [{"metadata": {"name": "x.io"}, "versions": versions}, away]}
    found = {"v1", "v1/Pod", "v1/Eviction", "x.io/v2", "x.io/v2/A", "x.io/v1", "x.io/v1/A", "away.io/v1"}
    assert cluster.api_versions() == found


def test_watch_tells_events_and_bookmarks_until_the_server_ends_it(api: FakeApi, cluster: Cluster) -> None:
    """A stream replays what came after its revision, then ends without an error."""
    start = cluster.revision(PODS)
    api.put(PODS, pod("a"))
    api.bookmark()
    api.delete(PODS, "default", "a")
    api.stream_seconds = 0.1
    assert [event for event, _ in cluster.watch(PODS, start, timeout=5)] == ["ADDED", "BOOKMARK", "DELETED"]


STREAM_ENDS = [("reset", Interrupted), ("cut", Interrupted), ("half", Interrupted), ("gone", ApiError)]


@pytest.mark.parametrize(("how", "error"), STREAM_ENDS, ids=[how for how, _ in STREAM_ENDS])
def test_watch_that_breaks_says_so(api: FakeApi, cluster: Cluster, how: str, error: type[ClusterError]) -> None:
    """A broken stream is never taken for one that ended: its complete events come first, then the error."""
    api.fault(Fault(how, "WATCH", after=1))
    api.put(PODS, pod("a"))
    api.put(PODS, pod("b"))
    stream = iter(cluster.watch(PODS, "1", timeout=5))
    next(stream)
    with pytest.raises(error):
        list(stream)


@pytest.mark.parametrize("how", ["silent", "drip"])
def test_watch_that_outlives_its_time_is_dead(api: FakeApi, cluster: Cluster, how: str) -> None:
    """A stream that the server does not end in time is given up, silent or not."""
    api.drip_seconds = 0.02
    api.fault(Fault(how, "WATCH"))
    for name in "abcdefgh":
        api.put(PODS, pod(name))
    with pytest.raises(Interrupted):  # nothing but its time ends it
        list(cluster.watch(PODS, "1", timeout=0.05, grace=0.05))


def test_watch_can_be_closed_from_another_thread(api: FakeApi, cluster: Cluster) -> None:
    """Closing wakes a reader that waits for news, at once and without an error."""
    api.put(PODS, pod("a"))
    stream = cluster.watch(PODS, "1", timeout=60)
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.extend(event for event, _ in stream))
    reader.start()
    until(lambda: bool(seen))
    stream.close()
    reader.join(20)
    assert not reader.is_alive()


def test_many_threads_share_a_cluster(api: FakeApi, cluster: Cluster) -> None:
    """Requests from many threads at once each get their own answer."""
    fill(api, 20)
    wrong: list[str] = []

    def ask(number: int) -> None:
        for name in itertools.islice(itertools.cycle([f"p{number}"]), 10):
            found = cluster.get(PODS, "default", name)
            if found is None or found["metadata"]["name"] != name:
                wrong.append(json.dumps(found))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
