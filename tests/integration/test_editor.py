"""Configs in an editor: the language server of YAML completes, explains and refuses keys by the schemas that the files name."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import ROOT

SERVER = "yaml-language-server"
CONFIG = ROOT / "cfgs" / "vision" / "digits" / "resnet20_digits.yaml"
URI = CONFIG.as_uri()
SETTINGS = {"validate": True, "completion": True, "hover": True, "schemaStore": {"enable": False}}
LINE = "  DISPLAY_ITER: 22"


class Editor:
    """The part of an editor that talks to the server; it opens one file.

    Attributes:
        problems: what the server says of the file; None until it has looked at it.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._count = 0
        self._version = 0
        self.problems: list[dict[str, Any]] | None = None
        self.ask("initialize", processId=None, rootUri=ROOT.as_uri(), capabilities={})
        self._send(method="initialized", params={})
        self._send(method="workspace/didChangeConfiguration", params={"settings": {"yaml": SETTINGS}})

    def show(self, text: str) -> None:
        """Open the file with a text, or change it, and wait until the server has looked at it."""
        self._version += 1
        document = {"uri": URI, "languageId": "yaml", "version": self._version, "text": text}
        if self._version == 1:
            self._send(method="textDocument/didOpen", params={"textDocument": document})
        else:
            self._send(method="textDocument/didChange", params={"textDocument": document, "contentChanges": [{"text": text}]})
        self.problems = None
        while self.problems is None:
            self._take(self._receive())

    def ask(self, method: str, **params: Any) -> Any:
        self._count += 1
        self._send(id=self._count, method=method, params=params)
        while True:
            answer = self._receive()
            if answer.get("id") == self._count and "method" not in answer:
                assert "error" not in answer, answer
                return answer["result"]
            self._take(answer)

    def _take(self, message: dict[str, Any]) -> None:
        """Keep problems; answer what the server asks for."""
        if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == URI:
            self.problems = message["params"]["diagnostics"]
        elif "id" in message:
            wanted = message["params"]["items"] if message["method"] == "workspace/configuration" else []
            self._send(id=message["id"], result=[SETTINGS for _ in wanted] or None)

    def _send(self, **message: Any) -> None:
        assert self._process.stdin is not None
        text = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(text), text))
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        assert length, "the server has ended"
        found: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return found


@pytest.fixture
def editor() -> Iterator[Editor]:
    with subprocess.Popen([SERVER, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        limit = threading.Timer(180, process.kill)
        limit.start()
        yield Editor(process)
        limit.cancel()
        process.kill()


@pytest.mark.nightly
@pytest.mark.skipif(not shutil.which(SERVER), reason=f"there is no {SERVER}; npm install -g {SERVER} brings it")
def test_keys_are_completed_explained_and_refused(editor: Editor) -> None:
    text = CONFIG.read_text(encoding="utf-8")
    place = {"textDocument": {"uri": URI}, "position": {"line": text.splitlines().index(LINE), "character": 7}}
    editor.show(text)
    assert editor.problems == []
    assert "every so many iterations" in editor.ask("textDocument/hover", **place)["contents"]["value"]
    editor.show(text.replace(LINE, "  DISPLAY_ITR: 22"))
    assert [problem["message"] for problem in editor.problems or []] == ["Property DISPLAY_ITR is not allowed."]
    editor.show(text.replace(LINE, "  DISPL"))
    offered = {item["label"]: item for item in editor.ask("textDocument/completion", **place)["items"]}
    assert offered["DISPLAY_ITER"]["insertText"].startswith("DISPLAY_ITER: ")
    assert "every so many iterations" in str(offered["DISPLAY_ITER"]["documentation"])
    assert "BATCH_SIZE" not in offered
