"""What goes to the registry: packed here, or pushed by the aicr command line and read back."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.bundles.bundlers.aicr import AicrBundler
from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.bundles.contract.check import ContractBroken
from harness.bundles.kustomization import flux_name
from harness.bundles.mirrors.addresses import mirrored
from harness.bundles.model import Bundle, as_delivered
from harness.errors import DataError, HarnessError, UsageError
from harness.publishing.git.address import Access, Repositories
from harness.publishing.oci.address import Address
from harness.publishing.oci.registry import Registry, TagTaken
from harness.publishing.publication import Ordered, Publication, Pushed, packed, publication, require_reachable
from harness.settings import Retries
from tests.fakes.aicr import LANES, StandIn, options, trees
from tests.fakes.bundles import GIT_SHAPES, NAME, small
from tests.fakes.git_server import GitServer, git
from tests.fakes.registry import FakeRegistry

SHAPES = sorted(LANES)
INSIDE = Address("registry.aicr-registry.svc.cluster.local:5000", "aicr", plain_http=True)  # as pods know it
MIRRORS = {"https://charts.example.com": "http://127.0.0.1:8080", "oci://registry.example.com": "oci://localhost:1/x"}


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        yield fake


def here(fake: FakeRegistry) -> Address:
    return Address(fake.host, "aicr", plain_http=True)


def client(fake: FakeRegistry) -> Registry:
    return Registry(fake.host, retries=Retries.model_construct(attempts=1, delay=0.01))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trees(small(), tmp_path_factory.mktemp("made") / "answer")


@pytest.fixture
def answer(made: Path, tmp_path: Path) -> Path:
    """What the command line would make of the small recipe, to be changed as a test likes."""
    return Path(shutil.copytree(made, tmp_path / "answer"))


def ordered(bundler: AicrBundler, shape: str, fake: FakeRegistry, directory: Path) -> Publication:
    reference = bundler.make(small(), "helm", directory / "reference")
    return publication(bundler, small(), shape, LANES[shape], reference, here(fake), directory / shape)


def reference(directory: Path) -> Bundle:
    return BuiltinBundler().make(small(), "helm", directory / "reference")


@pytest.mark.parametrize("shape", SHAPES)
def test_the_command_line_pushes_by_itself_and_its_digest_is_read_back(
    shape: str, fake: FakeRegistry, answer: Path, tmp_path: Path
) -> None:
    """The digest is the registry's, the files are those of the layer, and all releases are delivered from there."""
    aicr = StandIn(tmp_path, answer)
    made = ordered(AicrBundler(aicr.binary), shape, fake, tmp_path)
    assert fake.requests == []  # nothing is pushed before somebody asks for it
    with pytest.raises(ValueError, match="nothing was pushed"):
        _ = made.delivery
    pushed = made.push(client(fake))
    assert made.delivery == pushed.delivery
    assert pushed.published.digest == client(fake).resolve(f"aicr/{NAME}", made.target.tag)
    assert set(pushed.delivery.names) == {folder.release for folder in reference(tmp_path / "again").folders}
    assert fake.tags(f"aicr/{NAME}") == {made.target.tag}
    assert "charts.example.com" in "".join(file.read_text() for file in pushed.directory.rglob("*.yaml"))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pushes", [True, False], ids=["aicr", "builtin"])
def test_controllers_may_call_the_registry_by_another_name(
    pushes: bool, shape: str, fake: FakeRegistry, answer: Path, tmp_path: Path
) -> None:
    """In a Kind cluster they do: pushed to one address, delivered from the other, by either bundler."""
    bundler = AicrBundler(StandIn(tmp_path, answer).binary) if pushes else BuiltinBundler()
    made = publication(bundler, small(), shape, LANES[shape], reference(tmp_path / "r"), INSIDE, tmp_path / shape)
    pushed = made.push(client(fake))
    assert pushed.published.registry == fake.host
    assert pushed.target.url == f"{INSIDE.url}/{NAME}"
    named = "".join(file.read_text() for file in pushed.directory.rglob("*.yaml"))
    assert fake.host not in named
    assert (INSIDE.host in named) is (shape == "argocd")


