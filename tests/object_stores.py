"""A real store of objects on loopback for tests, behind a proxy that counts and injects faults."""

import http.client
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import quote, unquote

import pytest

ANSWERS = {"refuse": (403, "AccessDenied"), "busy": (503, "SlowDown"), "full": (507, "XMinioStorageFull")}
AS_TESTER = "AWS4-HMAC-SHA256 Credential=tester/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
NOT_FORWARDED = ("transfer-encoding", "connection", "content-length")


class Proxy(ThreadingHTTPServer):
    """Forwards requests to a store.

    Attributes:
        fault: gets method and path of a request, and may say what goes wrong: ``drop`` (half of the body, then nothing), ``refuse``
            (403), ``busy`` (503), ``full`` (507), ``change`` (another byte in the middle of the body) or ``cut`` (half of the body, as if
            that were all).
        requests: how often each (method, path) was asked for.
        sent: bytes of bodies that were sent, by path.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, store: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = store
        self.fault: Callable[[str, str], str] = lambda method, path: ""
        self.requests: Counter[tuple[str, str]] = Counter()
        self.sent: Counter[str] = Counter()
        self.lock = Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""

    def forget(self) -> None:
        """Count from 0 again."""
        with self.lock:
            self.requests.clear()
            self.sent.clear()


class _Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def _forward(self) -> None:
        # clients of Google's API quote slashes and dots, too, and sign in a way that this store does not know
        path, mark, query = self.path.partition("?")
        path = unquote(path)
        headers = dict(self.headers)
        if not headers.get("authorization", "").startswith("AWS"):
            headers["authorization"] = AS_TESTER
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        with self.server.lock:
            self.server.requests[self.command, path] += 1
        fault = self.server.fault(self.command, path)
        if fault in ANSWERS:
            code, reason = ANSWERS[fault]
            self._answer(code, [], f"<Error><Code>{reason}</Code></Error>".encode())
            return
        connection = http.client.HTTPConnection(*self.server.store, timeout=60)
        connection.request(self.command, f"{quote(path)}{mark}{query}", body, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if fault == "change" and data:
            data = data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 255]) + data[len(data) // 2 + 1 :]
        if fault == "cut":
            data = data[: len(data) // 2]
        self._answer(answer.status, answer.getheaders(), data, dropped=fault == "drop")
        with self.server.lock:
            self.server.sent[path] += len(data)

    def _answer(self, code: int, headers: list[tuple[str, str]], data: bytes, *, dropped: bool = False) -> None:
        self.send_response(code)
        for name, value in headers:
            if name.lower() not in NOT_FORWARDED:
                self.send_header(name, value)
        is_head = self.command == "HEAD"
        length = next((value for name, value in headers if name.lower() == "content-length"), "0") if is_head else str(len(data))
        self.send_header("content-length", length)
        self.end_headers()
        if not is_head:
            self.wfile.write(data[: len(data) // 2] if dropped else data)
        if dropped:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _forward  # noqa: N815 -- names of http.server


@contextmanager
def open_store(bucket: str, set_variable: Callable[[str, str], None]) -> Iterator[Proxy]:
    """Start a store with one bucket, and let this process and what it starts find it by its environment."""
    server = pytest.importorskip("moto.server", reason="moto is not installed").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        proxy = Proxy(server.get_host_and_port())
        Thread(target=proxy.serve_forever, args=(0.02,), daemon=True).start()
        connection = http.client.HTTPConnection(*proxy.store, timeout=60)
        connection.request("PUT", f"/{bucket}")
        assert connection.getresponse().status == 200
        connection.close()
        set_variable("AWS_ENDPOINT_URL", proxy.url)
        for name, value in {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}.items():
            set_variable(name, value)
        yield proxy
        proxy.shutdown()
        proxy.server_close()
    finally:
        server.stop()
