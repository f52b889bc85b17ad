"""Serves the page of a run on this machine alone while it trains; it only reads, and refuses whoever lacks the token of its address."""

import hmac
import json
import logging
import secrets
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from pet.report.page import render_page, render_sections
from pet.report.run_folder import RunFolder, read_run
from petlib.errors import DataError, OutputError

LOOPBACK = "127.0.0.1"
LAST_PORT = 65535
FRESH = 1.0
"""Seconds for which what was read of the folder is used again, whoever asks."""

LOAD_COLUMNS = ("utilization.gpu", "memory.used", "memory.total")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"

logger = logging.getLogger(__name__)


class RunServer:
    """The page of a run at an address with a token.

    Args:
        folder: of the run.
        port: 0: any that is free.

    Attributes:
        address: where the page is, with its token.
        port: its number.

    Raises:
        DataError: it is no folder of a run.
        OutputError: the port is taken, or no number of a port.
    """

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        if not 0 <= port <= LAST_PORT:
            raise OutputError(f"RunServer.port: {port} given, a number from 1 to {LAST_PORT} expected, or 0 for any that is free")
        read_run(folder)
        self._folder = folder
        self._token = secrets.token_urlsafe(16)
        self._lock = threading.Lock()
        self._known: tuple[float, RunFolder] | None = None
        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), _handler(self._token, self._answer))
        except OSError as error:
            raise OutputError(f"RunServer.port: {port}: {error.strerror}; choose another one, or 0 for any that is free") from error
        self.port = self._server.server_address[1]
        self.address = f"http://{LOOPBACK}:{self.port}/?token={self._token}"

    def serve(self) -> None:
        """Answer until :meth:`close` is called from another thread, or an interruption."""
        try:
            self._server.serve_forever(poll_interval=0.2)
        finally:
            self._server.server_close()

    def close(self) -> None:
        """End :meth:`serve`."""
        self._server.shutdown()

    def _answer(self, path: str, known: dict[str, str]) -> tuple[str, str] | None:
        """Return type and text of what lies at a path; None: nothing."""
        if path == "/":
            return "text/html; charset=utf-8", render_page([self._read()], live=True)
        if path == "/changes":
            sections = render_sections([self._read()], live=True)
            changed = {section.id: section.html for section in sections if known.get(section.id) != section.version}
            return "application/json", json.dumps({"order": [section.id for section in sections], "changed": changed})
        return None

    def _read(self) -> RunFolder:
        with self._lock:
            if self._known is None or time.monotonic() - self._known[0] > FRESH:
                run = read_run(self._folder)
                # pictures of the test are those of an earlier one while the training goes on
                running = run.facts.get("state", "running") == "running"
                run = replace(run, samples=() if running else run.samples, facts={**run.facts, "load": accelerator_load()})
                self._known = time.monotonic(), run
            return self._known[1]


def accelerator_load() -> list[str]:
    """Return a line about each NVIDIA GPU; none where there is no driver."""
    command = ["nvidia-smi", f"--query-gpu={','.join(LOAD_COLUMNS)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=2, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [line.split(", ") for line in done.stdout.splitlines()]
    return [f"GPU {number}: {busy} % busy, {used} of {total} MiB in use" for number, (busy, used, total) in enumerate(rows)]


def _handler(token: str, answer: Callable[[str, dict[str, str]], tuple[str, str] | None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers GET with the right token and from this machine, and nothing else."""

        def do_GET(self) -> None:
            """Answer a request."""
            address = urlsplit(self.path)
            query = parse_qs(address.query)
            # a page elsewhere cannot reach this server by a name of its own
            host = self.headers.get("Host", "").rpartition(":")[0]
            if host not in (LOOPBACK, "localhost") or not hmac.compare_digest(query.get("token", [""])[0].encode(), token.encode()):
                self._send(HTTPStatus.FORBIDDEN, "text/plain", "the address lacks its token: take the whole one that pet-view printed\n")
                return
            known = dict(entry.split(":", 1) for entry in query.get("known", [""])[0].split(",") if ":" in entry)
            try:
                found = answer(address.path, known)
            except DataError as error:
                self._send(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", f"{error}\n")
                return
            if found is None:
                self._send(HTTPStatus.NOT_FOUND, "text/plain", "there is nothing\n")
            else:
                self._send(HTTPStatus.OK, *found)

        def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")):
                self.send_header(name, value)
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *values: object) -> None:  # noqa: A002 -- the name of the standard library
            """Requests are logged for whoever looks for them; the token is not."""
            logger.debug("%s", self.requestline.partition("?")[0])

    return Handler
