"""Pushes bundles with the git command: the same content on the same history is the same commit, whoever pushes it.

Nothing of the user's Git has a say: neither their configuration nor the system's, no hook, no credential helper, no
prompt. git reads one configuration file, written here for one push, in a directory that only this user can enter;
credentials are in it, and neither among its words nor in its environment.
"""

import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from harness.bundles.delivery import Target
from harness.errors import ToolError
from harness.formats.addresses import on_this_machine
from harness.processes import commands
from harness.processes.commands import CommandFailed, CommandMissing, Completed
from harness.publishing.git.address import BRANCH, Access
from harness.publishing.git.errors import GitError, PushRejected, explained, transient
from harness.publishing.git.tree import LINK, Tree
from harness.retrying import retrying
from harness.settings import Retries

_SECONDS = 120.0  # for one command; a server that sends nothing is given up before
_STALLED = 30  # seconds
_PASSED_ON = ("PATH", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")
_WHO = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in {"NAME": "kwok-harness", "EMAIL": "kwok-harness@example.invalid", "DATE": "@0 +0000"}.items()
}
_HEAD = f"refs/heads/{BRANCH}"


@dataclass(frozen=True)
class Committed:
    """A bundle in a repository. `digest` is the id of the commit, which is its identity; `tag` is the branch."""

    registry: str
    repository: str
    tag: str
    digest: str

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}:{self.tag}@{self.digest}"


class Client:
    """Pushes to repositories of one server, and remembers where it has left each: one for each cell.

    What may pass is tried again as `retries` say. Setting `cancelled` ends the pauses between attempts.
    """

    def __init__(self, access: Access, *, retries: Retries, cancelled: threading.Event | None = None) -> None:
        self._access = access
        self._again = retrying(retries, transient, cancelled=cancelled)
        self._left: dict[str, str] = {}

    def deliver(self, parcel: Tree, target: Target) -> Committed:
        """Have the branch at a commit of exactly this tree, on top of what is there.

        Raises PushRejected where somebody else has moved the branch since this client pushed there, or does so now;
        Refused (72) where the server does not take the user; GitError for everything else.
        """
        return self._again(self._deliver, parcel, target)

    def require(self, target: Target) -> None:
        """Raise GitError unless the server answers, and would take a push of this user. Nothing is changed there."""
        self._again(self._require, target)

    def _require(self, target: Target) -> None:
        url = self._url(target)
        with _repository(self._access, url) as repository, tempfile.TemporaryDirectory() as nothing:
            commit = repository.commit(Tree(Path(nothing), ""), "")
            repository.call("push", "--dry-run", url, f"{commit}:refs/heads/kwok-harness-probe", doing="push")

    def _deliver(self, tree: Tree, target: Target) -> Committed:
        url = self._url(target)
        with _repository(self._access, url) as repository:
            tip = repository.tip(url)
            left = self._left.get(url)
            if left is not None and tip != left:
                raise PushRejected(
                    f"{BRANCH} is at {tip or 'no commit'}, but this run left it at {left}: another client has pushed"
                    " since",
                    where=url,
                    do="check which other client pushes there, and run again",
                )
            if tip:
                repository.call("fetch", "--quiet", "--no-tags", "--depth=1", url, _HEAD, doing="fetch")
            commit = repository.commit(tree, tip)
            if commit != tip:
                repository.call("push", "--porcelain", url, f"{commit}:{_HEAD}", doing="push")
                answered = repository.tip(url)
                if answered != commit:
                    raise PushRejected(
                        f"{commit} was pushed, but {BRANCH} is at {answered or 'no commit'}: another client pushed at"
                        " the same time",
                        where=url,
                        do="check which other client pushes there, and run again",
                    )
            self._left[url] = commit
            return Committed(urlsplit(url).netloc, target.path, BRANCH, commit)

    def _url(self, target: Target) -> str:
        """The repository as this machine calls it: controllers may know its server by another name."""
        here = urlsplit(self._access.address.template)
        return f"{here.scheme}://{here.netloc}/{target.path}"


