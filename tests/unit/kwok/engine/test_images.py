"""The images that the Kind runtime needs: taken as the settings name them, pulled, moved in a file."""

import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import retrying
from harness.errors import ClusterError, ImageMissing, SettingsError, UsageError
from harness.processes.threads import Background
from harness.progress import Silent
from harness.settings import Retries
from kwok.engine.archive import ImageFileError
from kwok.engine.client import Engine
from kwok.engine.images import STANDS_FOR, Images
from tests.fakes.engine import PODMAN, SILENCE, FakeEngine, Refused, Stored

DIGEST = "sha256:" + "7" * 64
MARK = "kindest/node:sha256-" + "7" * 64
NODE = f"kindest/node:v1.34.0@{DIGEST}"
REGISTRY = "docker.io/library/registry:3.0.0"
REFERENCES = {"node": NODE, "registry": REGISTRY, "argocd": "quay.io/argoproj/argocd:v3"}
PULLED_NODE = f"docker.io/kindest/node@{DIGEST}"
IDS = [f"sha256:{number:064x}" for number in range(10)]

node = Stored(IDS[1], digests=(f"kindest/node@{DIGEST}",))
registry = Stored(IDS[2], tags=("registry:3.0.0",))
argocd = Stored(IDS[3], tags=("quay.io/argoproj/argocd:v3",))
built = Stored(IDS[4], tags=("kindest/node:v1.34.10",), labels={STANDS_FOR: NODE})


class Told(Silent):
    """Keeps steps, failures and notes."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def step(self, task: str, detail: str) -> None:
        self.said.append(f"{task}: {detail}")

    def failed(self, task: str, detail: str) -> None:
        self.said.append(f"{task}: {detail}")

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def fake() -> Iterator[FakeEngine]:
    with FakeEngine() as engine:
        yield engine


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that would have been waited between attempts."""
    waited: list[float] = []
    monkeypatch.setattr(retrying, "sleep_using_event", lambda _: waited.append)
    return waited


def images(fake: FakeEngine, references: dict[str, str] = REFERENCES, *, timeout: float = 5.0, **more: Any) -> Images:
    given = {"progress": Silent(), "cancelled": threading.Event(), **more}
    retries = Retries.model_validate({"attempts": 4, "delay": "5s"})
    return Images(Engine.connect(fake.environment), references, retries, timeout=timeout, **given)


def states(fake: FakeEngine) -> dict[str, tuple[str, str]]:
    return {each.name: (each.state, each.tag) for each in images(fake).list(tuple(REFERENCES))}


# What is here


def test_images_are_found_by_their_exact_references(fake: FakeEngine) -> None:
    """By digest where the settings give one, by tag otherwise; in the engine's own spelling."""
    fake.images = [node, registry]
    assert states(fake) == {
        "node": ("here", f"kindest/node@{DIGEST}"),
        "registry": ("here", "registry:3.0.0"),
        "argocd": ("missing", ""),
    }


def test_another_image_of_the_same_tag_is_not_enough(fake: FakeEngine) -> None:
    """The tag was moved, or somebody built something under it: the digest decides."""
    fake.images = [Stored(IDS[1], tags=("kindest/node:v1.34.0",), digests=("kindest/node@sha256:" + "8" * 64,))]
    assert states(fake)["node"] == ("missing", "")


def test_another_repository_of_the_same_digest_is_another_image(fake: FakeEngine) -> None:
    """As for the engine: a mirror's name is not the name in the settings."""
    fake.images = [Stored(IDS[1], digests=(f"mirror.example/node@{DIGEST}",))]
    assert states(fake)["node"] == ("missing", "")


@pytest.mark.parametrize("version", [None, PODMAN], ids=["docker", "podman"])
def test_an_image_that_stands_for_the_reference_will_do(version: Any) -> None:
    """The factory's label says so, digest included; also where an engine lists no labels."""
    with FakeEngine(version) if version else FakeEngine() as fake:
        fake.images = [built]
        assert states(fake)["node"] == ("built here", "kindest/node:v1.34.10")


def test_the_label_must_say_the_very_reference(fake: FakeEngine) -> None:
    """One that was built for another digest does not stand for this one."""
    fake.images = [replace(built, labels={STANDS_FOR: NODE.replace("7" * 64, "8" * 64)})]
    assert states(fake)["node"] == ("missing", "")


