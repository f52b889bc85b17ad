"""A file over HTTP, once for all processes: continued where a connection was cut, and compared with its checksum."""

import fcntl
import hashlib
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from petlib.errors import CheckpointError

SECONDS_TO_ANSWER = 5.0
SECONDS_OF_SILENCE = 30.0
BLOCK = 1 << 20
MOST_CUTS = 5
"""Connections that are cut without a byte in between."""
CHECKSUM_HEADER = "X-Linked-Etag"
"""Has the SHA-256 of a large file on Hugging Face, in the answer that leads to it."""
SHA256_DIGITS = 64

logger = logging.getLogger(__name__)


class RemoteFile(NamedTuple):
    """What a server says of a file.

    Attributes:
        size: bytes; 0: it does not say.
        sha256: checksum; empty: it does not say.
        version: of the content, so that no two are joined; empty: it takes no ranges.
    """

    size: int
    sha256: str
    version: str


class _Linked(HTTPRedirectHandler):
    """Keeps the checksum that the first of several answers has."""

    checksum = ""

    def redirect_request(  # noqa: PLR0917 -- as the standard library calls it
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        """Follow as usual."""
        self.checksum = headers.get(CHECKSUM_HEADER, "") or self.checksum
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None:
            following.method = req.method
        return following


def ask(url: str) -> RemoteFile:
    """Return what the server says of a file, in a few seconds.

    Raises:
        OSError: it does not answer, or has no such file.
    """
    outcome: list[RemoteFile | OSError] = []

    def head() -> None:
        keeper = _Linked()
        try:
            with build_opener(keeper).open(Request(url, method="HEAD"), timeout=SECONDS_TO_ANSWER) as answer:
                headers = answer.headers
        except (OSError, ValueError) as error:
            outcome.append(error if isinstance(error, OSError) else OSError(str(error)))
            return
        checksum = (keeper.checksum or headers.get(CHECKSUM_HEADER, "")).strip('W/"').lower()
        takes_ranges = headers.get("Accept-Ranges", "") == "bytes"
        version = headers.get("ETag") or headers.get("Last-Modified") or ""
        outcome.append(
            RemoteFile(
                int(headers.get("Content-Length") or 0),
                checksum if len(checksum) == SHA256_DIGITS else "",
                hashlib.sha256(version.encode()).hexdigest()[:8] if takes_ranges and version else "",
            )
        )

    # names are looked up without any time limit, so that a thread is waited for
    thread = threading.Thread(target=head, daemon=True)
    thread.start()
    thread.join(SECONDS_TO_ANSWER)
    if not outcome:
        raise OSError(f"no answer in {SECONDS_TO_ANSWER:g} s")
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]


def download(url: str, path: Path, *, sha256: str = "") -> None:
    """Fetch a file, unless it is there; another process that fetches it is waited for.

    Half a file lies next to it as ``.NAME.VERSION.part``, where the server can continue it, and nothing else.

    Args:
        url: http, https or file.
        path: where it comes to lie, once it is whole and right.
        sha256: its checksum, or the beginning of it; empty: that of the server counts, where it has one.

    Raises:
        CheckpointError: the connection ends again and again, or the checksum is another.
        OSError: the server does not answer or has no such file, or the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock(path.parent):
        if path.exists():
            return
        remote = ask(url)
        part = path.with_name(f".{path.name}.{remote.version or os.getpid()}.part")
        logger.info("downloading %s to %s%s", url, path, f", {remote.size / 1e6:.0f} MB" if remote.size else "")
        try:
            _fill(part, url, remote)
            _compare(part, sha256.lower() or remote.sha256, url)
            part.replace(path)
        finally:
            if not remote.version:
                part.unlink(missing_ok=True)


def _fill(part: Path, url: str, remote: RemoteFile) -> None:
    """Append to a part until it is whole; a cut connection is opened anew as long as that brings something."""
    cuts, size = 0, 0
    while True:
        begin = part.stat().st_size if remote.version and part.exists() else 0
        if remote.size and begin >= remote.size:
            return
        size = _append(part, url, begin, remote)
        if size == remote.size or not remote.size:
            return
        cuts = cuts + 1 if size <= begin else 1
        if cuts >= MOST_CUTS or not remote.version:
            raise CheckpointError(f"{url}: the connection ended after {size} of {remote.size} bytes; try again")
        logger.warning("%s: the connection ended after %d of %d bytes; going on from there", url, size, remote.size)


def _append(part: Path, url: str, begin: int, remote: RemoteFile) -> int:
    """Fetch what is left from byte ``begin`` on, and return how long the part is now."""
    request = Request(url, headers={"Range": f"bytes={begin}-"} if begin else {})
    try:
        with build_opener().open(request, timeout=SECONDS_OF_SILENCE) as source:
            # a server that does not know ranges sends all of it
            continues = begin and getattr(source, "status", 0) == 206
            with part.open("ab" if continues else "wb") as target:
                shutil.copyfileobj(source, target, BLOCK)
    except HTTPError:
        raise
    except OSError as error:
        if not part.exists() or not remote.size:
            raise
        logger.warning("%s: %s", url, error)
    return part.stat().st_size


def checksum_of(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _compare(part: Path, expected: str, url: str) -> None:
    if expected and not (found := checksum_of(part)).startswith(expected):
        part.unlink()
        raise CheckpointError(
            f"{url}: the SHA-256 checksum of the file is {found}, {expected} expected; the file is damaged or another one: get it again"
        )


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let one process at a time download into a folder; the ranks of a run ask for the same file at once."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