@dataclass(frozen=True)
class _Repository:
    """A repository of a moment, in which a commit is made."""

    directory: Path
    environment: Mapping[str, str]
    secrets: frozenset[str] = frozenset()

    def commit(self, tree: Tree, parent: str) -> str:
        """The id of a commit of the tree; of the parent itself, where that has the same tree."""
        entries = tree.entries
        plain = [entry.path for entry in entries if entry.mode != LINK]
        made = self._local("hash-object", "-w", "--no-filters", "--stdin-paths", within=tree.directory, stdin=plain)
        ids = dict(zip(plain, made.split(), strict=True))
        for entry in entries:
            if entry.mode == LINK:
                ids[entry.path] = self._local("hash-object", "-w", "--no-filters", "--stdin", text=entry.link)
        index = "".join(f"{entry.mode} {ids[entry.path]}\t{entry.path}\0" for entry in entries)
        self._local("update-index", "-z", "--index-info", text=index)
        root = self._local("write-tree")
        if parent and self._local("rev-parse", f"{parent}^{{tree}}") == root:
            return parent
        return self._local("commit-tree", root, *(("-p", parent) if parent else ()), text=tree.message)

    def tip(self, url: str) -> str:
        """The commit that the branch is at, as the server says; empty where there is none."""
        try:
            said = self.call("ls-remote", "--refs", url, _HEAD, doing="ls-remote").stdout
        except GitError as error:
            if "not found" in error.what.lower():  # it is made by the first push
                return ""
            raise
        return said.split("\t")[0].strip()

    def call(self, *words: str, doing: str) -> Completed:
        """A command that talks to the server."""
        try:
            return self.run(words)
        except CommandFailed as error:
            said = error.completed.stderr + error.completed.stdout
            for secret in self.secrets:
                said = said.replace(secret, "***")
            where = next(word for word in words if "://" in word)
            if error.timed_out:
                raise GitError(f"git {doing} timed out after {_SECONDS:g} s", where=where) from None
            raise explained(said, doing=doing, where=where) from None

    def _local(
        self, *words: str, within: Path | None = None, stdin: list[str] | None = None, text: str | None = None
    ) -> str:
        given = "".join(f"{line}\n" for line in stdin) if stdin is not None else text
        try:
            return self.run(words, within=within, stdin=given).stdout.strip()
        except CommandFailed as error:
            raise GitError(f"the bundle could not be committed: {error.what}", where=str(within or "")) from None

    def run(self, words: tuple[str, ...], *, within: Path | None = None, stdin: str | None = None) -> Completed:
        try:
            return commands.run(
                ["git", f"--git-dir={self.directory}", *words],
                timeout=_SECONDS,
                env=self.environment,
                cwd=within or self.directory.parent,
                stdin=stdin,
            )
        except CommandMissing as error:
            raise ToolError("git was not found on PATH", do="install git 2.30 or newer") from error


def commit_id(tree: Tree) -> str:
    """The id of the commit that a tree becomes in an empty repository."""
    with _repository(None, "") as repository:
        return repository.commit(tree, "")


@contextmanager
def _repository(access: Access | None, url: str) -> Iterator[_Repository]:
    """An empty repository, with the one configuration that git reads. It goes with the block."""
    with tempfile.TemporaryDirectory(prefix="kwok-harness-git-", ignore_cleanup_errors=True) as name:
        home, directory = Path(name), Path(name) / "repository"
        file = home / ".gitconfig"
        file.touch(mode=0o600)
        file.write_text(_configuration(access, url), encoding="utf-8")
        environment = {key: value for key in _PASSED_ON if (value := os.environ.get(key))}
        if on_this_machine(url):
            environment = {"PATH": environment.get("PATH", os.defpath)}
        environment |= {"HOME": name, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}
        environment |= {"GIT_ATTR_NOSYSTEM": "1", "GIT_INDEX_FILE": str(home / "index"), **_WHO}
        repository = _Repository(directory, environment, access.secrets if access else frozenset())
        repository.run(("init", "--quiet", "--bare", "--template=", str(directory)))
        yield repository


def _configuration(access: Access | None, url: str) -> str:
    """What git reads in the place of everybody's: see the head of this file."""
    lines = [
        "[core]\n\thooksPath = /dev/null\n\tattributesFile = /dev/null\n\tautocrlf = false\n\tquotePath = false",
        "[credential]\n\thelper =",
        "[protocol]\n\tallow = never",
        *(f'[protocol "{each}"]\n\tallow = always' for each in ("http", "https")),
        "[init]\n\tdefaultBranch = main",
        "[gc]\n\tauto = 0",
        "[push]\n\tgpgSign = false",
        "[commit]\n\tgpgSign = false",
        f"[http]\n\tfollowRedirects = false\n\tlowSpeedLimit = 1\n\tlowSpeedTime = {_STALLED}",
    ]
    if access is not None and access.authority is not None:
        lines.append(f"\tsslCAInfo = {_quoted(str(access.authority))}")
    if access is not None and access.credentials is not None:
        parts = urlsplit(url)
        lines.append(f"[http {_quoted(f'{parts.scheme}://{parts.netloc}/')}]")
        lines.append(f"\textraHeader = {_quoted(f'Authorization: Basic {access.credentials.basic}')}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
