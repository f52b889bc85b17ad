"""Whole shards of stores on a disk of the node, which all of its processes share.

A shard is downloaded by one process while the others wait for it, under another name, and gets its own when its size and its CRC-32 are
right. The lock of a download is on its unfinished file and ends with its process, so that a process that is killed leaves nothing but
that file, which the next one takes over. Where the size limit is reached the shards that were used longest ago make room.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from petlib.errors import ConfigError, DataError, OutputError
from petlib.object_store import Downloaded

LOCK, UNFINISHED = ".lock", ".unfinished"

Download = Callable[[Path], Downloaded]
"""Writes an object into a file that exists."""


class Wanted(NamedTuple):
    """A file of a pack.

    Attributes:
        pack: the address of the pack.
        name: of the file there.
        size: bytes.
        crc: their CRC-32.
    """

    pack: str
    name: str
    size: int
    crc: int


class ShardCache:
    """A folder of downloaded files with a limit to their bytes.

    Args:
        folder: the folder, on a disk of this node; it may be shared with other runs.
        most_bytes: the limit.
    """

    def __init__(self, folder: Path, *, most_bytes: int) -> None:
        self.folder = folder
        self.most_bytes = most_bytes

    def path_of(self, wanted: Wanted) -> Path:
        """Return where a file is, or would be. A pack that was written anew has other files."""
        key = hashlib.sha256(f"{wanted.pack}\n{wanted.size}\n{wanted.crc}".encode()).hexdigest()[:12]
        return self.folder / hashlib.sha256(wanted.pack.encode()).hexdigest()[:12] / f"{key}-{wanted.name}"

    def get(self, wanted: Wanted, download: Download) -> Path:
        """Return the file, downloaded if need be; it may vanish later, when others need the room.

        Raises:
            ConfigError: it is larger than the limit.
            DataError: what the store has under this name is another file.
            OutputError: the disk is full, or cannot be written.
            StoreError: the store does not answer.
        """
        path = self.path_of(wanted)
        while not self._touch(path, wanted):
            with self._held(path, wait=True) as held:
                if held:
                    self._fill(path, wanted, download)
        return path

    def fetch(self, wanted: Wanted, download: Download) -> None:
        """Download a file that may be needed soon, unless it is here or another process is at it; errors are those of :meth:`get`."""
        path = self.path_of(wanted)
        if self._touch(path, wanted):
            return
        with self._held(path, wait=False) as held:
            if held:
                self._fill(path, wanted, download)

    def drop(self, wanted: Wanted) -> None:
        """Take a file away whose bytes turned out to be wrong."""
        self.path_of(wanted).unlink(missing_ok=True)

    def _touch(self, path: Path, wanted: Wanted) -> bool:
        """Return whether the file is here, and note that it was used."""
        with self._writing():
            try:
                if path.stat().st_size != wanted.size:
                    path.unlink()
                    return False
                os.utime(path)
            except FileNotFoundError:
                return False
        return True

    @contextmanager
    def _held(self, path: Path, *, wait: bool) -> Iterator[bool]:
        """Hold the unfinished file of ``path``; give whether it is held and still the one of that name."""
        unfinished = path.with_name(path.name + UNFINISHED)
        with self._writing():
            unfinished.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            is_held = _is_same(descriptor, unfinished)
            if is_held and path.exists():
                unfinished.unlink()
                is_held = False
            yield is_held
        finally:
            os.close(descriptor)

    def _fill(self, path: Path, wanted: Wanted, download: Download) -> None:
        """Download under the unfinished name, which is held, and rename."""
        unfinished = path.with_name(path.name + UNFINISHED)
        self._make_room(unfinished, wanted.size)
        try:
            with self._writing():
                found = download(unfinished)
            if found != (wanted.size, wanted.crc):
                raise DataError(_difference(wanted, found))
            with self._writing():
                unfinished.rename(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise

    def _make_room(self, unfinished: Path, size: int) -> None:
        """Remove what was used longest ago, and take ``size`` bytes of the limit for a file that is held."""
        if size > self.most_bytes:
            raise ConfigError(
                f"ShardCache.most_bytes: a file of {size:,} bytes is to be cached and {self.most_bytes:,} are allowed; allow more, or "
                "0 to read without a cache"
            )
        with self._writing(), (self.folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            files = sorted(self._files(), key=lambda item: item[0])
            used = sum(taken for _, taken, path in files if path != unfinished)
            for _, taken, path in files:
                if used + size <= self.most_bytes:
                    break
                if path != unfinished and _remove(path):
                    used -= taken
            # what is promised to a download counts for the others at once
            os.truncate(unfinished, size)

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Yield when each file was used, its bytes, and its path."""
        for path in self.folder.glob("*/*"):
            with suppress(FileNotFoundError):
                found = path.stat()
                yield found.st_mtime, found.st_size, path

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if isinstance(error, ConnectionError | TimeoutError):
                raise
            raise OutputError(f"{self.folder}: the cache of shards cannot be written: {error.strerror or error}") from error


def _difference(wanted: Wanted, found: Downloaded) -> str:
    place = f"{wanted.pack.rstrip('/')}/{wanted.name}"
    if found.size < wanted.size:
        return f"{place}: it is cut off: {found.size:,} bytes, and the index says {wanted.size:,}; write it anew with pet-pack"
    what = "its size" if found.size != wanted.size else "its CRC-32"
    return f"{place}: it was changed after it was packed: {what} is not that of the index; write the pack anew with pet-pack"


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _remove(path: Path) -> bool:
    """Remove a file, unless a process writes it; return whether it is gone."""
    if path.suffix != UNFINISHED:
        path.unlink(missing_ok=True)
        return True
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
            return True
        finally:
            os.close(descriptor)
    return False
