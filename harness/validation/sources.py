"""Where snapshots come from and go to: a file, an http(s) URL, or a ConfigMap (`cm://namespace/name`)."""

from collections.abc import Callable
from pathlib import Path

from harness.cluster.api import Cluster
from harness.errors import DataError, HarnessError, UsageError
from harness.formats.files import text_of_file
from harness.formats.go_yaml import dump
from harness.objects import CONFIGMAPS
from harness.replacing import replace
from harness.validation.measurements import Snapshot

SCHEME = "cm://"
KEY = "snapshot.yaml"
CONFIGMAP_LIMIT = 1 << 20  # bytes of all values: what an API server accepts
LARGEST = 64 << 20  # bytes of a document from a file or a URL
SECONDS = 30.0

Connect = Callable[[], Cluster]  # made when it is needed: a snapshot from a file needs no cluster


def read(place: str, connect: Connect) -> Snapshot:
    """The snapshot at `place`. Raises DataError for one that is none, or cannot be had; ClusterError."""
    if place.startswith(SCHEME):
        return Snapshot.parse(_from_configmap(place, connect), place)
    if place.startswith(("http://", "https://")):
        return Snapshot.parse(_from_url(place), place)
    do = "a snapshot is a file, an http(s) URL or cm://NAMESPACE/NAME"
    return Snapshot.parse(text_of_file(Path(place), most=LARGEST, do=do), Path(place))


def write(snapshot: Snapshot, place: str, connect: Connect) -> None:
    """Write `snapshot` to a file or a ConfigMap. Raises HarnessError, before anything is written."""
    text = dump(snapshot.document()).decode()
    if not place.startswith(SCHEME):
        try:
            replace(Path(place), text, mode=0o644)
        except OSError as error:
            raise HarnessError(f"cannot be written: {error.strerror}", where=place) from error
        return
    namespace, name = configmap_at(place)
    require_fits(len(text.encode()), place)
    labels = {"app.kubernetes.io/name": "aicr", "app.kubernetes.io/component": "Snapshot"}
    connect().apply(
        CONFIGMAPS,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"namespace": namespace, "name": name, "labels": labels},
            "data": {KEY: text, "format": "yaml", "timestamp": snapshot.metadata.get("timestamp", "")},
        },
    )


def configmap_at(place: str) -> tuple[str, str]:
    """Namespace and name of `cm://namespace/name`. Raises UsageError."""
    namespace, slash, name = place.removeprefix(SCHEME).partition("/")
    if not namespace or not slash or not name or "/" in name:
        raise UsageError(f"{place!r} names no ConfigMap", do="write cm://NAMESPACE/NAME")
    return namespace, name


def require_fits(size: int, where: str) -> None:
    """Refuse what an API server would refuse as a ConfigMap. Raises DataError."""
    if size > CONFIGMAP_LIMIT:
        what = f"has {size:,} bytes, more than the {CONFIGMAP_LIMIT:,} bytes that a ConfigMap can contain"
        raise DataError(what, where=where, do="use a smaller document, or a file where one can be used")


def _from_configmap(place: str, connect: Connect) -> str:
    namespace, name = configmap_at(place)
    found = connect().get(CONFIGMAPS, namespace, name)
    if found is None:
        raise DataError(f"ConfigMap {namespace}/{name} not found", where=place, do="see the namespace and the cluster")
    data = found.get("data") or {}
    if KEY not in data:
        has = ", ".join(sorted(data)) or "none"
        raise DataError(f"ConfigMap {namespace}/{name} has no key {KEY}; its keys: {has}", where=place)
    return str(data[KEY])


def _from_url(url: str) -> str:
    import urllib3  # which those who read a file need not

    pool = urllib3.PoolManager(retries=urllib3.Retry(total=0, redirect=3), timeout=SECONDS)
    try:
        answer = pool.request("GET", url, preload_content=False)
        body = answer.read(LARGEST + 1)
    except urllib3.exceptions.HTTPError as error:
        raise DataError(f"cannot be read: {_cause(error)}", where=url) from error
    if answer.status != 200:
        raise DataError(f"the server answered {answer.status} {answer.reason or ''}".rstrip(), where=url)
    if len(body) > LARGEST:
        raise DataError(f"is larger than {LARGEST:,} bytes", where=url)
    try:
        text: str = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError("is not UTF-8", where=url) from error
    return text


def _cause(error: Exception) -> object:
    """What the network said, without the client's own objects around it."""
    reason = getattr(error, "reason", None) or error
    return getattr(reason.__cause__, "strerror", None) or reason