def test_an_image_built_under_its_own_name_is_told_as_such(fake: FakeEngine) -> None:
    """It has the tag of the settings, and is not what a registry has under it."""
    fake.images = [replace(registry, labels={STANDS_FOR: REGISTRY})]
    assert states(fake)["registry"] == ("built here", "registry:3.0.0")


def test_the_exact_image_comes_before_a_built_one(fake: FakeEngine) -> None:
    """Where both are there."""
    fake.images = [built, node]
    assert states(fake)["node"] == ("here", f"kindest/node@{DIGEST}")


def test_of_two_builds_the_later_one_with_a_name_is_taken(fake: FakeEngine) -> None:
    """A build leaves the one before without a tag."""
    fake.images = [
        replace(built, id=IDS[5], tags=(), created=9),
        replace(built, id=IDS[6], tags=("kindest/node:new",), created=5),
        replace(built, created=2),
    ]
    assert states(fake)["node"] == ("built here", "kindest/node:new")


@given(st.permutations([node, registry, argocd, built, Stored(IDS[7])]), st.sets(st.integers(0, 4)))
@settings(max_examples=20, deadline=None)
def test_an_image_is_never_taken_for_another(order: list[Stored], left_out: set[int]) -> None:
    """Whatever else the engine has, and in whichever order."""
    rightful = {"node": {node.id, built.id}, "registry": {registry.id}, "argocd": {argocd.id}}
    with FakeEngine() as fake:
        fake.images = [each for number, each in enumerate(order) if number not in left_out]
        there = {each.id for each in fake.images}
        for state in images(fake).list(tuple(REFERENCES)):
            assert (state.state == "missing") == (not rightful[state.name] & there)
            assert state.id in rightful[state.name] | {""}


def test_wrong_settings_are_told_with_their_key(fake: FakeEngine) -> None:
    """Before anything is pulled."""
    with pytest.raises(SettingsError, match=r"images\.node: 'No Image' names no image"):
        images(fake, {"node": "No Image"})


def test_an_unknown_name_is_told(fake: FakeEngine) -> None:
    """With the nearest known one."""
    with pytest.raises(UsageError, match="did you mean node"):
        images(fake).list(["nod"])


# Pulling


def test_what_is_here_is_not_asked_for(fake: FakeEngine) -> None:
    """No registry is spoken to."""
    fake.images = [registry]
    assert images(fake).ensure(["registry"]) == {"registry": "registry:3.0.0"}
    assert fake.pulled == []


def test_what_is_missing_is_pulled(fake: FakeEngine) -> None:
    """Only that; what came by digest gets a tag that says the digest, and the tag of the settings stays whose it is."""
    users = Stored(IDS[5], tags=("kindest/node:v1.34.0",))
    fake.images = [registry, users]
    fake.answers = {PULLED_NODE: [node]}
    assert images(fake).ensure(["node", "registry"]) == {
        "node": "docker.io/" + MARK,
        "registry": "registry:3.0.0",
    }
    assert fake.pulled == [PULLED_NODE]
    assert users in fake.images


def test_images_built_here_are_told(fake: FakeEngine) -> None:
    """A run on them is not a run on upstream's."""
    fake.images = [built, registry]
    told = Told()
    assert images(fake, progress=told).ensure(["node", "registry"])["node"] == "kindest/node:v1.34.10"
    assert told.said == ["images that were built here, not pulled: node"]


@pytest.mark.parametrize("status", [0, 500])
def test_a_rate_limit_is_waited_for(fake: FakeEngine, pauses: list[float], status: int) -> None:
    """With pauses that double; it is told why."""
    limit = Refused("toomanyrequests: You have reached your pull rate limit", status)
    fake.answers = {REGISTRY: [limit, limit, Refused("unexpected status code 503", status), registry]}
    told = Told()
    assert images(fake, progress=told).ensure(["registry"]) == {"registry": "registry:3.0.0"}
    assert pauses == [5, 10, 20]
    assert told.said[0].endswith("pull rate limit; attempt 2 of 4 in 5 s")


def test_attempts_end(fake: FakeEngine, pauses: list[float]) -> None:
    """After as many as the settings say, with the last reason."""
    fake.answers = {REGISTRY: [Refused("toomanyrequests", 429)] * 9}
    with pytest.raises(ImageMissing, match="toomanyrequests"):
        images(fake).ensure(["registry"])
    assert pauses == [5, 10, 20]
    assert len(fake.pulled) == 4


