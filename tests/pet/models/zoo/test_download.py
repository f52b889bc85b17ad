"""Files of weights over HTTP: cut connections, checksums, servers that do not answer."""

import hashlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pet.models.zoo.download import ask, download
from petlib.errors import CheckpointError

CONTENT = bytes(range(256)) * 400
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()


class Server(HTTPServer):
    """Serves one file in ranges, as Hugging Face does: a first answer leads to the file and has its checksum."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bytes_at_once = len(CONTENT)
        self.checksum = ""
        self.version = '"1"'
        self.begins: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/resolve/main/model.safetensors"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        if self.path.startswith("/resolve"):
            self.send_response(302)
            self.send_header("Location", "/blob/model.safetensors")
            if self.server.checksum:
                self.send_header("X-Linked-Etag", f'"{self.server.checksum}"')
            self.send_header("Content-Length", "0")
        else:
            self._begin(0)
        self.end_headers()

    def do_GET(self) -> None:
        if self.path.startswith("/resolve"):
            self.do_HEAD()
            return
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.server.begins.append(begin)
        self._begin(begin)
        self.end_headers()
        # the connection ends before the length that was promised
        self.wfile.write(CONTENT[begin : begin + self.server.bytes_at_once])

    def _begin(self, begin: int) -> None:
        self.send_response(206 if begin else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", self.server.version)
        self.send_header("Content-Length", str(len(CONTENT) - begin))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- named by the standard library
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def test_a_connection_that_is_cut_is_continued(server: Server, tmp_path: Path) -> None:
    server.bytes_at_once = 40_000
    server.checksum = CHECKSUM
    assert ask(server.url)[:2] == (len(CONTENT), CHECKSUM)
    download(server.url, tmp_path / "a" / "model.safetensors")
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == CONTENT
    assert server.begins == [0, 40_000, 80_000]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["model.safetensors"]
    # it is there already
    download(server.url, tmp_path / "a" / "model.safetensors")
    assert len(server.begins) == 3


def test_a_later_call_goes_on_where_an_earlier_one_ended(server: Server, tmp_path: Path) -> None:
    server.bytes_at_once = 0
    (part,) = _interrupted(server, tmp_path)
    part.write_bytes(CONTENT[:30_000])
    server.bytes_at_once = len(CONTENT)
    server.begins.clear()
    download(server.url, tmp_path / "model.safetensors", sha256=CHECKSUM[:8])
    assert server.begins == [30_000]
    assert (tmp_path / "model.safetensors").read_bytes() == CONTENT
    assert not part.exists()


def test_half_a_file_of_another_version_is_not_continued(server: Server, tmp_path: Path) -> None:
    server.bytes_at_once = 0
    (part,) = _interrupted(server, tmp_path)
    part.write_bytes(b"older" * 1000)
    server.version, server.bytes_at_once = '"2"', len(CONTENT)
    download(server.url, tmp_path / "model.safetensors")
    assert (tmp_path / "model.safetensors").read_bytes() == CONTENT


def _interrupted(server: Server, folder: Path) -> list[Path]:
    with pytest.raises(CheckpointError, match=f"the connection ended after 0 of {len(CONTENT)} bytes; try again"):
        download(server.url, folder / "model.safetensors")
    return list(folder.glob(".model.safetensors.*.part"))


@pytest.mark.parametrize("given", ["0" * 64, ""])
def test_a_wrong_checksum_leaves_nothing(given: str, server: Server, tmp_path: Path) -> None:
    server.checksum = "1" * 64
    with pytest.raises(CheckpointError, match=f"the SHA-256 checksum of the file is {CHECKSUM}, {given or '1' * 64} expected"):
        download(server.url, tmp_path / "model.safetensors", sha256=given)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pet.models.zoo.download.SECONDS_TO_ANSWER", 0.2)
    with HTTPServer(("127.0.0.1", 0), Handler) as silent:
        started = time.monotonic()
        with pytest.raises(OSError, match="no answer in 0.2 s|timed out"):
            download(f"http://127.0.0.1:{silent.server_port}/a", tmp_path / "a")
        assert time.monotonic() - started < 5
