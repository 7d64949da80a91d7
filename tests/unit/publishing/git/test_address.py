"""Where repositories are: what settings may say, and that credentials are never shown."""

import pytest

from harness.errors import SettingsError
from harness.publishing.git.address import Access, Credentials, Repositories


def parse(text: str) -> Repositories:
    return Repositories.parse(text, where="git.remote")


def test_a_url_may_have_the_recipe_and_the_lane_in_it() -> None:
    """So that a sweep pushes each to a repository of its own; branch main either way."""
    target = parse("https://git.example.com/team/{recipe}-{lane}.git").target("eks", "flux-git")
    assert (target.url, target.tag) == ("https://git.example.com/team/eks-flux-git.git", "main")
    assert parse("http://localhost:3000/x.git").target("eks", "flux-git").path == "x.git"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("git.example.com/x.git", "is not the URL of a Git repository"),
        ("ssh://git@git.example.com/x.git", "is not the URL of a Git repository"),
        ("git@git.example.com:x.git", "is not the URL of a Git repository"),
        ("https://git.example.com", "is not the URL of a Git repository"),
        ("https://git.example.com/{name}.git", "is not the URL of a Git repository"),
        ("https://git.example.com/x.git?a=b", "is not the URL of a Git repository"),
        ("http://git.example.com/x.git", "without TLS"),
        ("https://me:secret-secret@git.example.com/x.git", "the URL contains credentials"),
        ("https://[x/y.git", "is not the URL of a Git repository"),
    ],
)
def test_anything_else_is_a_setting_that_is_wrong(text: str, says: str) -> None:
    """With an example, and without what may be a secret."""
    with pytest.raises(SettingsError, match=says) as raised:
        parse(text)
    assert "secret-secret" not in str(raised.value)
    assert raised.value.where == "git.remote"


def test_credentials_come_from_the_environment() -> None:
    """Both or none of them."""
    both = {"KWOK_GIT_USER": "me", "KWOK_GIT_PASSWORD": "hunter2-hunter2"}
    assert Credentials.of(both) == Credentials("me", "hunter2-hunter2")
    assert Credentials.of({}) is None
    for name in both:
        with pytest.raises(SettingsError, match="is not") as raised:
            Credentials.of({name: both[name]})
        assert "hunter2" not in str(raised.value)


def test_what_is_secret_is_known_in_both_of_its_forms() -> None:
    """As it is written, and as HTTP sends it; where anybody may read, who reads says nothing."""
    me = Credentials("me", "hunter2-hunter2")
    access = Access(parse("https://git.example.com/x.git"), me)
    assert access.secrets == {"hunter2-hunter2", me.basic}
    assert access.reader is me
    assert Access(access.address, me, public=True).reader is None
    assert "hunter2" not in repr(access)
