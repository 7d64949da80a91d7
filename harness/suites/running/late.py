"""Files that could be read only now: named by an expression, made by a script, or fetched."""

from pathlib import Path

import urllib3

from harness.errors import DataError
from harness.formats.documents import Document as Yaml
from harness.formats.files import LARGEST
from harness.suites import objects
from harness.suites.model import Document, Documents, Place
from harness.suites.problems import Problems
from harness.suites.running.failures import NotJudged
from harness.suites.running.scope import Scope

_TRIES = 3
_SECONDS = 10.0


def documents(wanted: Documents, scope: Scope, folder: Path, *, trees: bool) -> tuple[Document, ...]:
    """The documents of an operation; raises NotJudged where they cannot be read."""
    if not wanted.file:
        return wanted.documents
    name = scope.text(wanted.file)
    problems = Problems()
    found: list[Document] = []
    try:
        if name.startswith(objects.WRITTEN_AS_URL):
            place = Place(Path(name))
            for yaml in Yaml.read_all(place.file, _fetched(name)):
                found += objects.expanded(yaml.data, place, problems, objects=not trees)
        else:
            for file in objects.matching(folder, name):
                found += objects.read(file, problems, objects=not trees)
        problems.require()
    except DataError as error:
        raise NotJudged(str(error)) from error
    if not found:
        raise NotJudged(f"{name}: contains no document")
    return tuple(found)


def _fetched(url: str) -> str:
    retries = urllib3.Retry(_TRIES - 1, backoff_factor=0.2, status_forcelist=(429, 500, 502, 503, 504))
    try:
        with urllib3.PoolManager(retries=retries, timeout=_SECONDS) as pool:
            answer = pool.request("GET", url, preload_content=False)
            text = answer.read(LARGEST + 1, decode_content=True)
            answer.release_conn()
    except urllib3.exceptions.HTTPError as error:
        raise DataError(f"cannot be fetched: {error}", where=url) from error
    if answer.status != 200:
        raise DataError(f"cannot be fetched: the server answers {answer.status}", where=url)
    if len(text) > LARGEST:
        raise DataError(f"is larger than {LARGEST // 1_000_000} MB", where=url)
    return text.decode("utf-8", errors="replace")