def test_failures_are_told_together_with_the_ways_out(fake: FakeEngine, pauses: list[float]) -> None:
    """One error names every image and why; nothing is tried twice that waiting does not heal."""
    offline = Refused("Get https://x: dial tcp: lookup x: no such host", 500)
    fake.answers = {
        PULLED_NODE: [offline],
        "quay.io/argoproj/argocd:v3": [Refused("unauthorized", 500)],
        REGISTRY: [registry],
    }
    with pytest.raises(ImageMissing) as missing:
        images(fake).ensure(tuple(REFERENCES))
    lines = str(missing.value).splitlines()
    assert lines[1].startswith(f"  node ({NODE}): ")
    assert "no such host" in lines[1]
    assert lines[2].startswith("  argocd (quay.io/argoproj/argocd:v3): ")
    assert "unauthorized" in lines[2]
    assert all(word in str(missing.value) for word in ("images load FILE", "RUNTIME=host"))
    assert pauses == []
    assert states(fake)["registry"] == ("here", "registry:3.0.0")  # what could be had is kept


def test_few_pulls_run_at_once(fake: FakeEngine) -> None:
    """Several, for speed; not all, for the registry's sake."""
    references = {f"i{number}": f"a.example/i{number}:1" for number in range(8)}
    fake.answers = {text: [Stored(IDS[n], tags=(text,))] for n, text in enumerate(references.values())}
    fake.gate = threading.Event()
    pulling = Background(lambda: images(fake, references).ensure(tuple(references)), "pulling")
    assert fake.full.wait(5)  # three have come
    pulling.wait(0.3)  # time for a fourth
    fake.gate.set()
    pulling.result(5)
    assert fake.most_at_once == 3


def test_one_reference_is_pulled_once(fake: FakeEngine) -> None:
    """Where two names share it."""
    fake.answers = {REGISTRY: [registry]}
    found = images(fake, {"a": REGISTRY, "b": "registry:3.0.0", "c": REGISTRY}).ensure(["a", "c"])
    assert found == {"a": "registry:3.0.0", "c": "registry:3.0.0"}
    assert fake.pulled == [REGISTRY]


def test_the_deadline_bounds_the_whole_pull(fake: FakeEngine) -> None:
    """A registry that stalls: what was missing, and how far it was."""
    fake.answers = {REGISTRY: [SILENCE]}
    with pytest.raises(ImageMissing, match=r"registry \(.*\): not done after 0 s: (3 of 6 MB|under way)"):
        images(fake, timeout=0.3).ensure(["registry"])


def test_a_pull_is_cancelled_at_once(fake: FakeEngine) -> None:
    """Also while a registry is silent."""
    fake.answers = {REGISTRY: [SILENCE]}
    cancelled = threading.Event()

    def cancel() -> None:
        fake.begun.wait(5)
        cancelled.set()

    threading.Thread(target=cancel).start()
    with pytest.raises(ClusterError, match="was stopped"):
        images(fake, timeout=60, cancelled=cancelled).ensure(["registry"])
    assert fake.at_once == 1  # the registry was still silent


