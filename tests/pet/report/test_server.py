import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pet.report.server import RunServer
from petlib.errors import DataError, OutputError
from tests.pet.report.made_runs import write_run


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunServer]:
    served = RunServer(write_run(tmp_path / "run", tested=False))
    thread = threading.Thread(target=served.serve)
    thread.start()
    yield served
    served.close()
    thread.join()


def ask(address: str, **options: str) -> str:
    request = urllib.request.Request(address, headers={"Host": options["host"]} if "host" in options else {}, method=options.get("method"))
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


def refused(address: str, **options: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(address, **options)
    with caught.value:
        return caught.value.code


def test_the_page_needs_the_token_and_this_machine(server: RunServer) -> None:
    assert server.address.startswith("http://127.0.0.1:")
    assert "iteration 30 of 40, 0:00:10 left" in ask(server.address)
    bare = server.address.partition("?")[0]
    assert [refused(address) for address in (bare, f"{bare}?token=x", f"{bare}changes")] == [403, 403, 403]
    # a name of another owner that leads here, as a page elsewhere would use
    assert refused(server.address, host="evil.example:80") == 403


def test_it_only_reads(server: RunServer) -> None:
    assert [refused(server.address, method=method) for method in ("POST", "PUT", "DELETE")] == [501, 501, 501]
    assert refused(server.address.replace("/?", "/../run.json?")) == 404


def test_only_what_has_changed_is_sent_again(server: RunServer) -> None:
    first = json.loads(ask(server.address.replace("/?", "/changes?")))
    assert first["order"] == list(first["changed"])
    versions = {name: text.split('data-version="')[1].split('"')[0] for name, text in first["changed"].items()}
    known = ",".join(f"{name}:{version}" for name, version in versions.items())
    again = json.loads(ask(server.address.replace("/?", "/changes?") + f"&known={known}"))
    assert again == {"order": first["order"], "changed": {}}


def test_mistakes_are_named(tmp_path: Path, server: RunServer) -> None:
    with pytest.raises(DataError, match="there is no such folder"):
        RunServer(tmp_path / "missing")
    with pytest.raises(OutputError, match=rf"RunServer\.port: {server.port}: Address already in use; choose another one"):
        RunServer(tmp_path / "run", port=server.port)
