"""Where a tool that is missing comes from: archives and builds beside each other, and what is said on the way."""

import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ToolError
from harness.settings import Tools
from harness.tools.download import Patience
from harness.tools.hosts import Hosts
from harness.tools.lock import Index, Locked, Sum
from harness.tools.toolbox import Toolbox
from harness.tools.toolchain import PLATFORM
from tests.fakes.clock import until
from tests.fakes.registry import FakeRegistry
from tests.fakes.releases import Answer, content, serving, status, tar, trickle
from tests.unit.tools.test_layer import Published
from tests.unit.tools.test_module_files import h1, zipped
from tests.unit.tools.test_toolbox import Bench

PROGRAM = b"#!/bin/sh\necho frob v1.2.3\n"
SHA256 = hashlib.sha256(PROGRAM).hexdigest()
HASTY = Patience(read=5, total=30, delay=0.001, attempts=2)
# Makes each program of a build in one directory or of one package, after doing what a test asks of it.
GO = """#!/bin/sh
[ "$1" = version ] && {{ echo "go version go1.26.8 {platform}"; exit; }}
echo "$@" >> "{log}"
{body}
for word in "$@"; do
  [ "$last" = -o ] && out=$word
  case "$last$word" in */bad) echo "bad is bad" >&2; exit 1;; esac
  case "$out$word" in
    */example.org/*) mkdir -p "$out"; printf '#!/bin/sh\\necho frob v1.2.3\\n' > "$out${{word##*/}}";;
  esac
  last=$word
done
case "$out" in */) ;; *) printf '#!/bin/sh\\necho frob v1.2.3\\n' > "$out";; esac
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    go(made)
    return made


def go(bench: Bench, body: str = "") -> None:
    bench.program("go", GO.format(platform=PLATFORM, log=bench.log, body=body))


def pin(name: str = "frob", /, **changes: Any) -> dict[str, Any]:
    own = {"stamps": {"main.own": name}}
    base = {"version": "v1.2.3", "wrapper": "frob", "package": f"example.org/{name}", "probe": [], "build": "90s"}
    return {**base, **own, **changes}


def archived(url: str, name: str = "frob", sha256: str = SHA256) -> dict[str, Any]:
    return pin(name, archives={PLATFORM: {"url": url, "sha256": sha256}})


def toolbox(bench: Bench, source: str = "auto", lock: dict[str, Locked] | None = None, /, **pins: Any) -> Toolbox:
    return Toolbox(
        Tools.model_validate({"source": source, "go": "", "go_wheel": "1.26.6", "pins": pins}),
        bench.cache,
        bench.progress,
        timeout=20,
        wrappers=bench.wrappers,
        environment=bench.environment,
        patience=HASTY,
        lock=lock or {},
        hosts=Hosts(seconds=5),
    )


def notes(bench: Bench) -> list[str]:
    return [text for event, text, _ in bench.progress.events if event == "note"]


def origins(box: Toolbox) -> dict[str, tuple[str, str]]:
    return {state.name: (state.origin, state.vouched) for state in box.list()}


# auto, archives, build


def test_a_tool_with_an_archive_is_not_built(bench: Bench) -> None:
    """`tools list` then says where it came from, and what vouches for it."""
    with serving(content(PROGRAM)) as server, toolbox(bench, frob=archived(server.url)) as box:
        box.prepare(["frob"])
        box.path("frob")
        assert origins(box) == {"frob": (server.url, "sha256 of the settings")}
    assert bench.builds == []


def test_a_release_with_a_locked_checksum_is_downloaded(bench: Bench) -> None:
    """The lock has the checksum, the pin the address; what the lock says of it is what vouches."""
    body = tar(frob=PROGRAM)
    lock = {
        "frob": Locked(
            version="v1.2.3", archives={PLATFORM: Sum(sha256=hashlib.sha256(body).hexdigest(), origin="sources")}
        )
    }
    with serving(content(body)) as server:
        release = {"url": f"{server.url}-{{number}}", "member": "frob", "size": "200M"}
        with toolbox(bench, "auto", lock, frob=pin(release=release)) as box:
            box.prepare(["frob"])
            box.path("frob")
            assert origins(box) == {"frob": (f"{server.url}-1.2.3", "sha256, sources")}
    assert notes(bench)[0] == (
        "preparing 1 tool (first time on this machine): frob: about 200 MB to download (16 s at 100 Mbit/s)"
    )


def test_a_release_without_a_checksum_is_built(bench: Bench) -> None:
    """Nothing is fetched that nothing vouches for."""
    with serving(content(PROGRAM)) as server:
        with toolbox(bench, frob=pin(release={"url": server.url, "size": "1M"})) as box:
            box.path("frob")
        assert server.requests == 0
    assert len(bench.builds) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (content(b"another program"), "wrong checksum"),
        (status(404), "the server answers 404"),
        (content(PROGRAM[:5], announced=len(PROGRAM)), "truncated: 5 of"),
    ],
    ids=["wrong sum", "404", "truncated"],
)
def test_auto_builds_what_cannot_be_downloaded_and_says_why(bench: Bench, answer: Answer, said: str) -> None:
    """A wrong checksum above all is told though the build succeeds; what came is never used."""
    with serving(answer) as server, toolbox(bench, frob=archived(server.url)) as box:
        box.prepare(["frob"])
        assert box.path("frob").read_bytes() == PROGRAM
        assert origins(box)["frob"][1] == "go.sum of frob"
    told = [text for text in notes(bench) if text.startswith("tool frob is built, for it could not be downloaded: ")]
    assert len(told) == 1
    assert said in told[0]


@pytest.mark.parametrize("prepare", [True, False])
def test_archives_never_builds(bench: Bench, prepare: bool) -> None:
    """A wrong checksum is an error there, and so is a tool without an archive."""
    with (
        serving(content(b"another program")) as server,
        toolbox(bench, "archives", frob=archived(server.url), other=pin("other")) as box,
    ):
        if prepare:
            box.prepare(["frob", "other"])
        with pytest.raises(ToolError, match=r"wrong checksum(.|\n)*build: not asked for: tools\.source is archives"):
            box.path("frob")
        with pytest.raises(ToolError, match="settings name none for"):
            box.path("other")
    assert bench.builds == []
    assert not list((bench.cache / "tools").glob("frob-*"))


def test_build_never_downloads(bench: Bench) -> None:
    """Nor does it take from the cache what was downloaded before."""
    with serving(content(PROGRAM)) as server:
        with toolbox(bench, frob=archived(server.url)) as box:
            downloaded = box.path("frob")
        with toolbox(bench, "build", frob=archived(server.url)) as box:
            assert box.path("frob") != downloaded
        assert server.requests == 1
    assert len(bench.builds) == 1


def test_a_tool_that_was_built_is_found_when_its_archive_comes(bench: Bench) -> None:
    """A warm cache stays warm when a checksum is added to the lock; with `archives` it does not count."""
    with toolbox(bench, frob=pin()) as box:
        built = box.path("frob")
    with serving(content(PROGRAM)) as server:
        with toolbox(bench, frob=archived(server.url)) as box:
            assert box.path("frob") == built
        assert server.requests == 0
        with toolbox(bench, "archives", frob=archived(server.url)) as box:
            assert box.path("frob") != built


# Servers that do not answer


def test_servers_that_do_not_answer_are_told_in_one_line_and_their_tools_are_built(bench: Bench) -> None:
    """At once, and the estimate counts the builds."""
    with serving(status(404)) as gone, serving(status(404)) as too:
        pass
    pins = {name: archived(server.url, name) for name, server in (("frob", gone), ("other", too), ("third", gone))}
    with toolbox(bench, **pins) as box:
        box.prepare(list(pins))
        for name in pins:
            assert box.path(name).read_bytes() == PROGRAM
    assert len(notes(bench)) == 2
    assert re.fullmatch(r"not reachable: 127.*, 127.* \(.*refused\): tools from there are built", notes(bench)[0])
    assert notes(bench)[1].endswith("frob, other, third: about 5 min on two cores")


def test_an_error_after_that_names_the_server(bench: Bench) -> None:
    """Where the build fails too, the reason why nothing was downloaded is there."""
    with serving(status(404)) as gone:
        pass
    go(bench, "echo boom >&2; exit 1")
    with toolbox(bench, frob=archived(gone.url)) as box:
        box.prepare(["frob"])
        with pytest.raises(ToolError, match=r"release archive: 127.* is not reachable(.|\n)*build: (.|\n)*boom"):
            box.path("frob")


# Beside each other


def test_downloads_and_builds_go_on_beside_each_other(bench: Bench) -> None:
    """A tool is downloaded while another is compiled, and two are downloaded at once."""
    at_once: list[Callable[[], bool]] = []

    def together(request: object) -> None:
        at_once.append(bench.log.exists)
        until(lambda: len(at_once) == 2 and bench.log.exists())
        content(PROGRAM)(request)  # type: ignore[arg-type]

    go(bench, f'until [ -e "{bench.log}.go" ]; do sleep 0.01; done')
    with serving(together) as server:
        pins = {"built": pin("built"), "one": archived(server.url, "one"), "two": archived(server.url, "two")}
        with toolbox(bench, **pins) as box:
            box.prepare(list(pins))
            assert box.path("one").exists()
            assert box.path("two").exists()
            Path(f"{bench.log}.go").touch()
            assert box.path("built").exists()


def test_closing_ends_a_download(bench: Bench) -> None:
    """Who waits is told, and nothing is left."""
    begun: list[object] = []

    def endless(request: object) -> None:
        begun.append(request)
        trickle(lambda: box.close())(request)  # type: ignore[arg-type]

    with serving(endless) as server:
        box = toolbox(bench, frob=archived(server.url))
        box.prepare(["frob"])
        with pytest.raises(ToolError, match="stopped"):
            box.path("frob")
    assert bench.left() == []
    assert bench.builds == []


# One build for several


SHARED: dict[str, Any] = {"stamps": {"main.version": "v1.2.3"}}


def test_tools_that_can_share_a_build_do(bench: Bench) -> None:
    """Packages of one wrapper with the same stamps: one `go build`, and each has its own place in the cache."""
    pins = {name: pin(name, **SHARED) for name in ("one", "two", "three")} | {"own": pin("own")}
    with toolbox(bench, **pins) as box:
        box.prepare(["one", "own", "two", "three"])
        places = {box.path(name).parent.name.partition("-")[0] for name in pins}
    assert places == set(pins)
    assert [re.findall(r"example\.org/(\w+)", line) for line in bench.builds] == [["one", "two", "three"], ["own"]]
    assert bench.left() == sorted(bench.left())
    assert len(bench.left()) == len(pins)


def test_a_tool_of_a_shared_build_is_that_of_a_build_of_its_own(bench: Bench) -> None:
    """The key is the same, so each finds the other's."""
    with toolbox(bench, one=pin("one", **SHARED), two=pin("two", **SHARED)) as box:
        box.prepare(["one", "two"])
        made = box.path("one")
    with toolbox(bench, one=pin("one", **SHARED)) as box:
        assert box.path("one") == made


