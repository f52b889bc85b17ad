"""Objects in a store: S3, GCS, Azure or HTTP, read and written by obstore in a process of its own."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

from petlib import object_store_process
from petlib.errors import StoreError

RETRY_SECONDS = 60.0
CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION (AWS_ENDPOINT_URL for another store than Amazon's)",
    "gs": "GOOGLE_SERVICE_ACCOUNT, the path of a key file",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "abfs": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "abfss": "AZURE_STORAGE_ACCOUNT_KEY",
}
"""Scheme of an address -> the variables that say who asks."""
OF_ONE_OBJECT = ("get", "download", "delete")
"""Requests that need an object; what the others miss is the bucket."""


class StoredObject(NamedTuple):
    """An object of a store.

    Attributes:
        name: what follows the address that was listed.
        size: bytes.
        modified: when it was written, seconds since 1970.
    """

    name: str
    size: int
    modified: float


class Downloaded(NamedTuple):
    """What was written into a file.

    Attributes:
        size: bytes.
        crc: their CRC-32.
    """

    size: int
    crc: int


class ObjectStore:
    """Reads and writes objects by their addresses, ``s3://bucket/key``, ``gs://``, ``az://``, ``abfs://`` or ``https://``.

    The work is done by a helper process, which every process starts at its first request, also after a fork. One request at a time.

    Args:
        retry_seconds: for how long a request that fails is repeated, where that may help: lost connections and busy servers.
    """

    def __init__(self, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self.retry_seconds = retry_seconds
        self._owner = 0
        self._helper: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _store, (self.retry_seconds,)

    def get(self, url: str, *, start: int = 0, length: int | None = None) -> bytes:
        """Return an object, or ``length`` bytes of it from ``start`` on, fewer where it ends before.

        Raises:
            StoreError: it is missing, or the store refuses or does not answer.
        """
        return self._ask({"do": "get", "url": url, "start": start, "length": length})[1]

    def download(self, url: str, path: Path, *, most: int) -> Downloaded:
        """Write an object into a file that exists, and stop after more than ``most`` bytes.

        Raises:
            StoreError: see :meth:`get`.
            OSError: the file cannot be written.
        """
        answer, _ = self._ask({"do": "download", "url": url, "path": str(path), "most": most})
        return Downloaded(answer["size"], answer["crc"])

    def put(self, url: str, data: bytes) -> None:
        """Write an object as a whole.

        Raises:
            StoreError: see :meth:`get`.
        """
        self._ask({"do": "put", "url": url, "size": len(data)}, data)

    def create(self, url: str, data: bytes) -> bool:
        """Write an object as a whole unless there is one; return whether it was written. Of several who do so at a time one succeeds.

        Raises:
            StoreError: see :meth:`get`.
        """
        return bool(self._ask({"do": "create", "url": url, "size": len(data)}, data)[0]["created"])

    def upload(self, path: Path, url: str) -> None:
        """Make an object of a file; it appears as a whole.

        Raises:
            StoreError: see :meth:`get`.
            OSError: the file cannot be read.
        """
        self._ask({"do": "upload", "url": url, "path": str(path.absolute())})

    def list(self, url: str) -> list[StoredObject]:
        """Return the objects below an address, at any depth.

        Raises:
            StoreError: see :meth:`get`.
        """
        answer, _ = self._ask({"do": "list", "url": url})
        return [StoredObject(*item) for item in answer["objects"]]

    def delete(self, url: str) -> None:
        """Take an object away.

        Raises:
            StoreError: see :meth:`get`.
        """
        self._ask({"do": "delete", "url": url})

    def close(self) -> None:
        """End the helper; a later request starts another one."""
        helper, self._helper = self._helper, None
        if helper is not None and self._owner == os.getpid():
            assert helper.stdin is not None and helper.stdout is not None
            helper.stdin.close()
            helper.stdout.close()
            helper.wait()

    def _ask(self, request: dict[str, Any], body: bytes = b"") -> tuple[dict[str, Any], bytes]:
        if self._owner != os.getpid():
            # a fork: the helper is its parent's, and so may a thread be that holds the lock
            self._owner, self._helper, self._lock = os.getpid(), None, threading.Lock()
        with self._lock:
            try:
                answer, found = self._exchange(request, body)
            except (BrokenPipeError, EOFError):
                # it was killed; a second one has the same right to live
                self.close()
                try:
                    answer, found = self._exchange(request, body)
                except (BrokenPipeError, EOFError) as error:
                    self.close()
                    raise StoreError(f"{request['url']}: the process that reads it died twice; the machine may lack memory") from error
        if "error" in answer:
            _raise(request, answer, self.retry_seconds)
        return answer, found

    def _exchange(self, request: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        if self._helper is None:
            command = [sys.executable, "-P", str(object_store_process.__file__), str(self.retry_seconds)]
            self._helper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        requests, answers = self._helper.stdin, self._helper.stdout
        assert requests is not None and answers is not None
        requests.write(json.dumps(request).encode() + b"\n" + body)
        requests.flush()
        line = answers.readline()
        if not line:
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        found = answers.read(answer["bytes"])
        if len(found) < answer["bytes"]:
            raise EOFError
        return answer, found


def _store(retry_seconds: float) -> ObjectStore:
    return ObjectStore(retry_seconds=retry_seconds)


def _raise(request: dict[str, Any], answer: dict[str, Any], retry_seconds: float) -> None:
    kind, reason, url = answer["error"], answer["reason"], request["url"]
    if kind == "disk":
        raise OSError(answer["errno"], reason, request.get("path"))
    if kind == "setup":
        raise StoreError(f"{url}: reading it needs obstore: pip install 'pet-vision[remote]'", kind=kind)
    if kind == "missing":
        raise StoreError(f"{url}: there is no such {'object' if request['do'] in OF_ONE_OBJECT else 'bucket'}", kind=kind)
    variables = CREDENTIALS.get(url.partition(":")[0])
    advice = f"; the environment says who asks: {variables}" if variables else ""
    if kind == "anonymous":
        said = f"there are no credentials for this store, and this machine's own identity cannot be had{advice}"
        raise StoreError(f"{url}: {said} ({reason})", kind="refused")
    if kind == "settings":
        raise StoreError(f"{url}: the settings of this store cannot be used: {reason}{advice}", kind="refused")
    if kind == "refused":
        raise StoreError(f"{url}: the store refuses: {reason}{advice}", kind=kind)
    raise StoreError(f"{url}: the store gave no answer in {retry_seconds:g} s of trying: {reason}{advice}", kind=kind)
