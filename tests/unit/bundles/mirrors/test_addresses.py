"""Chart mirrors: which addresses are rewritten, to what, and which are refused."""

import pytest

from harness.bundles.mirrors.addresses import rewrite
from harness.errors import DataError, HarnessError, SettingsError

NGC = "https://helm.ngc.nvidia.com"
MIRRORS = {
    f"{NGC}/nvidia": "oci://localhost:5500/charts",
    f"{NGC}/nvidia/cloud-native/": "http://127.0.0.1:8080/cloud/",
    "oci://ghcr.io/nvidia": "oci://localhost:5500/ghcr",
    "https://charts.example": "http://127.0.0.1:8080",
}


@pytest.mark.parametrize(
    ("repository", "wanted"),
    [
        (f"{NGC}/nvidia", "oci://localhost:5500/charts"),
        (f"{NGC}/nvidia/", "oci://localhost:5500/charts"),
        (f"{NGC}/nvidia/deep/er", "oci://localhost:5500/charts/deep/er"),
        (f"{NGC}/nvidia/cloud-native", "http://127.0.0.1:8080/cloud"),
        (f"{NGC}/nvidia/cloud-native/x", "http://127.0.0.1:8080/cloud/x"),
        (f"{NGC}/nvidia/cloud", "oci://localhost:5500/charts/cloud"),
        ("HTTPS://Helm.NGC.nvidia.com/nvidia", "oci://localhost:5500/charts"),
        ("https://charts.example", "http://127.0.0.1:8080"),
        ("https://charts.example/stable", "http://127.0.0.1:8080/stable"),
        ("oci://ghcr.io/nvidia/charts", "oci://localhost:5500/ghcr/charts"),
    ],
)
def test_longest_prefix_of_whole_segments(repository: str, wanted: str) -> None:
    """What lies below a prefix lies below its mirror; slashes at the end and the case of a host do not count."""
    assert rewrite(repository, MIRRORS) == wanted
    assert rewrite(repository, dict(reversed(MIRRORS.items()))) == wanted


@pytest.mark.parametrize(
    "repository",
    [
        f"{NGC}/nvidia-internal",
        f"{NGC}/Nvidia",
        NGC,
        "http://helm.ngc.nvidia.com/nvidia",
        "https://helm.ngc.nvidia.com:8443/nvidia",
        "https://charts.example.org/x",
        "oci://ghcr.io/nvidia-ai/",
        "file://charts",
        "",
    ],
)
def test_others_are_left_as_they_are(repository: str) -> None:
    """Half a segment, another case, scheme, port or host is another repository; a local chart has no mirror."""
    assert rewrite(repository, MIRRORS) == repository


def test_no_mirrors() -> None:
    """Without settings nothing changes."""
    assert rewrite(f"{NGC}/nvidia/", {}) == f"{NGC}/nvidia/"


@pytest.mark.parametrize(
    ("repository", "mirrors", "error"),
    [
        ("https://me:hunter2@charts.example/x", {}, DataError),
        ("https://hunter2@charts.example/x", {}, DataError),
        ("https://other.example", {"https://me:hunter2@charts.example": "http://127.0.0.1"}, SettingsError),
        ("https://other.example", {"https://charts.example": "oci://me:hunter2@localhost:5500"}, SettingsError),
        ("https://other.example", {"https://charts.example": "http://127.0.0.1/?token=hunter2"}, SettingsError),
        ("https://other.example/?token=hunter2", {}, DataError),
    ],
)
def test_credentials_are_refused_and_not_shown(
    repository: str, mirrors: dict[str, str], error: type[HarnessError]
) -> None:
    """Wherever they stand, also in a mirror that is not needed: settings are right or wrong, not by recipe."""
    with pytest.raises(error) as raised:
        rewrite(repository, mirrors)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("mirrors", "message"),
    [
        ({"charts.example": "http://127.0.0.1"}, "'charts.example' is not of the form"),
        ({"https://charts.example": "127.0.0.1:8080"}, "is not of the form"),
        ({"https://charts.example": "file:///charts"}, "is not of the form"),
        ({"https://charts.example": ""}, "is not of the form"),
        ({"https://charts.example": "https://"}, "is not of the form"),
        ({"https://charts.example": "https://x:y/"}, "is not of the form"),
        ({"https://charts.example/../x": "http://127.0.0.1"}, "is not of the form"),
        ({"https://charts.example": "http://a", "https://Charts.example/": "http://b"}, "named twice"),
    ],
)
def test_mirrors_that_cannot_be_meant(mirrors: dict[str, str], message: str) -> None:
    """A mirror that would silently do nothing, or one of two things, is an error of the settings."""
    with pytest.raises(SettingsError, match=message) as raised:
        rewrite("https://other.example", mirrors)
    assert raised.value.where.startswith("mirrors")
