"""Pushing a bundle as a commit, to git's own server: what ends up there, and how each failure is told."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.bundles.delivery import Target
from harness.errors import DataError, GitRefused, ToolError
from harness.exits import Exit
from harness.processes import commands
from harness.processes.commands import Completed
from harness.publishing.git import client as client_module
from harness.publishing.git.address import Access, Credentials, Repositories
from harness.publishing.git.client import Client, commit_id
from harness.publishing.git.errors import GitError, PushRejected, Refused, explained
from harness.publishing.git.tree import Tree
from harness.settings import Retries
from tests.fakes.git_server import GitServer, git

ONCE = Retries(attempts=1, delay="1s")  # type: ignore[arg-type]  # parsed
ME = Credentials("me", "hunter2-hunter2")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    """An empty server with one repository, that asks nobody who they are."""
    (tmp_path / "served").mkdir()
    with GitServer(tmp_path / "served") as serving:
        serving.repository("demo")
        yield serving


def bundle(directory: Path, **files: str) -> Tree:
    for name, text in ({"README.md": "hello\n"} | files).items():
        file = directory / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Tree(directory, "Bundle of demo\n")


def access(server: GitServer, credentials: Credentials | None = None) -> Access:
    return Access(Repositories(f"http://{server.host}/{{recipe}}.git"), credentials)


def target(server: GitServer, name: str = "demo") -> Target:
    return access(server).address.target(name, "argocd-git")


def pushing(server: GitServer, credentials: Credentials | None = None) -> Client:
    return access(server, credentials).client(retries=ONCE)


def at_main(server: GitServer, name: str = "demo") -> str:
    return git("rev-parse", "main", cwd=server.root / f"{name}.git")


# What a push leaves


def test_the_tree_becomes_one_commit_on_main(server: GitServer, tmp_path: Path) -> None:
    """Its id is what the server answers, and what an empty repository would give."""
    tree = bundle(tmp_path / "b", chart__values="a: 1\n")
    pushed = pushing(server).deliver(tree, target(server))
    assert pushed.digest == at_main(server) == commit_id(tree)
    assert (pushed.registry, pushed.repository, pushed.tag) == (server.host, "demo.git", "main")
    listed = git("ls-tree", "-r", "--name-only", "main", cwd=server.root / "demo.git")
    assert listed.splitlines() == ["README.md", "chart/values"]
    author = git("log", "-1", "--format=%an <%ae> %at %ct", "main", cwd=server.root / "demo.git")
    assert author == "kwok-harness <kwok-harness@example.invalid> 0 0"


def test_the_same_content_again_is_the_same_commit(server: GitServer, tmp_path: Path) -> None:
    """By whomever: nothing is pushed, and its id is the identity."""
    tree = bundle(tmp_path / "b")
    first = pushing(server).deliver(tree, target(server))
    asked = len(server.seen)
    assert pushing(server).deliver(tree, target(server)) == first
    assert not [path for method, path, _ in server.seen[asked:] if "receive-pack" in path]


def test_another_bundle_goes_on_from_the_one_before(server: GitServer, tmp_path: Path) -> None:
    """A second commit on the same history, so that nobody who follows the branch is torn off."""
    client = pushing(server)
    first = client.deliver(bundle(tmp_path / "a"), target(server))
    second = client.deliver(bundle(tmp_path / "b", new="x"), target(server))
    assert git("rev-parse", "main^", cwd=server.root / "demo.git") == first.digest
    assert second.digest == at_main(server)
    (tmp_path / "c").mkdir()
    third = client.deliver(Tree(tmp_path / "c", "x\n"), target(server))
    assert git("ls-tree", third.digest, cwd=server.root / "demo.git") == ""


AWKWARD = {
    "with space.txt": b"a\n",
    "größe/Ä ö.yaml": b"b: 1\n",
    "crlf.txt": b"one\r\ntwo\r\n",
    "binary": bytes(range(256)),
    'quote".txt': b"q\n",
    "tab-free\\back": b"s\n",
    ".gitignore": b"*\n",
    ".gitattributes": b"* text=auto eol=crlf\n",
}


def test_every_byte_and_every_name_is_as_in_the_bundle(server: GitServer, tmp_path: Path) -> None:
    """Line endings stay; patterns and attributes in the bundle are files like others."""
    for name, content in AWKWARD.items():
        (tmp_path / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "b" / name).write_bytes(content)
    (tmp_path / "b" / "deploy.sh").write_text("#!/bin/sh\n")
    (tmp_path / "b" / "deploy.sh").chmod(0o755)
    (tmp_path / "b" / "link").symlink_to("with space.txt")
    pushed = pushing(server).deliver(Tree(tmp_path / "b", "m\n"), target(server))
    listed = git("ls-tree", "-r", "-z", pushed.digest, cwd=server.root / "demo.git").split("\0")
    found = {path: meta.split() for meta, _, path in (line.partition("\t") for line in listed if line)}
    assert found.keys() == {*AWKWARD, "deploy.sh", "link"}
    assert (found["deploy.sh"][0], found["link"][0], found["binary"][0]) == ("100755", "120000", "100644")
    for name, content in AWKWARD.items():
        size = git("cat-file", "-s", found[name][2], cwd=server.root / "demo.git")
        assert int(size) == len(content), name
    assert git("cat-file", "-p", found["link"][2], cwd=server.root / "demo.git") == "with space.txt"


def test_a_file_of_many_megabytes_goes_through(server: GitServer, tmp_path: Path) -> None:
    """It is sent in chunks."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "large").write_bytes(os.urandom(4 * 1024 * 1024))
    pushed = pushing(server).deliver(Tree(tmp_path / "b", "m\n"), target(server))
    assert pushed.digest == at_main(server)


