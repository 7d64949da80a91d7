"""Scores a distorted clip against its reference, and writes the result where the operator reads it.

    scoring_worker.py --reference URI --distorted URI [--width 64 --height 64] [--result FILE]
    scoring_worker.py --store DIRECTORY --bucket NAME      # puts the files of a directory into a bucket, and makes that

Clips are raw: planar 4:2:0 with 8 bits, frame after frame. A URI is file:///path or s3://bucket/key. The endpoint of S3
and the keys come from AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION; without keys requests
are anonymous. Addresses are in path style: ENDPOINT/BUCKET/KEY.

The result is one line of JSON, by default in the termination message of the container: {"score": 31.23, "frames": 8},
or {"message": "..."} with exit code 1. The score is the PSNR of the luma in dB, rounded to two digits.
"""

import argparse
import datetime as dt
import hashlib
import hmac
import json
import math
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

TERMINATION_MESSAGE = "/dev/termination-log"
BEST = 100.0  # dB, of a clip that equals its reference: without noise the ratio is infinite, which JSON cannot say
TIMEOUT = 30.0  # seconds, of one request


class CannotScore(Exception):
    """Why there is no score, in one sentence."""


def luma_planes(clip: bytes, width: int, height: int, name: str) -> list[bytes]:
    """The luma of each frame, `width` x `height` bytes. A frame has half as many bytes of chroma behind them."""
    plane = width * height
    frame = plane * 3 // 2
    if not clip or len(clip) % frame:
        raise CannotScore(f"{name}: {len(clip)} bytes are not a whole number of frames of {frame} bytes")
    return [clip[start : start + plane] for start in range(0, len(clip), frame)]


def psnr(reference: list[bytes], distorted: list[bytes]) -> float:
    """10 log10(255^2 / MSE) in dB, over all frames together (ITU-T J.340)."""
    if len(reference) != len(distorted):
        raise CannotScore(f"the reference has {len(reference)} frames, the distorted clip {len(distorted)}")
    squares = sum(
        (one - other) ** 2
        for ours, theirs in zip(reference, distorted, strict=True)
        for one, other in zip(ours, theirs, strict=True)
    )
    if not squares:
        return BEST
    return 10 * math.log10(255**2 * sum(map(len, reference)) / squares)


def signed(
    request: urllib.request.Request, moment: dt.datetime, environment: Mapping[str, str]
) -> urllib.request.Request:
    """The request with Signature Version 4 of AWS, or as it is where the environment has no keys."""
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret:
        return request
    region = environment.get("AWS_REGION") or "us-east-1"
    parts = urllib.parse.urlsplit(request.full_url)
    body = request.data if isinstance(request.data, bytes) else b""
    stamp, content = moment.strftime("%Y%m%dT%H%M%SZ"), hashlib.sha256(body).hexdigest()
    given = {name.lower(): value for name, value in request.header_items()}
    every = {**given, "host": parts.netloc, "x-amz-content-sha256": content, "x-amz-date": stamp}
    names = ";".join(sorted(every))
    lines = [*(f"{name}:{every[name]}" for name in sorted(every)), ""]
    canonical = "\n".join([request.get_method(), parts.path, parts.query, *lines, names, content])
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    digest = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signing = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), digest):
        signing = hmac.digest(signing, part.encode(), "sha256")
    credential = f"AWS4-HMAC-SHA256 Credential={key}/{scope},SignedHeaders={names},Signature={signing.hex()}"
    for name, value in (*every.items(), ("authorization", credential)):
        request.add_header(name, value)
    return request


def fetch(uri: str, environment: Mapping[str, str]) -> bytes:
    """The content behind file:// or s3://. Raises CannotScore."""
    parts = urllib.parse.urlsplit(uri)
    try:
        match parts.scheme:
            case "file":
                return Path(urllib.parse.unquote(parts.path)).read_bytes()
            case "s3":
                return _object(parts.netloc, parts.path, environment)
            case scheme:
                raise CannotScore(f"{uri}: expected file:// or s3://, got {scheme or 'no scheme'}")
    except urllib.error.HTTPError as error:
        raise CannotScore(f"{uri}: the server answered {error.code} {error.reason}") from error
    except OSError as error:
        raise CannotScore(f"{uri}: {_why(error)}") from error


def _why(error: OSError) -> str:
    """The reason without its number; urllib wraps the error of the connection."""
    reason = getattr(error, "reason", error)
    return getattr(reason, "strerror", None) or str(reason)


def _object(
    bucket: str, path: str, environment: Mapping[str, str], method: str = "GET", body: bytes | None = None
) -> bytes:
    """The answer of S3 to one request, in path style."""
    endpoint = environment.get("AWS_ENDPOINT_URL")
    if not endpoint:
        raise CannotScore(f"s3://{bucket}{path}: AWS_ENDPOINT_URL is not set")
    url = f"{endpoint.rstrip('/')}/{bucket}{urllib.parse.quote(path)}"
    headers = {} if body is None else {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, data=body, headers=headers, method=method)  # noqa: S310 - of the environment
    with urllib.request.urlopen(signed(request, dt.datetime.now(dt.UTC), environment), timeout=TIMEOUT) as answer:  # noqa: S310 - likewise
        content: bytes = answer.read()
    return content


def store(directory: Path, bucket: str, environment: Mapping[str, str]) -> list[str]:
    """Makes the bucket and puts each file of a directory into it. Returns their addresses; raises CannotScore."""
    stored = []
    for path, body in [("", b""), *((f"/{file.name}", file.read_bytes()) for file in sorted(directory.glob("[!.]*")))]:
        try:
            _object(bucket, path, environment, "PUT", body)
        except urllib.error.HTTPError as error:
            if path or error.code != HTTPStatus.CONFLICT:  # the bucket is there
                raise CannotScore(f"s3://{bucket}{path}: the server answered {error.code} {error.reason}") from error
        except OSError as error:
            raise CannotScore(f"s3://{bucket}{path}: {_why(error)}") from error
        stored += [f"s3://{bucket}{path}"] if path else []
    return stored


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 where there is no score; the result says why."""
    parser = argparse.ArgumentParser(description="Computes the PSNR of two raw clips.")
    parser.add_argument("--reference")
    parser.add_argument("--distorted")
    parser.add_argument("--store", type=Path, metavar="DIRECTORY")
    parser.add_argument("--bucket")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--height", type=int, default=64)
    parser.add_argument("--result", type=Path, default=Path(TERMINATION_MESSAGE))
    given = parser.parse_args(arguments)
    if not (given.reference and given.distorted) and not (given.store and given.bucket):
        parser.error("--reference and --distorted are needed, or --store and --bucket")
    if given.store:
        return _stored(given.store, given.bucket)
    result: dict[str, object]
    try:
        reference, distorted = (
            luma_planes(fetch(uri, os.environ), given.width, given.height, uri)
            for uri in (given.reference, given.distorted)
        )
        result = {"score": round(psnr(reference, distorted), 2), "frames": len(reference)}
    except CannotScore as error:
        result = {"message": str(error)}
    line = json.dumps(result) + "\n"
    given.result.write_text(line, encoding="utf-8")
    sys.stdout.write(line)
    return 0 if "score" in result else 1


def _stored(directory: Path, bucket: str) -> int:
    try:
        sys.stdout.writelines(f"{address}\n" for address in store(directory, bucket, os.environ))
    except CannotScore as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
