"""Files that a reader never sees half of, and files that a run appends to for days without losing anything in silence."""

import contextlib
import errno
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from petlib.errors import DataError, OutputError


@contextmanager
def writing_errors(place: str) -> Iterator[None]:
    """Make a mistake of the user of what cannot be written.

    Args:
        place: what is written to and the option or setting that says so, e.g. ``--out results``.

    Raises:
        OutputError: an ``OSError`` was raised.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{place}: {describe_refusal(error, place)}") from error


def describe_refusal(error: OSError, place: str) -> str:
    """Return why nothing can be written to a place, and what to do.

    Args:
        error: what the system said.
        place: the end of the sentence before, which need not name again the file that lies where a folder belongs.
    """
    blocking = _file_in_the_way(error)
    if blocking is None:
        return f"the results cannot be written: {error.strerror or error}; choose another place"
    name = "" if place.endswith(str(blocking)) else f"{blocking} is "
    return f"{name}a file, but a folder for the results expected; name another"


def _file_in_the_way(error: OSError) -> Path | None:
    if error.errno not in (errno.EEXIST, errno.ENOTDIR) or error.filename is None:
        return None
    path = Path(error.filename)
    return next((part for part in (path, *path.parents) if part.exists() and not part.is_dir()), None)


def check_folder(folder: Path, place: str) -> None:
    """Find out whether results can be written into a folder before they are computed, and leave nothing there.

    Args:
        folder: the folder; it need not exist.
        place: the option or setting that names it, with what was given, e.g. ``--out results``.

    Raises:
        OutputError: it cannot be made, or nothing can be written into it.
    """
    with writing_errors(place):
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        finally:
            for path in missing:
                with contextlib.suppress(OSError):
                    # another process may have begun to use it
                    path.rmdir()


@contextmanager
def reading_errors() -> Iterator[None]:
    """Make a mistake of the user of what cannot be read, such as a disk that has gone.

    Raises:
        DataError: an ``OSError`` was raised.
    """
    try:
        yield
    except OSError as error:
        place = "" if error.filename is None else f"{error.filename}: "
        raise DataError(f"{place}the data cannot be read: {error.strerror or error}") from error


def not_a_folder(path: Path) -> str:
    """Return why a path that is no folder is none, for messages."""
    # takes paths of any length, and those that may not be looked at
    return "this is a file, a folder expected" if os.path.exists(path) else "there is no such folder"  # noqa: PTH110


@contextmanager
def temporary_path(path: Path) -> Iterator[Path]:
    """Give a name next to ``path``, with its suffix, to write to; it becomes ``path`` at the end, and vanishes after an exception.

    Missing folders are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.tmp.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) next to ``path`` and rename it into place; missing folders are made."""
    with temporary_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def user_caches() -> Path:
    """Return Pet's folder among the user's caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pet"


MOST_WAITING_BYTES = 4 * 2**20


class AppendedFile:
    """A file that grows by whole pieces, e.g. lines.

    A piece that cannot be written waits in memory and is written before the next one, so that a disk that was full for an
    hour leaves no gap and no half line. Of more than 4 MiB that wait, the newest are lost, and counted.

    Args:
        path: the file; its folder must be there.
        pieces: what the pieces are, for messages: ``"lines"``.
        report: gets a sentence when writing begins to fail, and when it works again or the file is closed.

    Attributes:
        path: the file.
        lost: pieces that are lost.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, *, pieces: str, report: Callable[[str], None]) -> None:
        self.path = path
        self.lost = 0
        self._pieces = pieces
        self._report = report
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        self._process = os.getpid()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._is_failing = False

    def fileno(self) -> int:
        """Return the file descriptor, for writers that have no other means."""
        return self._descriptor

    def append(self, piece: bytes) -> None:
        """Write a piece, after those that wait; where that fails it waits too."""
        if self._process != os.getpid():
            # a fork leaves what waits to its parent
            self._process, self._waiting, self._waiting_bytes = os.getpid(), deque(), 0
        self._waiting.append(piece)
        self._waiting_bytes += len(piece)
        error = self._write()
        if error is None:
            if self._is_failing:
                self._is_failing = False
                self._report(f"{self.path}: it can be written again; {self._describe_loss()}")
            return
        if self._waiting_bytes > MOST_WAITING_BYTES and self._waiting[-1] is piece:
            self._waiting_bytes -= len(self._waiting.pop())
            self.lost += 1
        if not self._is_failing:
            self._is_failing = True
            reason = error.strerror or error
            self._report(f"{self.path}: it cannot be written: {reason}; its {self._pieces} wait in memory, the run goes on")

    def close(self) -> None:
        """Write what waits, say what is lost, and close the file."""
        if self._descriptor < 0:
            return
        if self._process == os.getpid() and self._waiting and self._write() is not None:
            self.lost += len(self._waiting)
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)
        if self._is_failing:
            self._is_failing = False
            self._report(f"{self.path}: {self._describe_loss()}")

    def _write(self) -> OSError | None:
        """Write what waits as far as that is possible; return what stopped it."""
        try:
            while self._waiting:
                written = os.write(self._descriptor, self._waiting[0])
                self._waiting_bytes -= written
                if written == len(self._waiting[0]):
                    self._waiting.popleft()
                else:
                    self._waiting[0] = self._waiting[0][written:]
        except OSError as error:
            return error
        return None

    def _describe_loss(self) -> str:
        return f"{self.lost} {self._pieces} are lost" if self.lost else "nothing is lost"