def test_a_chart_on_this_machine_is_refused_where_controllers_are_pods() -> None:
    """With the component and its address; other charts are fine."""
    local = mirrored(small(), {"https://charts.example.com": "http://127.0.0.1:8080/charts"})
    with pytest.raises(DataError, match=r"chart of \S+ is at http://127\.0\.0\.1:8080/charts\S*, an address of this"):
        require_reachable(local)
    require_reachable(small())


@pytest.mark.parametrize(
    ("shape", "repo"), [("argocd", [f"/aicr/{NAME}"]), ("argocd-helm", []), ("flux", [])], ids=SHAPES
)
def test_the_command_line_is_asked_with_the_flags_of_the_lane(
    shape: str, repo: list[str], fake: FakeRegistry, answer: Path, tmp_path: Path
) -> None:
    """The documented ones; only an argocd bundle names the place where it is."""
    aicr = StandIn(tmp_path, answer)
    made = ordered(AicrBundler(aicr.binary), shape, fake, tmp_path)
    made.push(client(fake))
    call = aicr.calls[-1]
    assert options(call, "--deployer") == [shape]
    assert options(call, "--output") == [f"oci://{fake.host}/aicr/{NAME}:{made.target.tag}"]
    assert options(call, "--repo") == [f"oci://{fake.host}{path}" for path in repo]
    assert "--plain-http" in call
    assert options(call, "--system-node-selector") == ["aicr.nvidia.com/node-type=system"]


def test_the_same_bundle_may_be_pushed_again(fake: FakeRegistry, answer: Path, tmp_path: Path) -> None:
    """On a cluster that is kept the tag is there already; it stands for the same thing."""
    bundler = AicrBundler(StandIn(tmp_path, answer).binary)
    digests = {
        ordered(bundler, "argocd-helm", fake, tmp_path / name).push(client(fake)).published.digest for name in "ab"
    }
    assert len(digests) == 1


def test_a_tag_that_the_command_line_moves_is_an_error(fake: FakeRegistry, answer: Path, tmp_path: Path) -> None:
    """Controllers that have seen the tag would test the old bundle, and the verdict would be of nothing."""
    bundler = AicrBundler(StandIn(tmp_path, answer).binary)
    made = ordered(bundler, "flux", fake, tmp_path)
    there = ordered(bundler, "argocd", fake, tmp_path / "other").push(client(fake)).published
    manifest, _ = client(fake).manifest(f"aicr/{NAME}", there.digest)
    moved = json.dumps(manifest | {"annotations": {"moved": "yes"}}).encode()

    class Moving(AicrBundler):
        def push(self, *arguments: object) -> None:
            fake.manifests[f"aicr/{NAME}", made.target.tag] = moved

    fake.manifests[f"aicr/{NAME}", made.target.tag] = fake.manifests[f"aicr/{NAME}", there.digest]
    assert isinstance(made, Ordered)
    made.bundler = Moving(tmp_path / "aicr")
    with pytest.raises(TagTaken, match="has moved it"):
        made.push(client(fake))


def test_a_command_line_that_pushes_nothing_is_an_error(fake: FakeRegistry, answer: Path, tmp_path: Path) -> None:
    """It ended well, which proves nothing."""
    aicr = StandIn(tmp_path, answer, before="output.startswith('oci://') and sys.exit(0)")
    with pytest.raises(HarnessError, match="the registry contains no artifact"):
        ordered(AicrBundler(aicr.binary), "flux", fake, tmp_path).push(client(fake))


def test_a_command_line_that_fails_to_push_says_why(fake: FakeRegistry, answer: Path, tmp_path: Path) -> None:
    """Its own words, as for any other of its failures."""
    aicr = StandIn(tmp_path, answer, before="output.startswith('oci://') and sys.exit('no such host')")
    with pytest.raises(HarnessError, match=r"aicr bundle failed: (?s:.*)no such host"):
        ordered(AicrBundler(aicr.binary), "flux", fake, tmp_path).push(client(fake))
    assert fake.tags(f"aicr/{NAME}") == set()