def test_one_that_fails_in_a_shared_build_stops_no_other(bench: Bench) -> None:
    """Then each is built by itself, and the broken one alone gets the error."""
    pins = {name: pin(name, **SHARED) for name in ("one", "bad", "two")}
    with toolbox(bench, **pins) as box:
        box.prepare(list(pins))
        assert box.path("one").exists()
        assert box.path("two").exists()
        with pytest.raises(ToolError, match="bad is bad"):
            box.path("bad")
    assert len(bench.left()) == 2


# Files and images


MODULE_PROGRAM = b"\x7fELF path\tx\nmod\texample.org/frob\tv1.2.3\t\n"
MODULE_SHA256 = hashlib.sha256(MODULE_PROGRAM).hexdigest()
FILES = {"example.org/frob@v1.2.3/config/a.yaml": b"kind: A\n"}


def with_files(bench: Bench, proxy: str, **changes: Any) -> dict[str, Any]:
    """A pin whose module is at a proxy, and locked."""
    (bench.wrappers / "frob" / "go.sum").write_text(f"example.org/frob v1.2.3 {h1(FILES)}\n")
    bench.environment["GOPROXY"] = proxy
    return pin(module="example.org/frob", files=["config"], **changes)


def test_files_of_a_module_need_no_go(bench: Bench) -> None:
    """Manifests alone come from the proxy's zip: go.sum vouches for them."""
    (bench.bin / "go").unlink()
    with serving(content(zipped(FILES))) as server:
        made = with_files(bench, server.url.rpartition("/")[0], package="", probe=None, stamps={})
        made.pop("probe")
        with toolbox(bench, "archives", frob=made) as box:
            program = box.path("frob")
            assert origins(box) == {"frob": ("files of example.org/frob v1.2.3", "go.sum")}
            assert [state.name for state in box.verify()] == ["frob"]
    assert (program.parent / "files/config/a.yaml").read_bytes() == b"kind: A\n"


