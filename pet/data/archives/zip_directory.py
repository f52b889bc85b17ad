"""The directory of a zip archive, counted before ``zipfile`` makes an object of every member."""

import io
import os
from pathlib import Path

from petlib.errors import DataError

MEMBER_START = b"PK\x01\x02"
SMALLEST_MEMBER = 46
"""Bytes of a member in the directory, without its name (APPNOTE.TXT of PKWARE, section 4.3.12)."""

LARGEST_DIRECTORY = 1 << 29


class CountedZipFile(io.BufferedReader):
    """A zip file to be read by ``zipfile``, which asks for the whole directory at once.

    Args:
        path: the file.
        most_members: files and folders that it may have.

    Raises:
        DataError: raised where it is read: there are more.
    """

    def __init__(self, path: Path, most_members: int) -> None:
        super().__init__(io.FileIO(path))
        self._path = path
        self._most_members = most_members
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes, no more than there are, whatever is asked for."""
        wanted = self._size if size is None or size < 0 else min(size, self._size)
        if wanted > LARGEST_DIRECTORY:
            raise DataError(f"{self._path}: its list of members claims {wanted:,} bytes, at most {LARGEST_DIRECTORY:,} are read")
        content = super().read(wanted)
        if len(content) > self._most_members * SMALLEST_MEMBER and content.count(MEMBER_START) > self._most_members:
            raise DataError(too_many(self._path, self._most_members))
        return content


def too_many(path: Path, most: int) -> str:
    """Return the message about an archive of more than ``most`` members."""
    return f"{path}: it has more than {most:,} members, each of which takes memory; if that is right, allow more with --max-files"