def test_what_was_pushed_is_held_against_the_contract(fake: FakeRegistry, answer: Path, tmp_path: Path) -> None:
    """What its consumer would refuse, or look for elsewhere, is told before any controller hears of it."""
    file = answer / "argocd" / "app-of-apps.yaml"
    file.write_text(file.read_text().replace("targetRevision: ", "targetRevision: other-"))
    with pytest.raises(ContractBroken, match="own-address"):
        ordered(AicrBundler(StandIn(tmp_path, answer).binary), "argocd", fake, tmp_path).push(client(fake))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_release_that_got_lost_on_the_way_is_told(
    shape: str, fake: FakeRegistry, answer: Path, tmp_path: Path
) -> None:
    """A bundle that has fewer releases than the helm shape keeps every other rule, and would pass half tested."""
    tree = answer / shape
    (tree / "recipe.yaml").unlink()
    if shape == "flux":
        shutil.rmtree(tree / "scheduler")
        file = tree / "kustomization.yaml"
        file.write_text("".join(line for line in file.read_text().splitlines(True) if "scheduler/" not in line))
    else:
        [folder] = tree.glob("*-scheduler")
        shutil.rmtree(folder)
        (tree / "templates" / "scheduler.yaml").unlink(missing_ok=True)
    with pytest.raises(DataError, match="missing scheduler, besides none"):
        ordered(AicrBundler(StandIn(tmp_path, answer).binary), shape, fake, tmp_path).push(client(fake))


@pytest.mark.parametrize("shape", SHAPES)
def test_with_mirrors_what_was_pushed_is_rewritten_and_pushed_under_its_own_name(
    shape: str, fake: FakeRegistry, answer: Path, tmp_path: Path
) -> None:
    """The tag is never moved: what has addresses of the internet in it lies where no controller looks."""
    aicr = StandIn(tmp_path, answer)
    made = ordered(AicrBundler(aicr.binary, mirrors=MIRRORS), shape, fake, tmp_path)
    pushed = made.push(client(fake))
    assert options(aicr.calls[-1], "--output") == [f"oci://{fake.host}/aicr/as-made/{NAME}:{made.target.tag}"]
    assert fake.tags(f"aicr/{NAME}") == fake.tags(f"aicr/as-made/{NAME}") == {made.target.tag}
    assert pushed.published.digest == client(fake).resolve(f"aicr/{NAME}", made.target.tag)
    sources = [file for file in pushed.directory.rglob("*.yaml") if file.name != "recipe.yaml"]
    text = "".join(file.read_text() for file in sources)
    assert "https://charts.example.com/nvidia" not in text
    assert "oci://registry.example.com/charts" not in text
    assert "http://127.0.0.1:8080/nvidia" in text
    assert "oci://localhost:1/x/charts" in text


def test_mirrors_change_the_tag(fake: FakeRegistry, answer: Path, tmp_path: Path) -> None:
    """It comes from the content, and other addresses are other content."""
    aicr = StandIn(tmp_path, answer)
    plain = ordered(AicrBundler(aicr.binary), "flux", fake, tmp_path / "plain").target
    assert ordered(AicrBundler(aicr.binary, mirrors=MIRRORS), "flux", fake, tmp_path / "m").target.tag != plain.tag


@pytest.mark.parametrize("shape", SHAPES)
def test_what_the_built_in_bundler_makes_is_ready_before_there_is_a_registry(
    shape: str, fake: FakeRegistry, tmp_path: Path
) -> None:
    """Packed and checked; the push sends those bytes."""
    made = packed(BuiltinBundler(), small(), shape, LANES[shape], reference(tmp_path), here(fake), tmp_path / shape)
    pushed = made.push(client(fake))
    assert isinstance(pushed, Pushed)
    assert pushed.published.digest == made.artifact.digest
    assert (pushed.directory, pushed.delivery, pushed.target) == (tmp_path / shape, made.delivery, made.target)


def test_the_command_line_makes_no_pulled_shape_on_disk(tmp_path: Path, answer: Path, fake: FakeRegistry) -> None:
    """With a directory for output it writes a bundle for Git: to ask for one is a mistake of use."""
    bundler = AicrBundler(StandIn(tmp_path, answer).binary)
    with pytest.raises(UsageError, match="only while it pushes") as caught:
        packed(bundler, small(), "flux", "flux-oci", reference(tmp_path), here(fake), tmp_path / "out")
    assert "bundler: builtin" in caught.value.do