def test_files_are_found_in_the_cache_whatever_the_proxy_is_now(bench: Bench) -> None:
    """A machine that is told not to use the network any more keeps what it has; without that, the error says why."""
    lock = {"frob": Locked(version="v1.2.3", archives={PLATFORM: Sum(sha256=MODULE_SHA256, origin="sources")})}
    with serving(content(zipped(FILES))) as proxy, serving(content(MODULE_PROGRAM)) as server:
        made = with_files(bench, proxy.url.rpartition("/")[0], release={"url": server.url, "size": "1M"})
        with toolbox(bench, "archives", lock, frob=made) as box:
            program = box.path("frob")
    bench.environment["GOPROXY"] = "off"
    with toolbox(bench, "archives", lock, frob=made) as box:
        assert box.path("frob") == program
    shutil.rmtree(program.parent)
    with (
        toolbox(bench, "archives", lock, frob=made) as box,
        pytest.raises(ToolError, match="release archive: GOPROXY names no proxy that can be asked without Go"),
    ):
        box.path("frob")


def test_a_wrapper_that_is_not_there_is_told(bench: Bench) -> None:
    """One clear error for a pin whose module nobody has locked."""
    made = pin(module="example.org/frob", files=["config"], wrapper="none", package="", stamps={})
    made.pop("probe")
    with (
        toolbox(bench, "archives", frob=made) as box,
        pytest.raises(ToolError, match="module proxy: no wrapper module"),
    ):
        box.path("frob")


