"""The worker of the sample suite: PSNR of two clips, from files or from S3."""

import datetime as dt
import hashlib
import http.server
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from kwok.suites.platform.programs import clips
from kwok.suites.platform.programs import scoring_worker as worker


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """Both clips as files: their addresses by name."""
    clips.make(tmp_path)
    return {name: (tmp_path / f"{name}.yuv").as_uri() for name in ("ref", "dist")}


def score(tmp_path: Path, reference: str, distorted: str) -> tuple[int, dict[str, object]]:
    """The exit code and the result of a run."""
    result = tmp_path / "result"
    code = worker.main(["--reference", reference, "--distorted", distorted, "--result", str(result)])
    return code, json.loads(result.read_text())


def test_luma_128_against_121_is_31_23_db(tmp_path: Path, places: dict[str, str]) -> None:
    """The clips differ by 7 in each pixel: 10 log10(255^2 / 49) = 31.23 dB, over 8 frames."""
    assert score(tmp_path, places["ref"], places["dist"]) == (0, {"score": 31.23, "frames": 8})


def test_equal_clips_have_the_best_score(tmp_path: Path, places: dict[str, str]) -> None:
    """A clip against itself has no noise, and the score is a number all the same."""
    assert score(tmp_path, places["ref"], places["ref"]) == (0, {"score": 100.0, "frames": 8})


def test_chroma_counts_for_nothing() -> None:
    """The score is that of the luma planes only."""
    one, other = bytes(4) + b"ab", bytes(4) + b"yz"

    assert worker.luma_planes(one, 2, 2, "one") == worker.luma_planes(other, 2, 2, "other") == [bytes(4)]


@pytest.mark.parametrize("size", [0, 5, 7])
def test_half_frames_have_no_score(size: int) -> None:
    """An empty clip, or one that is no whole number of frames, is an error that names the clip."""
    with pytest.raises(worker.CannotScore, match=f"short: {size} bytes are not a whole number of frames of 6 bytes"):
        worker.luma_planes(bytes(size), 2, 2, "short")


def test_clips_of_other_lengths_have_no_score() -> None:
    """As many frames on both sides, or none is compared."""
    with pytest.raises(worker.CannotScore, match="the reference has 2 frames, the distorted clip 1"):
        worker.psnr([b"a", b"b"], [b"a"])


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("file:///nowhere/ref.yuv", "file:///nowhere/ref.yuv: No such file or directory"),
        ("ftp://host/ref.yuv", "expected file:// or s3://, got ftp"),
        ("ref.yuv", "expected file:// or s3://, got no scheme"),
        ("s3://clips/ref.yuv", "s3://clips/ref.yuv: AWS_ENDPOINT_URL is not set"),
    ],
)
def test_a_clip_that_cannot_be_fetched_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, said: str
) -> None:
    """The result says which clip and why, and the exit code is 1."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    code, result = score(tmp_path, uri, uri)

    assert code == 1
    assert said in str(result["message"])
    assert "score" not in result


def test_signature_is_that_of_the_reference() -> None:
    """The example "GET Object" of AWS's description of Signature Version 4 for S3 gives the signature that it lists."""
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    keys = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": secret}
    url = "https://examplebucket.s3.amazonaws.com/test.txt"
    request = urllib.request.Request(url, headers={"Range": "bytes=0-9"})

    worker.signed(request, dt.datetime(2013, 5, 24, tzinfo=dt.UTC), keys)

    expected = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    assert str(request.get_header("Authorization")).endswith(f"Signature={expected}")


def test_without_keys_requests_are_anonymous() -> None:
    """No keys, or half of them: no header of the signature is sent."""
    request = urllib.request.Request("http://s3/a/b")

    worker.signed(request, dt.datetime(2013, 5, 24, tzinfo=dt.UTC), {"AWS_ACCESS_KEY_ID": "only"})

    assert request.header_items() == []


class Bucket(http.server.BaseHTTPRequestHandler):
    """S3 with one object per clip, in path style; it notes what it was asked."""

    asked: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization", "")))
        known = {f"/clips/a%20folder/{clip.name}": clip.content() for clip in clips.CLIPS}
        self.send_response(200 if self.path in known else 404)
        self.end_headers()
        self.wfile.write(known.get(self.path, b""))

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        right = self.headers["X-Amz-Content-Sha256"] == hashlib.sha256(body).hexdigest()
        self.asked.append((self.path, f"{len(body)} bytes"))
        self.send_response((409 if self.path == "/clips" else 200) if right else 403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """A bucket on loopback, in the environment of the worker: what it was asked."""
    monkeypatch.setattr(Bucket, "asked", [])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in ("http_proxy", "HTTP_PROXY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}/")
        yield Bucket.asked
        server.shutdown()


def test_clips_are_fetched_from_s3_in_path_style(
    tmp_path: Path, asked: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """s3://bucket/key is ENDPOINT/bucket/key, with the key quoted, signed where there are keys."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    code, result = score(tmp_path, "s3://clips/a folder/ref.yuv", "s3://clips/a folder/dist.yuv")

    assert (code, result) == (0, {"score": 31.23, "frames": 8})
    assert [path for path, _ in asked] == ["/clips/a%20folder/ref.yuv", "/clips/a%20folder/dist.yuv"]
    assert all(header.startswith("AWS4-HMAC-SHA256 Credential=id/") for _, header in asked)


def test_an_answer_of_s3_is_told(tmp_path: Path, asked: list[tuple[str, str]]) -> None:
    """An object that is not there is the server's 404, with the address of the clip."""
    code, result = score(tmp_path, "s3://clips/none", "s3://clips/none")

    assert (code, result["message"]) == (1, "s3://clips/none: the server answered 404 Not Found")
    assert [header for _, header in asked] == [""]


def test_the_files_of_a_directory_are_stored(
    tmp_path: Path, asked: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bucket is made, or is there already; then each file is put into it, signed with the digest of its content."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    clips.make(tmp_path)
    (tmp_path / "..data").mkdir()

    assert worker.main(["--store", str(tmp_path), "--bucket", "clips"]) == 0

    expected = [("/clips", "0 bytes"), ("/clips/dist.yuv", "49152 bytes"), ("/clips/ref.yuv", "49152 bytes")]
    assert asked == expected
    assert capsys.readouterr().out == "s3://clips/dist.yuv\ns3://clips/ref.yuv\n"


def test_what_the_server_refuses_is_not_stored(
    tmp_path: Path, asked: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """An answer that is no success ends the command with one sentence and exit code 1."""
    assert worker.main(["--store", str(tmp_path), "--bucket", "clips"]) == 1
    assert capsys.readouterr().err == "error: s3://clips: the server answered 403 Forbidden\n"
    assert len(asked) == 1


def test_half_a_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """One clip, or a directory without a bucket, is an error of usage."""
    for arguments in (["--reference", "file:///a"], ["--store", "/a"], []):
        with pytest.raises(SystemExit, match="2"):
            worker.main(arguments)
    assert "--reference and --distorted are needed" in capsys.readouterr().err


def test_an_endpoint_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is a sentence, without the number of the error."""
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    code, result = score(tmp_path, "s3://clips/ref.yuv", "s3://clips/dist.yuv")

    assert (code, result["message"]) == (1, "s3://clips/ref.yuv: Connection refused")
