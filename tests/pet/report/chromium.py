"""Chromium without a window, driven through a pipe by the protocol of its developer tools: no package is needed for it."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60.0
PLACE_PIPES = """
import fcntl, os, sys
high = [fcntl.fcntl(int(pipe), fcntl.F_DUPFD, 10) for pipe in sys.argv[1:3]]
for place, pipe in zip((3, 4), high):
    os.dup2(pipe, place)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_chromium() -> str:
    """Return the program; empty: it is not installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), "")


class Browser:
    """A tab.

    Attributes:
        events: all that the browser has reported, each with ``method`` and ``params``.
    """

    def __init__(self, writer: int, reader: int) -> None:
        self._writer, self._reader = writer, reader
        self._text = b""
        self._count = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []

    def open_tab(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        number = self._count
        message = {"id": number, "method": method, "params": params, **({"sessionId": self._session} if self._session else {})}
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return cast("dict[str, Any]", answer["result"])
        raise AssertionError(f"{method}: no answer in {PATIENCE:.0f} s")

    def look(self, address: str, *, width: int, dark: bool) -> None:
        """Open a page in a window of so many pixels, and wait until it is loaded and its charts are drawn."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.events.clear()
        self.call("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete' && document.querySelectorAll('.plot:not(:has(canvas))').length === 0")

    def wait_for(self, expression: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.evaluate(expression):
            assert time.monotonic() < deadline, expression
            time.sleep(0.05)

    def evaluate(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        number, text = {"Tab": (9, ""), "Enter": (13, "\r")}.get(key, (0, ""))
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=number, text=text)

    def complaints(self) -> list[str]:
        """Return what the page has written into the console, and what went wrong in it."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [json.dumps(event["params"]) for event in self.events if event["method"] in kinds]

    def requests(self) -> list[str]:
        """Return the addresses that the page has asked for, without those that hold their data themselves."""
        found = [event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [address for address in found if not address.startswith("data:")]

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page."""
        height = self.evaluate("document.documentElement.scrollHeight")
        width = self.evaluate("innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        data = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._text:
            part = os.read(self._reader, 2**20)
            assert part, "the browser has ended"
            self._text += part
        message, _, self._text = self._text.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        if "method" in found:
            self.events.append(found)
        return found


@contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """Give a tab of a browser that ends with the block."""
    commands, writer = os.pipe()
    reader, answers = os.pipe()
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}", "--remote-debugging-pipe")

    # the browser reads commands from 3 and answers on 4
    command = [sys.executable, "-c", PLACE_PIPES, str(commands), str(answers), find_chromium(), *options]
    process = subprocess.Popen(command, pass_fds=(commands, answers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(commands)
    os.close(answers)
    try:
        browser = Browser(writer, reader)
        browser.open_tab()
        yield browser
    finally:
        process.kill()
        process.wait()
        os.close(writer)
        os.close(reader)
