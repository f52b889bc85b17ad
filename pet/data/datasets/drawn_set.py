"""Data sets that are drawn, not downloaded, and written as files when they are first used."""

import fcntl
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pet.data.files.json_files import read_json
from petlib.data.records import share_records
from petlib.errors import DataError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DrawnSet:
    """A part of a drawn data set.

    Attributes:
        name: of the data set, for messages.
        generator: ``info.description`` in its JSON file, by which files of Pet are known.
        version: ``info.version``; files of another one are written anew.
        count: ``info.count``, likewise.
        write: writes the files.
    """

    name: str
    generator: str
    version: int
    count: int
    write: Callable[[], object]

    def write_where_absent(self, folder: Path, file: str) -> Path:
        """Return the JSON file that says what the files are, and write them first where they are absent.

        The first process of each machine writes, the others wait; every process has to call this.

        Args:
            folder: of the part; the lock is next to it.
            file: name of the JSON file in it.

        Raises:
            DataError: the folder cannot be written, or holds something else.
        """
        return Path(share_records(lambda: [str(self._write(folder / file))])[0])

    def _write(self, place: Path) -> Path:
        if self._is_current(place):
            return place
        folder = place.parent
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with _locked(folder.with_name(f".{folder.name}.lock")):
                # another run may have written it while this one waited
                if not self._is_current(place):
                    start = time.perf_counter()
                    self.write()
                    logger.info("%s: %d images written to %s in %.0f s", self.name, self.count, folder, time.perf_counter() - start)
        except OSError as error:
            raise DataError(
                f"{folder}: the data set {self.name} cannot be written there: {error.strerror} ({error.filename or folder.parent}); "
                "set Source.root to a folder that can be written"
            ) from error
        return place

    def _is_current(self, place: Path) -> bool:
        """Return whether the files are there and of this generator; files of an older one may be replaced, others may not."""
        if not place.parent.exists() or not any(place.parent.iterdir()):
            return False
        try:
            info = read_json(place, what="the description of the data set")["info"]
            ours = info["description"] == self.generator
        except (DataError, LookupError, TypeError):
            ours = False
        if not ours:
            raise DataError(
                f"{place.parent}: there is something that Pet did not write, where the data set {self.name} would be; "
                f"move it away or give {self.name} another path in CatalogEntry"
            )
        return bool(info.get("version") == self.version and info.get("count") == self.count)


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder that takes the place of ``folder`` at the end, so that no reader finds half of it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        # such folders are private at first
        temporary.chmod(0o755)
        yield temporary
        _put_in_place(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(temporary: Path, place: Path) -> None:
    if not place.exists():
        temporary.rename(place)
        return
    # a folder that holds something cannot be renamed over
    old = temporary.with_name(f"{temporary.name}.old")
    place.rename(old)
    temporary.rename(place)
    shutil.rmtree(old)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait until no other process holds this lock, which ends with its process."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