def test_a_full_disk_is_seen_before(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the engine's disk can be looked at."""
    monkeypatch.setattr("kwok.engine.images._LEAST", 2**60)
    with pytest.raises(ClusterError, match="are needed to pull 1 images"):
        images(fake).ensure(["registry"])
    assert fake.pulled == []


# Moving


@pytest.fixture
def saved(fake: FakeEngine, tmp_path: Path) -> Path:
    """A file with the node by digest and the registry by tag, of a machine that could pull."""
    fake.answers = {PULLED_NODE: [node], REGISTRY: [registry]}
    images(fake).save(["node", "registry"], tmp_path / "images.tar")
    return tmp_path / "images.tar"


def test_a_digest_survives_the_air_gap(saved: Path) -> None:
    """The engine's own note of a digest is not in the file, its tag is: there, the image is accepted by it."""
    with FakeEngine() as other:
        found = images(other)
        assert found.load(saved) == ("node", "registry")
        assert states(other)["node"] == ("here", "docker.io/" + MARK)
        assert found.ensure(["node", "registry"]) == {"node": "docker.io/" + MARK, "registry": "registry:3.0.0"}
        assert other.pulled == []
        assert all(not each.digests for each in other.images)


def test_a_built_image_is_still_known_as_built(fake: FakeEngine, tmp_path: Path) -> None:
    """Its label goes with it."""
    fake.images = [built]
    images(fake).save(["node"], tmp_path / "f")
    with FakeEngine() as other:
        images(other).load(tmp_path / "f")
        assert states(other)["node"] == ("built here", "kindest/node:v1.34.10")


def test_the_index_names_what_is_in_the_file(saved: Path) -> None:
    """For people, too: logical name, reference with its digest, id."""
    with tarfile.open(saved) as archive:
        index = json.load(archive.extractfile("kwok-harness-images.json") or saved.open("rb"))
    assert [(each["name"], each["reference"], each["id"]) for each in index["images"]] == [
        ("node", NODE, node.id),
        ("registry", REGISTRY, registry.id),
    ]


def test_what_is_loaded_is_compared_with_the_index(saved: Path) -> None:
    """Another image under the right name is refused."""
    with FakeEngine() as other:
        other.spoils_load = True
        with pytest.raises(ImageFileError, match=r"did not bring what its index names\n  node"):
            images(other).load(saved)


def test_an_engine_that_counts_ids_otherwise_is_believed_by_the_layers(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker's containerd store gives an image the digest of its manifest as id."""
    put = FakeEngine.put
    monkeypatch.setattr(
        FakeEngine, "put", lambda self, image: put(self, replace(image, id="sha256:" + image.id[7:][::-1]))
    )
    with FakeEngine() as other:
        assert images(other).load(saved) == ("node", "registry")


def test_images_of_another_architecture_are_refused(saved: Path) -> None:
    """They would load, and no container would start."""
    with FakeEngine() as other:
        other.version["Arch"] = "arm64"
        with pytest.raises(ImageFileError, match=r"has images for amd64, and Docker 27\.5\.1 runs arm64"):
            images(other).load(saved)
        assert ("POST", "/images/load") not in other.calls


def test_another_file_never_reaches_the_engine(fake: FakeEngine, tmp_path: Path) -> None:
    """It would take any tar of images, and move tags."""
    (tmp_path / "f").write_text("something else")
    with pytest.raises(ImageFileError):
        images(fake).load(tmp_path / "f")
    assert ("POST", "/images/load") not in fake.calls


@pytest.mark.parametrize(
    "move", [lambda images, file: images.save(["node"], file), lambda images, file: images.load(file)]
)
def test_the_disk_is_looked_at_before_moving(
    fake: FakeEngine, saved: Path, monkeypatch: pytest.MonkeyPatch, move: Callable[[Images, Path], object]
) -> None:
    """Where the file goes, and where the engine unpacks it."""
    monkeypatch.setattr("kwok.engine.images.shutil.disk_usage", lambda _: type("Usage", (), {"free": 5})())
    with pytest.raises(ClusterError, match="0 MB are free at"):
        move(images(fake), saved)


def test_nothing_is_pulled_for_a_file_that_cannot_be_written(fake: FakeEngine, tmp_path: Path) -> None:
    """The directory is missing: told at once."""
    with pytest.raises(ImageFileError, match="its directory is not there"):
        images(fake).save(["registry"], tmp_path / "no" / "f")
    assert fake.pulled == []


# Images of suites, whose pods say the references themselves

OWN = "kwok-harness.invalid/platform:1"


def test_an_image_that_no_registry_has_is_not_asked_for(fake: FakeEngine) -> None:
    """A host that cannot exist: the message says how it is made, and nothing else is pulled before."""
    fake.images, fake.answers = [node], {REGISTRY: [registry]}
    with pytest.raises(ImageMissing) as told:
        images(fake, {"registry": REGISTRY, OWN: OWN}).ensure_named(["registry", OWN])
    assert OWN in told.value.what
    assert "registry:3" not in told.value.what
    assert "target suite-images" in str(told.value.do)
    assert fake.pulled == []


def test_what_stands_for_a_reference_is_called_so_too(fake: FakeEngine) -> None:
    """A pod names the reference of its manifest, and the node has what the engine calls by that name."""
    standing = Stored(IDS[5], tags=("local/platform:dev",), labels={STANDS_FOR: OWN})
    fake.images = [standing]
    assert images(fake, {OWN: OWN}).ensure_named([OWN]) == {OWN: OWN}
    assert {OWN, "local/platform:dev"} <= {tag for each in fake.images for tag in each.tags}


def test_a_suites_reference_by_digest_is_refused(fake: FakeEngine) -> None:
    """No image in a Kind node has the digest of a registry, so its pod would be told to pull."""
    reference = f"registry.example/a@{DIGEST}"
    with pytest.raises(SettingsError, match="names a digest"):
        images(fake, {reference: reference}).ensure_named([reference])
