"""What is asked of git, with a real git and repositories made for the test."""

import subprocess
from pathlib import Path

import pytest

from harness.errors import DataError, ToolError, UsageError
from harness.exits import Exit
from harness.matrix.git import Repository
from harness.processes.commands import CommandFailed
from tests.fakes.matrix import History


@pytest.fixture
def history(tmp_path: Path) -> History:
    """main with a file, and work with one more commit."""
    top = tmp_path / "repository"
    top.mkdir()
    (top / "old name").write_text("a text of some lines\nthat git takes for renamed\n" * 9)
    history = History(top, tmp_path / "nothing")
    return history.branch()


def test_a_renamed_and_a_deleted_file_count_and_names_may_be_odd(history: History) -> None:
    """A rename gives both names; spaces, line breaks and letters of any language are part of a name."""
    history.git("mv", "old name", "new\nname")
    (history.top / "größe").write_text("")
    history.commit()
    repository = Repository.around(history.top)
    assert repository.changed(repository.merge_base("main")) == {
        history.top / name for name in ("old name", "new\nname", "größe")
    }


def test_the_configuration_of_a_user_changes_nothing(history: History) -> None:
    """Names are those of the repository, from whichever directory it is asked."""
    for key, value in (("diff.relative", "true"), ("diff.noprefix", "true"), ("diff.renames", "copies")):
        history.git("config", key, value)
    history.touch("one/a", "two/b")
    repository = Repository.around(history.top / "one")
    assert repository.changed(repository.merge_base("main")) == {history.top / "one/a", history.top / "two/b"}


def test_within_a_hook_the_repository_is_that_of_the_directory(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git tells hooks of its own repository by variables, which would win over the directory."""
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "elsewhere" / "index"))
    assert Repository.around(history.top).top == history.top


def test_a_directory_without_a_repository_is_told(tmp_path: Path) -> None:
    """With the way to do without: exit code 10."""
    with pytest.raises(DataError, match="not a git repository") as raised:
        Repository.around(tmp_path)
    assert "--changed" in raised.value.do


def test_a_shallow_clone_says_what_to_fetch(history: History, tmp_path: Path) -> None:
    """Its merge base may be hidden, or the wrong one."""
    shallow = tmp_path / "shallow"
    command = ["git", "clone", "--quiet", "--depth=1", "--no-single-branch", history.top.as_uri(), str(shallow)]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(DataError, match="shallow") as raised:
        Repository.around(shallow)
    assert "git fetch --unshallow" in raised.value.do
    assert "fetch-depth: 0" in raised.value.do


@pytest.mark.parametrize("base", ["origin/nowhere", "--all", "main:old name", "old name", "0" * 40, ""])
def test_a_base_that_is_no_commit_is_a_usage_error(history: History, base: str) -> None:
    """An unknown name, an option, a file, a commit that is not there: 64."""
    with pytest.raises(UsageError, match="unknown commit") as raised:
        Repository.around(history.top).merge_base(base)
    assert raised.value.exit is Exit.USAGE
    assert "git fetch origin" in raised.value.do


def test_branches_that_have_nothing_in_common_are_told(history: History) -> None:
    """There is no commit to compare with."""
    history.git("checkout", "--quiet", "--orphan", "stranger")
    history.commit()
    with pytest.raises(UsageError, match="no commit in common"):
        Repository.around(history.top).merge_base("main")


def test_what_was_there_is_restored_beside_and_nothing_else_moves(history: History, tmp_path: Path) -> None:
    """Neither the index nor the working tree, with what is staged and what is not."""
    history.touch("data/recipes/kept", "data/recipes/gone", "other/file")
    commit = history.git("rev-parse", "HEAD")
    (history.top / "data/recipes/gone").unlink()
    history.commit()
    (history.top / "data/recipes/kept").write_text("staged")
    history.git("add", "--all")
    (history.top / "data/recipes/kept").write_text("not staged")
    before = history.git("status", "--porcelain=v2")
    repository = Repository.around(history.top)
    repository.restore(commit, history.top / "data", tmp_path / "then" / "data")
    assert {file.name: file.read_text() for file in (tmp_path / "then/data/recipes").iterdir()} == {
        "kept": "\n# changed\n",
        "gone": "\n# changed\n",
    }
    assert not (tmp_path / "then/data/other").exists()
    assert history.git("status", "--porcelain=v2") == before
    with pytest.raises(CommandFailed):
        repository.restore(commit, history.top / "no such", tmp_path / "never")


def test_the_whole_repository_can_be_restored(history: History, tmp_path: Path) -> None:
    """Recipes may be at the top of their repository."""
    Repository.around(history.top).restore("HEAD", history.top, tmp_path / "then")
    assert (tmp_path / "then" / "old name").is_file()


def test_without_git_the_message_says_so(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing tool: 10."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolError, match="cannot run git"):
        Repository.around(history.top)
