"""Objects by their addresses: Amazon's and Google's API against a real store on loopback, Azure's requests, and who asks."""

import json
import logging
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from petlib.addresses import address_of
from petlib.errors import StoreError
from petlib.object_store import ObjectStore
from tests.object_stores import Proxy, open_store

VARIABLES = ("AWS_", "GOOGLE_", "AZURE_")


@pytest.fixture
def anonymous(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Take away what says who asks."""
    for name in [name for name in os.environ if name.startswith(VARIABLES)]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def service(anonymous: pytest.MonkeyPatch) -> Iterator[Proxy]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with open_store("bucket", anonymous.setenv) as proxy:
        yield proxy


class Endpoint(HTTPServer):
    """Answers GET requests with the same body, and keeps them."""

    def __init__(self, code: int, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.code, self.body = code, body
        self.asked: list[tuple[str, dict[str, str]]] = []
        Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: Endpoint

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): text for name, text in self.headers.items()}))
        self.send_response(self.server.code)
        self.send_header("content-length", str(len(self.server.body)))
        self.send_header("last-modified", "Mon, 30 Nov 2026 00:00:00 GMT")
        self.send_header("etag", '"1"')
        self.end_headers()
        self.wfile.write(self.server.body)

    do_PUT = do_POST = do_GET  # noqa: N815 -- names of http.server

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_objects_go_there_and_back(service: Proxy, anonymous: pytest.MonkeyPatch, tmp_path: Path, scheme: str) -> None:
    if scheme == "gs":
        key = {"gcs_base_url": service.url, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
        (tmp_path / "key.json").write_text(json.dumps(key))
        anonymous.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "key.json"))
        anonymous.setenv("GOOGLE_BASE_URL", service.url)
    store, place = ObjectStore(retry_seconds=1), f"{scheme}://bucket/some/place"
    store.put(f"{place}/a.txt", b"0123456789")
    (tmp_path / "large").write_bytes(bytes(range(256)) * 30_000)
    store.upload(tmp_path / "large", f"{place}/deep/large.bin")
    assert {item.name: item.size for item in store.list(place)} == {"a.txt": 10, "deep/large.bin": 256 * 30_000}
    assert store.get(f"{place}/a.txt", start=2, length=3) == b"234"
    (tmp_path / "copy").touch()
    assert store.download(f"{place}/deep/large.bin", tmp_path / "copy", most=10**9).size == 256 * 30_000
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "large").read_bytes()
    store.delete(f"{place}/a.txt")
    with pytest.raises(StoreError, match=rf"^{place}/a\.txt: there is no such object$"):
        store.get(f"{place}/a.txt")


def test_an_object_is_created_once(service: Proxy) -> None:
    store = ObjectStore(retry_seconds=1)
    assert store.create("s3://bucket/claim", b"first")
    assert not store.create("s3://bucket/claim", b"second")
    assert store.get("s3://bucket/claim") == b"first"


@pytest.mark.parametrize("address", ["az://container/some/a.txt", "abfs://container/some/a.txt"])
def test_azure_is_asked_by_who_the_environment_names(anonymous: pytest.MonkeyPatch, address: str) -> None:
    endpoint = Endpoint(200, b"from azure")
    anonymous.setenv("AZURE_STORAGE_ENDPOINT", endpoint.url)
    anonymous.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    anonymous.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")
    assert ObjectStore(retry_seconds=1).get(address) == b"from azure"
    (path, headers), *_ = endpoint.asked
    assert path == "/container/some/a.txt" and headers["authorization"].startswith("SharedKey account:")
    endpoint.shutdown()
    endpoint.server_close()


@pytest.mark.parametrize(
    ("address", "variables", "message"),
    [
        ("s3://bucket/a", {}, "there are no credentials for this store, .*: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION"),
        ("gs://bucket/a", {}, "there are no credentials for this store, .*: GOOGLE_SERVICE_ACCOUNT, the path of a key file"),
        (
            "gs://bucket/a",
            {"GOOGLE_SERVICE_ACCOUNT": "/nowhere/key.json"},
            "the settings of this store cannot be used: .*/nowhere/key.json: No such file .*: GOOGLE_SERVICE_ACCOUNT",
        ),
        ("az://box/a", {}, "the settings of this store cannot be used: .*Account must be specified; .*: AZURE_STORAGE_ACCOUNT_NAME and"),
        ("az://box/a", {"AZURE_STORAGE_ACCOUNT_NAME": "b"}, "there are no credentials for this store, .* AZURE_STORAGE_ACCOUNT_KEY"),
        (
            "az://box/a",
            {"AZURE_STORAGE_ACCOUNT_NAME": "b", "AZURE_STORAGE_ACCOUNT_KEY": "wrong"},
            "the settings of this store cannot be used: .*Invalid Access Key",
        ),
    ],
)
def test_missing_credentials_are_one_message(anonymous: pytest.MonkeyPatch, address: str, variables: dict[str, str], message: str) -> None:
    # whoever would say which machine this is, is not asked by tests
    nowhere = Endpoint(404, b"")
    for name in ("http_proxy", "HTTP_PROXY"):
        anonymous.setenv(name, nowhere.url)
    for name in ("no_proxy", "NO_PROXY"):
        anonymous.delenv(name, raising=False)
    for name, value in variables.items():
        anonymous.setenv(name, value)
    with pytest.raises(StoreError, match=f"^{address}: {message}") as refusal:
        ObjectStore(retry_seconds=1).get(address)
    assert refusal.value.kind == "refused"
    nowhere.shutdown()
    nowhere.server_close()


def test_addresses() -> None:
    assert address_of("s3://bucket/a") == address_of(Path("s3://bucket/a")) == "s3://bucket/a"
    assert [address_of(f"{scheme}://b/a") for scheme in ("gs", "az", "abfs", "abfss")] == [
        "gs://b/a",
        "az://b/a",
        "abfs://b/a",
        "abfss://b/a",
    ]
    assert address_of("/data/a") is None and address_of("C:/data") is None and address_of("ftp://host/a") is None
