"""Members of archives: where they belong, what their links point to, and what goes wrong while they are read."""

import lzma
import os
import posixpath
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from petlib.errors import DataError

DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, NotImplementedError),
    *(ValueError, KeyError, IndexError, OverflowError, MemoryError, RuntimeError),
)
"""What the readers of the standard library raise for files that they cannot read, the last line for numbers and names in them."""

LONGEST_PATH, LONGEST_NAME = 1024, 255
"""Bytes of a member's path, and of each name in it: what file systems have room for below a folder."""

DEEPEST_PATH = 64
UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")
"""Bytes that are no UTF-8 appear as U+DC80 to U+DCFF in Python's names, and as they are on the disk."""


@dataclass(frozen=True)
class Member:
    """One file or folder of an archive.

    Attributes:
        path: where it belongs below the target folder; it does not lead out of it.
        name: what the archive calls it.
        size: bytes that it has by its header, which can lie.
        is_folder: it is a folder.
        link: the path of the file that it points to; None: it is no link.
        handle: what the archive's library knows of it.
    """

    path: PurePosixPath
    name: str
    size: int
    is_folder: bool
    link: PurePosixPath | None
    handle: Any


def path_inside(archive: Path, name: str) -> PurePosixPath:
    """Return the path of a member below the target folder; ``\\`` separates folders too, as some zip writers have it.

    Raises:
        DataError: it leads out of the folder, or is none that every file system and every list of files has room for.
    """
    _check_name(archive, name)
    plain = name.replace("\\", "/")
    path = PurePosixPath(plain)
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:/", plain):
        raise DataError(
            f"{archive}: the member {name!r} leads out of the target folder; nothing of the archive was unpacked. "
            "Archives of data do not do that: look where it comes from"
        )
    return path


def _check_name(archive: Path, name: str) -> None:
    found = UNPRINTABLE.search(name)
    if found:
        raise DataError(f"{archive}: the name {name[:100]!r} of a member holds the character {found.group()!r}; nothing was unpacked")
    parts = re.split(r"[/\\]+", name)
    if len(os.fsencode(name)) > LONGEST_PATH or len(parts) > DEEPEST_PATH or max(len(os.fsencode(part)) for part in parts) > LONGEST_NAME:
        raise DataError(
            f"{archive}: the name {name[:100]!r}... of a member is too long; at most {LONGEST_NAME} bytes a name, "
            f"{DEEPEST_PATH} folders in each other and {LONGEST_PATH} bytes in all have room on a disk; nothing was unpacked"
        )


def follow_links(archive: Path, members: dict[PurePosixPath, Member]) -> dict[PurePosixPath, Member]:
    """Return the members of an archive with links replaced by the files that they point to.

    Raises:
        DataError: a link leads to something else than a file of the archive.
    """
    return {path: member if member.link is None else _follow(archive, member, members) for path, member in members.items()}


def _follow(archive: Path, member: Member, members: dict[PurePosixPath, Member]) -> Member:
    seen: set[PurePosixPath] = set()
    file: Member | None = member
    while file is not None and file.link is not None and file.path not in seen:
        seen.add(file.path)
        file = members.get(file.link)
    if file is None or file.link is not None or file.is_folder:
        raise DataError(f"{archive}: the member {member.name!r} is a link to {str(member.link)!r}, which is no file of the archive")
    return replace(file, path=member.path)


def link_inside(archive: Path, name: str, whole: str, target: str) -> PurePosixPath:
    """Return the normal form of a link's target.

    Args:
        archive: the archive, for messages.
        name: what the archive calls the link.
        whole: the target as a path from the root of the archive.
        target: the target as the link has it.

    Raises:
        DataError: it leads out of the archive.
    """
    path = PurePosixPath(posixpath.normpath(whole))
    if path.is_absolute() or ".." in path.parts:
        raise DataError(
            f"{archive}: the member {name!r} is a link to {target!r}, which leads out of the target folder; "
            "nothing of the archive was unpacked"
        )
    return path


@contextmanager
def reading(archive: Path, member: str | None = None) -> Iterator[None]:
    """Turn what goes wrong while an archive is read into one message.

    Raises:
        DataError: it is damaged, or cannot be read.
    """
    try:
        yield
    except DataError:
        raise
    except DAMAGE as error:
        what = f"the member {member!r} is" if member else "the archive is"
        # some say nothing at all
        reason = str(error) or type(error).__name__
        raise DataError(f"{archive}: {what} damaged or of an unknown kind: {reason}. Get or make the archive again") from error
