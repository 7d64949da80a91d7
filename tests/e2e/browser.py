"""Headless Chromium for the tests, by its own DevTools protocol: what a page shows, logs and asks for.

The client for WebSockets comes with the Kubernetes client; a browser driver would add a runtime of its own.
"""

import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)
PATIENCE = 60.0  # seconds for the browser to come up, on a machine that does other things too


def find() -> str | None:
    """The first browser on PATH that these tests can drive."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Tab:
    """One page. `events` holds what the browser has told so far: logs, exceptions, requests."""

    def __init__(self, connection: websocket.WebSocket) -> None:
        self.connection = connection
        self.events: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.send("Performance.enable", timeDomain="threadTicks")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command; events that come before it are kept."""
        number = next(self._numbers)
        self.connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.connection.recv())
            if message.get("id") != number:
                self.events.append(message)
            elif "error" in message:
                raise AssertionError(f"{method}: {message['error']}")
            else:
                result: dict[str, Any] = message["result"]
                return result

    def open(self, address: str) -> None:
        """Load a page anew, and wait until it is all there."""
        self.send("Page.navigate", url="about:blank")
        self.events.clear()
        self.send("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.protocol !== 'about:'")

    def evaluate(self, expression: str) -> Any:
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str) -> None:
        end = time.monotonic() + PATIENCE
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.05)

    def work(self) -> float:
        """Seconds of processor time that the page's process has used on its main thread so far: what else the machine
        does is not in them.
        """
        metrics = self.send("Performance.getMetrics")["metrics"]
        return next(float(each["value"]) for each in metrics if each["name"] == "TaskDuration")

    def press(self, key: str) -> None:
        """A key as a person presses it: Tab moves the focus, Enter follows a link."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key], **text)

    def size(self, width: int, height: int) -> None:
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme: str) -> None:
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, file: Path) -> bytes:
        picture = base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])
        file.write_bytes(picture)
        return picture

    def complaints(self) -> list[Any]:
        """Errors and warnings in the console, and exceptions."""
        bad = []
        for event in self.events:
            parameters = event.get("params", {})
            match event.get("method"):
                case "Runtime.exceptionThrown":
                    bad.append(parameters)
                case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "warning", "assert"):
                    bad.append(parameters)
                case "Log.entryAdded" if parameters["entry"]["level"] in ("error", "warning"):
                    bad.append(parameters["entry"])
        return bad

    def requests(self) -> list[str]:
        """What the page has asked for, itself included."""
        return [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]


@contextmanager
def tab(program: str, home: Path) -> Iterator[Tab]:
    """A browser of the test's own, with `home` as its profile; it is gone afterwards."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "log").open("wb") as log:
        browser = subprocess.Popen([program, *FLAGS, f"--user-data-dir={home}", "about:blank"], stdout=log, stderr=log)
    try:
        port = _port(home, browser)
        connection = websocket.create_connection(
            _address(port), timeout=PATIENCE, suppress_origin=True, http_no_proxy=["127.0.0.1"]
        )
        try:
            yield Tab(connection)
        finally:
            connection.close()
    finally:
        browser.terminate()
        try:
            browser.wait(15)
        except subprocess.TimeoutExpired:
            browser.kill()
            browser.wait()


def _port(home: Path, browser: "subprocess.Popen[bytes]") -> int:
    told, end = home / "DevToolsActivePort", time.monotonic() + PATIENCE
    while not (told.exists() and told.read_text().strip()):
        log = (home / "log").read_text(errors="replace")[-2000:]
        assert browser.poll() is None, f"the browser ended: {log}"
        assert time.monotonic() < end, f"the browser has not come up in {PATIENCE:.0f} s: {log}"
        time.sleep(0.1)
    return int(told.read_text().split()[0])


def _address(port: int) -> str:
    """The address of the first tab's DevTools."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + PATIENCE
    while True:
        with opener.open(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE) as answer:
            found = [each for each in json.load(answer) if each["type"] == "page"]
        if found:
            return str(found[0]["webSocketDebuggerUrl"])
        assert time.monotonic() < end
        time.sleep(0.1)