def test_what_flux_calls_a_release_is_what_is_expected(fake: FakeRegistry, answer: Path, tmp_path: Path) -> None:
    """Charts name objects after it: the reference is rendered under these names, and a bundle with others is told."""
    bundler = AicrBundler(StandIn(tmp_path, answer).binary)
    bundle = as_delivered(bundler, reference(tmp_path), "flux")
    assert [folder.release for folder in bundle.folders][:2] == ["certificates-certificates", "tuning-tuning"]
    assert bundle.folders[3].depends_on == (bundle.folders[2].release,)
    assert as_delivered(bundler, reference(tmp_path / "b"), "argocd").folders[0].release == "certificates"
    file = answer / "flux" / "tuning" / "helmrelease.yaml"
    file.write_text(file.read_text().replace("spec:\n", "spec:\n  releaseName: tuning\n", 1))
    with pytest.raises(DataError, match="Flux calls release tuning tuning, and objects are expected under tuning-"):
        ordered(bundler, "flux", fake, tmp_path / "again").push(client(fake))


def test_a_name_that_is_too_long_is_cut_off_as_flux_does() -> None:
    """53 characters are all that Helm allows; the end is then a checksum of the whole."""
    assert flux_name("n" * 20, "m" * 32) == f"{'n' * 20}-{'m' * 32}"
    assert flux_name("", "name") == "name"
    long = flux_name("n" * 20, "m" * 33)
    assert (len(long), long[:40]) == (53, f"{'n' * 20}-{'m' * 19}")


# In Git


@pytest.mark.parametrize("shape", GIT_SHAPES)
@pytest.mark.parametrize("aicr", [True, False], ids=["aicr", "builtin"])
def test_a_bundle_in_git_is_made_on_disk_by_either_bundler(
    shape: str, aicr: bool, answer: Path, tmp_path: Path
) -> None:
    """Held against its contract, and then pushed as a commit: whatever controllers call the server."""
    program = StandIn(tmp_path, answer)
    bundler = AicrBundler(program.binary) if aicr else BuiltinBundler()
    inside = Repositories("http://gitea.aicr-registry.svc.cluster.local:3000/{recipe}.git")
    made = publication(bundler, small(), shape, shape, reference(tmp_path / "r"), inside, tmp_path / shape)
    if aicr:
        call = program.calls[-1]
        assert options(call, "--deployer") == [shape.removesuffix("-git")]
        assert options(call, "--repo") == [made.target.url]
        assert not options(call, "--output")[0].startswith("oci://")
    (tmp_path / "served").mkdir()
    with GitServer(tmp_path / "served") as server:
        server.repository(NAME)
        here = Access(Repositories(f"http://{server.host}/{{recipe}}.git"))
        pushed = made.push(here.client(retries=Retries.model_construct(attempts=1, delay=0.01)))
        assert pushed.published.digest == git("rev-parse", "main", cwd=server.root / f"{NAME}.git")
    assert len(pushed.published.digest) == 40
    assert set(pushed.delivery.names) == {folder.release for folder in reference(tmp_path / "again").folders}
    named = "".join(file.read_text() for file in pushed.directory.rglob("*.yaml"))
    assert (inside.target(NAME, shape).url in named) is (shape == "argocd-git")


def test_a_git_bundle_that_breaks_its_contract_is_not_pushed(answer: Path, tmp_path: Path) -> None:
    """Nothing is asked of any server before that is known."""
    for file in (answer / "flux-git").glob("*/chart/Chart.yaml"):
        file.unlink()
    bundler = AicrBundler(StandIn(tmp_path, answer).binary)
    place = Repositories("http://127.0.0.1:1/{recipe}.git")
    with pytest.raises(ContractBroken, match="there is no chart at"):
        publication(bundler, small(), "flux-git", "flux-git", reference(tmp_path / "r"), place, tmp_path / "b")


def test_an_upgrade_is_a_second_commit_where_the_first_one_is(tmp_path: Path) -> None:
    """Whatever the recipe is called that it starts from; in a registry each recipe has a repository of its own."""
    made = reference(tmp_path / "r")
    here, there = Repositories("http://127.0.0.1:1/{recipe}.git"), Address("registry.example.com", "x")
    bundled = (BuiltinBundler(), small(), "flux-git", "flux-git", made, here, tmp_path / "git", "later")
    assert publication(*bundled).target.url == "http://127.0.0.1:1/later.git"
    pushed = publication(BuiltinBundler(), small(), "flux", "flux-oci", made, there, tmp_path / "oci", "later")
    assert pushed.target.name == NAME
