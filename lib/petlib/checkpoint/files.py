"""Files that are whole or not there: written next to their place, flushed to the disk, and renamed."""

import errno
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

_LOGGER = logging.getLogger(__name__)
_TEMPORARY = re.compile(r"\.model_\w+\.(pth|dcp)\.\d+\.tmp")
_CANNOT_LINK = (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK)


class Sink:
    """What ``torch.save`` writes into: a new unbuffered file that remembers why writing failed.

    torch replaces an error of the file by one of its own that says nothing of a full disk.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)
        self.error: OSError | None = None

    def write(self, data: bytes | memoryview) -> int:
        """Write all of ``data``, however little the system takes at once."""
        rest = memoryview(data)
        size = rest.nbytes
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.error = error
            raise
        return size

    def flush(self) -> None:
        """Do nothing; there is no buffer."""

    def close(self, *, to_disk: bool) -> None:
        """Close the file; with ``to_disk`` wait until the disk has it."""
        try:
            if to_disk:
                os.fsync(self._file.fileno())
        finally:
            self._file.close()


def temporary_path(path: Path) -> Path:
    """Return the hidden name under which this process prepares ``path``, in the same folder."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def write_atomically(path: Path, write: Callable[[Sink], object]) -> None:
    """Let ``write`` fill a temporary file and rename it to ``path`` once the disk has all of it.

    Raises:
        OSError: it could not be written; the temporary file is removed and ``path`` is as it was.
    """
    temporary = temporary_path(path)
    temporary.unlink(missing_ok=True)
    try:
        sink = Sink(temporary)
        written = False
        try:
            write(sink)
            written = True
        except RuntimeError as error:
            raise sink.error or error from error
        finally:
            sink.close(to_disk=written)
        temporary.replace(path)
    except BaseException:
        remove_if_possible(temporary)
        raise
    flush_folder(path.parent)


def link_atomically(source: Path, path: Path) -> None:
    """Make ``path`` another name of the file ``source``, or a copy where the file system has no hard links."""
    temporary = temporary_path(path)
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        write_atomically(path, lambda sink: _copy(source, sink))
        return
    try:
        temporary.replace(path)
    except OSError:
        remove_if_possible(temporary)
        raise
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Wait until the disk has the names of the files in ``folder``."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds, if it is there; a folder leaves its name first, so that no part of it keeps that."""
    if path.is_dir() and not path.is_symlink():
        hidden = path if _TEMPORARY.fullmatch(path.name) else path.rename(temporary_path(path))
        shutil.rmtree(hidden)
    else:
        path.unlink(missing_ok=True)


def remove_if_possible(path: Path) -> None:
    """Remove what a failed save left; the error of the save matters more than that of the removal."""
    try:
        remove(path)
    except OSError as error:
        _LOGGER.debug("%s stays: %s", path, error)


def make_newest(path: Path, others: Iterable[Path]) -> None:
    """Give ``path`` a later time than the ``others`` have, wherever the clock has jumped since they were written."""
    newest = max((other.stat().st_mtime_ns for other in others), default=0)
    if path.stat().st_mtime_ns <= newest:
        os.utime(path, ns=(newest + 1_000_000, newest + 1_000_000))


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders of checkpoints that a killed process left in ``folder``."""
    for path in folder.iterdir():
        if _TEMPORARY.fullmatch(path.name):
            remove(path)


def _copy(source: Path, sink: Sink) -> None:
    with source.open("rb") as file:
        shutil.copyfileobj(file, sink, 1 << 22)
