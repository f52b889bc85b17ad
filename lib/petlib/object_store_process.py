"""Reads and writes objects of a store, as a program of its own: the threads of obstore do not survive a fork, and loader workers are forks.

It takes requests from its input, a line of JSON each, with ``size`` bytes behind it where something is to be written, and answers each
with a line of JSON and as many bytes. It ends when its input does. Needs obstore and the standard library alone.
"""

import json
import os
import re
import signal
import sys
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT", "GOOGLE_BASE_URL")
REFUSED = ("PermissionDeniedError", "UnauthenticatedError")
IDENTITY_SERVICES = re.compile(r"://(169\.254\.169\.254|metadata\.google\.internal)/")
"""Machines of a cloud ask there who they are; obstore does so where the environment has no credentials."""
NO_BUCKET = re.compile(r"<Code>(NoSuchBucket|ContainerNotFound)</Code>")
PIECE = 8 * 2**20
MOST_PAUSE = 5.0
CONNECT_SECONDS, SILENT_SECONDS, LONGEST_SECONDS = "10s", "30s", "3600s"


class SettingsError(Exception):
    """What the environment or the address says of a store cannot be used."""


class Stores:
    """Does what requests ask for.

    Args:
        retry_seconds: for how long a request that fails is repeated, where that may help.
    """

    def __init__(self, retry_seconds: float) -> None:
        self._retry_seconds = retry_seconds
        self._stores: dict[str, Any] = {}

    def answer(self, request: dict[str, Any], body: bytes) -> tuple[dict[str, Any], Any]:
        """Return the answer of a request, and the bytes behind it."""
        work: Callable[[dict[str, Any], bytes], tuple[dict[str, Any], Any]] = getattr(self, f"_{request['do']}")
        return work(request, body)

    def _get(self, request: dict[str, Any], body: bytes) -> tuple[dict[str, Any], Any]:
        import obstore

        store, key = self._place(request["url"])
        if request["length"] is None:
            found = obstore.get(store, key).bytes()
        else:
            found = obstore.get_range(store, key, start=request["start"], length=request["length"])
        return {}, memoryview(found)

    def _download(self, request: dict[str, Any], body: bytes) -> tuple[dict[str, Any], Any]:
        import obstore

        store, key = self._place(request["url"])
        size = crc = 0
        with Path(request["path"]).open("r+b") as file:
            for piece in obstore.get(store, key).stream(min_chunk_size=PIECE):
                crc = zlib.crc32(piece, crc)
                size += len(piece)
                if size > request["most"]:
                    break
                file.write(piece)
            file.truncate()
        return {"size": size, "crc": crc}, b""

    def _put(self, request: dict[str, Any], body: bytes) -> tuple[dict[str, Any], Any]:
        import obstore

        store, key = self._place(request["url"])
        obstore.put(store, key, body)
        return {}, b""

    def _create(self, request: dict[str, Any], body: bytes) -> tuple[dict[str, Any], Any]:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        store, key = self._place(request["url"])
        try:
            obstore.put(store, key, body, mode="create")
        except AlreadyExistsError:
            return {"created": False}, b""
        return {"created": True}, b""

    def _upload(self, request: dict[str, Any], body: bytes) -> tuple[dict[str, Any], Any]:
        import obstore

        store, key = self._place(request["url"])
        obstore.put(store, key, Path(request["path"]))
        return {}, b""

    def _list(self, request: dict[str, Any], body: bytes) -> tuple[dict[str, Any], Any]:
        import obstore

        store, key = self._place(f"{request['url'].rstrip('/')}/")
        found = [item for batch in obstore.list(store, key.rstrip("/") or None) for item in batch]
        below = [item for item in found if item["path"].startswith(key)]
        objects = [[item["path"][len(key) :], item["size"], item["last_modified"].timestamp()] for item in below]
        return {"objects": objects}, b""

    def _delete(self, request: dict[str, Any], body: bytes) -> tuple[dict[str, Any], Any]:
        import obstore

        store, key = self._place(request["url"])
        obstore.delete(store, key)
        return {}, b""

    def _place(self, url: str) -> tuple[Any, str]:
        """Return the store of an address, and the key of the object in it.

        Raises:
            SettingsError: there can be no such store.
        """
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        parts = urlsplit(url)
        root = f"{parts.scheme}://{parts.netloc}"
        if root not in self._stores:
            client: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "read_timeout": SILENT_SECONDS, "timeout": LONGEST_SECONDS}
            if root.startswith("http:") or any(os.environ.get(name, "").startswith("http:") for name in ENDPOINTS):
                client["allow_http"] = True
            pause: Any = {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=MOST_PAUSE), "base": 2}
            retry: Any = {"max_retries": 100, "retry_timeout": timedelta(seconds=self._retry_seconds), "backoff": pause}
            options: dict[str, Any] = {"client_options": client, "retry_config": retry}
            try:
                self._stores[root] = from_url(root, **options)
            except (BaseError, ValueError) as error:
                raise SettingsError(first_line(error)) from error
        return self._stores[root], url[len(root) :].lstrip("/")


def serve(requests: BinaryIO, answers: BinaryIO, retry_seconds: float) -> None:
    """Answer requests until there are no more."""
    stores = Stores(retry_seconds)
    for line in requests:
        request = json.loads(line)
        body = requests.read(request.get("size", 0))
        try:
            answer, found = stores.answer(request, body)
        except Exception as error:  # noqa: BLE001 -- the other side reports it
            answer, found = {"error": kind_of(error), "reason": first_line(error), "errno": getattr(error, "errno", None)}, b""
        answers.write(json.dumps({**answer, "bytes": len(found)}).encode() + b"\n")
        answers.write(found)
        answers.flush()


def kind_of(error: Exception) -> str:
    """Return what kind of failure it is: ``missing``, ``settings``, ``anonymous``, ``refused``, ``disk``, ``setup`` or ``failed``."""
    if isinstance(error, FileNotFoundError) and error.errno is None or NO_BUCKET.search(str(error)):
        return "missing"
    if isinstance(error, ModuleNotFoundError):
        return "setup"
    if isinstance(error, SettingsError):
        return "settings"
    if IDENTITY_SERVICES.search(str(error)):
        return "anonymous"
    if type(error).__name__ in REFUSED or re.search(r"\b40[13] (?:Forbidden|Unauth)", str(error)):
        return "refused"
    return "disk" if isinstance(error, OSError) and error.errno is not None else "failed"


def first_line(error: Exception) -> str:
    """Return what an error says, without the tree of causes that follows."""
    text = str(error).strip().partition("\n\nDebug source")[0]
    return " ".join(text.split())[:500] or type(error).__name__


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        # they are sent to all processes of a run that is to save a checkpoint first
        signal.signal(number, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer, float(sys.argv[1]))