@pytest.mark.parametrize(
    ("name", "says"),
    [(b"a\nb", "control character"), (b"\xff", "not UTF-8"), (b".git", "a repository within the bundle")],
)
def test_what_no_repository_can_hold_is_refused(tmp_path: Path, name: bytes, says: str) -> None:
    """Before anything is pushed, with the path."""
    (tmp_path / "b").mkdir()
    Path(os.fsdecode(bytes(tmp_path / "b") + b"/" + name)).write_text("x")
    with pytest.raises(DataError, match=says) as raised:
        _ = Tree(tmp_path / "b", "m").entries
    assert str(tmp_path / "b") in raised.value.where


# Whose Git it is


def test_nothing_of_the_users_git_has_a_say(server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither configuration, helpers, hooks nor variables: the commit is the same, and none of them ran."""
    plain = commit_id(bundle(tmp_path / "b"))
    ran = tmp_path / "ran"
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-push", "pre-commit", "post-commit", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {ran}\nexit 1\n")
        (hooks / name).chmod(0o755)
    config = tmp_path / "config"
    config.write_text(
        f"[user]\n\tname = Somebody\n[core]\n\thooksPath = {hooks}\n\tautocrlf = true\n"
        f"[credential]\n\thelper = !touch {ran}\n[commit]\n\tgpgSign = true\n"
        f'[url "http://127.0.0.1:1/"]\n\tinsteadOf = http://{server.host}/\n'
    )
    for variable in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG"):
        monkeypatch.setenv(variable, str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text(config.read_text())
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    monkeypatch.setenv("GIT_ASKPASS", "/bin/false")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    pushed = pushing(server).deliver(bundle(tmp_path / "b"), target(server))
    assert pushed.digest == plain
    assert not ran.exists()


def test_credentials_are_in_one_private_file_alone(
    server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never among words or in the environment of git; the file is gone afterwards."""
    server.credentials = "me:hunter2-hunter2"
    seen: list[tuple[list[str], dict[str, str]]] = []
    modes: set[int] = set()

    def run(argv: list[str | Path], **given: Any) -> Completed:
        environment: dict[str, str] = given["env"]
        seen.append(([str(word) for word in argv], environment))
        modes.add(stat.S_IMODE((Path(environment["HOME"]) / ".gitconfig").stat().st_mode))
        modes.add(stat.S_IMODE(Path(environment["HOME"]).stat().st_mode))
        return commands.run(argv, **given)

    monkeypatch.setattr(client_module, "commands", type("Commands", (), {"run": staticmethod(run)}))
    pushing(server, ME).deliver(bundle(tmp_path / "b"), target(server))
    for words, environment in seen:
        for secret in (ME.password, ME.basic):
            assert secret not in " ".join(words) + " ".join(environment.values())
        assert (environment["GIT_CONFIG_NOSYSTEM"], environment["GIT_TERMINAL_PROMPT"]) == ("1", "0")
    assert modes == {0o600, 0o700}
    assert not any(Path(environment["HOME"]).exists() for _, environment in seen)
    assert "hunter2" not in repr(ME) + repr(access(server, ME))


# How it fails


@pytest.mark.parametrize("credentials", [None, Credentials("me", "wrong-wrong-wrong")])
def test_a_server_that_refuses_the_user_is_72(
    server: GitServer, tmp_path: Path, credentials: Credentials | None
) -> None:
    """With git's own words, and nothing of the credentials in them."""
    server.credentials = "me:hunter2-hunter2"
    with pytest.raises(Refused, match="rejected the user") as raised:
        pushing(server, credentials).deliver(bundle(tmp_path / "b"), target(server))
    assert raised.value.exit is Exit.GIT_REFUSED
    assert "wrong-wrong" not in str(raised.value)


def test_a_repository_that_is_not_there_is_72(server: GitServer, tmp_path: Path) -> None:
    """A server that makes none by itself says so."""
    with pytest.raises(GitRefused) as raised:
        pushing(server).deliver(bundle(tmp_path / "b"), target(server, "other"))
    assert "other.git" in raised.value.where


@pytest.mark.parametrize(
    "words",
    [
        "fatal: unable to access 'https://x/': SSL certificate problem: unable to get local issuer certificate",
        "fatal: unable to access 'https://x/': server certificate verification failed. CAfile: none CRLfile: none",
    ],
    ids=["openssl", "gnutls"],
)
def test_a_certificate_of_an_unknown_authority_is_71(words: str) -> None:
    """Whatever library git has been built with. It says which setting names the authority, and is not tried again."""
    error = explained(words, doing="push", where="https://x/")
    assert error.exit is Exit.GIT_UNREACHABLE
    assert "git.ca (KWOK_GIT_CA)" in error.do
    assert not error.passing


def test_a_branch_that_somebody_else_has_moved_is_not_pushed_over(server: GitServer, tmp_path: Path) -> None:
    """Between two pushes of a run, forced or not: both commits are named."""
    client = pushing(server)
    first = client.deliver(bundle(tmp_path / "a"), target(server))
    git("update-ref", "-d", "refs/heads/main", cwd=server.root / "demo.git")
    theirs = pushing(server).deliver(bundle(tmp_path / "theirs", x="1"), target(server))
    with pytest.raises(PushRejected) as raised:
        client.deliver(bundle(tmp_path / "b", new="x"), target(server))
    assert first.digest in raised.value.what
    assert theirs.digest in raised.value.what
    assert at_main(server) == theirs.digest


def test_a_branch_that_moves_during_the_push_is_not_pushed_over(server: GitServer, tmp_path: Path) -> None:
    """The server takes nothing that does not go on from what is there."""
    pushing(server).deliver(bundle(tmp_path / "a"), target(server))
    other = commit_id(bundle(tmp_path / "other", x="1"))
    moved: list[str] = []

    def meanwhile(path: str) -> None:
        if "git-receive-pack" in path and not moved:
            moved.append("now")
            who = {f"GIT_{who}_{key}": "x@y" for who in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
            made = git("commit-tree", "-m", "theirs", "main^{tree}", cwd=server.root / "demo.git", **who)
            git("update-ref", "refs/heads/main", made, cwd=server.root / "demo.git")

    server.wrong = meanwhile
    with pytest.raises(PushRejected, match="rejected"):
        pushing(server).deliver(bundle(tmp_path / "b", new="x"), target(server))
    assert other != at_main(server)


def test_a_push_that_the_server_declines_ends_with_its_reason(server: GitServer, tmp_path: Path) -> None:
    """The words of its hook."""
    server.hook = "#!/bin/sh\necho 'no large files here' >&2\nexit 1\n"
    server.repository("strict")
    with pytest.raises(GitError, match="no large files here"):
        pushing(server).deliver(bundle(tmp_path / "b"), target(server, "strict"))


@pytest.mark.parametrize(("status", "attempts"), [(503, 3), (500, 3), (404, 1)])
def test_what_may_pass_is_tried_again(server: GitServer, tmp_path: Path, status: int, attempts: int) -> None:
    """5xx is, a refusal is not."""
    asked: list[str] = []

    def wrong(path: str) -> int | None:
        asked.append(path)
        return status

    server.wrong = wrong
    retries = Retries.model_construct(attempts=3, delay=0.001)
    with pytest.raises(GitError):
        access(server).client(retries=retries).deliver(bundle(tmp_path / "b"), target(server))
    assert len([path for path in asked if "upload-pack" in path]) >= attempts
    if attempts == 1:
        assert len([path for path in asked if "upload-pack" in path]) == 1


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With its address; it may come back, so it is tried again."""
    there = Access(Repositories("http://127.0.0.1:1/{recipe}.git"))
    with pytest.raises(GitError, match=r"(?i)connect") as raised:
        there.client(retries=ONCE).deliver(bundle(tmp_path / "b"), there.address.target("demo", "x"))
    assert raised.value.passing
    assert raised.value.where == "http://127.0.0.1:1/demo.git"


def test_without_git_there_is_one_error(server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code 10, with the remedy."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="git was not found on PATH") as raised:
        commit_id(bundle(tmp_path / "b"))
    assert raised.value.exit is Exit.SETTINGS


def test_a_remote_is_asked_whether_it_would_take_a_push(server: GitServer, tmp_path: Path) -> None:
    """Nothing is changed there; one that refuses the user says so before anything is delivered."""
    pushing(server).require(target(server))
    assert git("for-each-ref", cwd=server.root / "demo.git") == ""
    server.credentials = "me:hunter2-hunter2"
    pushing(server, ME).require(target(server))
    with pytest.raises(Refused):
        pushing(server, Credentials("me", "other-other")).require(target(server))