def test_a_program_of_an_image_and_its_files_need_neither_go_nor_an_engine(bench: Bench) -> None:
    """The digest is enough for a program that does not know its version, now and when it is verified later."""
    information = b"\x7fELF path\tx\nmod\texample.org/frob\t(devel)\t\n"
    with FakeRegistry() as registry, serving(content(zipped(FILES))) as server:
        image = Published(registry, (tar(usr__local__bin__frob=information),))
        digest = f"sha256:{hashlib.sha256(image.index).hexdigest()}"
        lock = {"frob": Locked(version="v1.2.3", image=Index(digest=digest, origin="sources"))}
        named = {"repository": f"{registry.host}/fluxcd/frob", "member": "usr/local/bin/frob", "size": "1M"}
        made = with_files(bench, server.url.rpartition("/")[0], image=named)
        with toolbox(bench, "archives", lock, frob=made) as box:
            box.prepare(["frob"])
            program = box.path("frob")
            assert origins(box) == {"frob": (f"{registry.host}/fluxcd/frob@{digest}", "digest, sources")}
            assert [state.name for state in box.verify()] == ["frob"]
    assert program.read_bytes() == information
    assert (program.parent / "files/config/a.yaml").read_bytes() == b"kind: A\n"


def test_a_build_that_does_not_know_its_version_is_refused(bench: Bench) -> None:
    """No digest vouches for it."""
    go(bench, """printf 'path\\nmod\\texample.org/frob\\t(devel)\\t\\n' > "$7"; exit""")
    with (
        toolbox(bench, frob=pin(module="example.org/frob", stamps={})) as box,
        pytest.raises(ToolError, match=r"was built from example\.org/frob \(devel\)"),
    ):
        box.path("frob")
