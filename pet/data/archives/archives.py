"""Zip and tar archives as lists of members, whose paths are safe. Nothing is written here."""

import io
import os
import posixpath
import stat
import tarfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Self

from pet.data.archives.members import Member, link_inside, path_inside, reading
from pet.data.files.listing import files_in
from pet.data.files.skipped import SkipCounter
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


ZIP_SUFFIXES = (".zip",)
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
CHUNK_BYTES = 1 << 20
MOST_MEMBERS = 1_000_000
UTF8_FLAG, ENCRYPTED_FLAG = 0x800, 0x1
"""Bits of a zip member's general purpose flag (APPNOTE.TXT of PKWARE, section 4.4.4)."""

LONGEST_LINK = 4096
"""Bytes; paths of Linux are not longer."""

TAR_HEADERS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
LONGEST_HEADER = 1 << 20
"""Members of a tar archive that hold names and attributes of the next one, and the bytes that they may have."""


class Archive(ABC):
    """An open archive."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def members(self) -> Iterator[Member]:
        """Yield what is in it, in its order.

        Raises:
            DataError: a member leads out of the target folder, is neither file nor folder nor link, or the archive is damaged.
        """

    @abstractmethod
    def open(self, member: Member) -> IO[bytes]:
        """Return the bytes of a file."""

    @abstractmethod
    def close(self) -> None:
        """Close it."""

    def chunks(self, member: Member) -> Iterator[bytes]:
        """Yield the bytes of a file, piece by piece.

        Raises:
            DataError: it is damaged.
        """
        with reading(self.path, member.name), self.open(member) as source:
            while chunk := source.read(CHUNK_BYTES):
                yield chunk


class ZipArchive(Archive):
    """A zip archive.

    Args:
        path: the file.
        encoding: of names that are not marked as UTF-8; None: UTF-8 where they are that, else code page 437 as the format says.
        most_members: files and folders that it may have.

    Raises:
        DataError: it is no zip archive, or cut off.
    """

    def __init__(self, path: Path, encoding: str | None = None, *, most_members: int) -> None:
        super().__init__(path)
        self._encoding = encoding
        with reading(path), ExitStack() as opened:
            self._source = opened.enter_context(CountedZipFile(path, most_members))
            self._file = zipfile.ZipFile(self._source)
            opened.pop_all()

    def members(self) -> Iterator[Member]:
        """Yield what is in it."""
        for info in self._file.infolist():
            name = self._decode(info)
            if info.flag_bits & ENCRYPTED_FLAG:
                raise DataError(f"{self.path}: the member {name!r} is encrypted; unpack the archive with its password by hand")
            path = path_inside(self.path, name)
            link = None
            if stat.S_ISLNK(info.external_attr >> 16):
                target = self._read_link(info, name)
                link = link_inside(self.path, name, posixpath.join(posixpath.dirname(name), target), target)
            yield Member(path, name, info.file_size, name.replace("\\", "/").endswith("/"), link, info)

    def open(self, member: Member) -> IO[bytes]:
        """Return the bytes of a file."""
        return self._file.open(member.handle)

    def close(self) -> None:
        """Close it."""
        self._file.close()
        self._source.close()

    def _read_link(self, info: zipfile.ZipInfo, name: str) -> str:
        if info.file_size > LONGEST_LINK:
            raise DataError(f"{self.path}: the member {name!r} is a link of {info.file_size} bytes, a path expected")
        with reading(self.path, name):
            return self._file.read(info).decode("utf-8", "surrogateescape")

    def _decode(self, info: zipfile.ZipInfo) -> str:
        """Return a name: zipfile takes all that are not marked as UTF-8 for code page 437, which can be undone."""
        if info.flag_bits & UTF8_FLAG:
            return info.filename
        try:
            return info.filename.encode("cp437").decode(self._encoding or "utf-8")
        except UnicodeError:
            if self._encoding is None:
                return info.filename
            raise DataError(f"{self.path}: the name {info.filename!r} is not in the encoding {self._encoding}; try another one") from None


class _CheckedHeader(tarfile.TarInfo):
    """Refuses names and attributes so long that reading them, which happens at once, would fill the memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        info = super().frombuf(buf, encoding, errors)
        if info.type in TAR_HEADERS and info.size > LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {info.size} bytes, at most {LONGEST_HEADER} are read")
        return info


class TarArchive(Archive):
    """A tar archive, compressed or not.

    Args:
        path: the file.
        most_members: files and folders that it may have.

    Raises:
        DataError: it is no tar archive, or cut off.
    """

    def __init__(self, path: Path, *, most_members: int) -> None:
        super().__init__(path)
        self._most_members = most_members
        with reading(path):
            self._file = tarfile.open(path, tarinfo=_CheckedHeader)  # noqa: SIM115 -- closed by close()

    def members(self) -> Iterator[Member]:
        """Yield what is in it."""
        with reading(self.path):
            for count, info in enumerate(self._file):
                if count >= self._most_members:
                    raise DataError(too_many(self.path, self._most_members))
                path = path_inside(self.path, info.name)
                link = None
                if info.issym():
                    whole = posixpath.join(posixpath.dirname(info.name), info.linkname)
                    link = link_inside(self.path, info.name, whole, info.linkname)
                elif info.islnk():
                    link = link_inside(self.path, info.name, info.linkname, info.linkname)
                elif not info.isreg() and not info.isdir():
                    raise DataError(f"{self.path}: the member {info.name!r} is a device or a pipe, files and folders are expected")
                yield Member(path, info.name, info.size, info.isdir(), link, info)

    def open(self, member: Member) -> IO[bytes]:
        """Return the bytes of a file."""
        file = self._file.extractfile(member.handle)
        assert file is not None, f"{member.name} is no file"
        return file

    def close(self) -> None:
        """Close it."""
        self._file.close()


@contextmanager
def open_archive(path: Path, encoding: str | None = None, *, most_members: int = MOST_MEMBERS) -> Iterator[Archive]:
    """Open an archive by its suffix.

    Args:
        path: the file.
        encoding: see :class:`ZipArchive`.
        most_members: files and folders that it may have.

    Raises:
        DataError: it is no archive, or cut off, or has too many members.
    """
    is_zip = path.name.lower().endswith(ZIP_SUFFIXES)
    archive = ZipArchive(path, encoding, most_members=most_members) if is_zip else TarArchive(path, most_members=most_members)
    try:
        yield archive
    finally:
        archive.close()


def find_archives(source: Path) -> list[Path]:
    """Return ``source``, which is an archive, or the archives in the folder ``source``, by name.

    Raises:
        DataError: there is no such file, or no archive.
    """
    suffixes = (*ZIP_SUFFIXES, *TAR_SUFFIXES)
    if source.is_dir():
        skipped = SkipCounter(source)
        found = [source / name for name in files_in(source, suffixes, skipped)]
        if not found:
            raise DataError(f"{source}: no archives in this folder ({', '.join(suffixes)}){skipped.described()}")
        skipped.log()
        return found
    if not source.is_file():
        raise DataError(f"{source}: there is no such archive or folder of archives")
    if not source.name.lower().endswith(suffixes):
        raise DataError(f"{source}: not an archive by its name; one of {', '.join(suffixes)} expected")
    return [source]
