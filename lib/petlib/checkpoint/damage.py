"""Whether what lies on the disk is still what was written; files are read in small pieces, however large they are."""

import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from petlib.errors import CheckpointError

_PIECE_BYTES = 1 << 20
Checksums = Mapping[str, tuple[int, int]]
"""Size in bytes and CRC-32 of files, by their names."""


class DamagedError(CheckpointError):
    """A checkpoint is cut off, changed on the disk, or lacks a part; another one may be whole."""


def zip_damage(path: Path) -> str:
    """Return what is wrong with a zip file as ``torch.save`` writes it, compared with its checksums; empty where it is whole."""
    try:
        size = path.stat().st_size
        if size == 0:
            return "empty (0 bytes)"
        with zipfile.ZipFile(path) as archive:
            problem = _claims(archive, size)
            if problem:
                return problem
            record = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error) as error:
        return f"truncated or damaged ({error})"
    return f"damaged: the checksum of its record {record} is wrong" if record else ""


def _claims(archive: zipfile.ZipFile, size: int) -> str:
    """Return what is wrong with an archive by its directory: torch compresses nothing, so what is larger than the file is a bomb."""
    records = archive.infolist()
    if any(record.compress_type != zipfile.ZIP_STORED for record in records):
        return "no checkpoint (its records are compressed, which torch does not do)"
    claimed = sum(record.file_size for record in records)
    return f"damaged (its records claim {claimed} bytes, it has {size})" if claimed > size else ""


def checksums(folder: Path, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return the checksums of files in a folder.

    Raises:
        OSError: one cannot be read.
    """
    return {name: _checksum(folder / name) for name in names}


def changed_files(folder: Path, expected: Checksums) -> str:
    """Return which file of a folder is not as its checksum says; empty where all are."""
    for name, (size, checksum) in expected.items():
        path = folder / name
        if Path(name).name != name:
            return f"its list of files names {name!r}, which is not in this folder"
        try:
            there = path.stat().st_size
            if there != size:
                return f"damaged: {name} has {there} bytes, {size} were written"
            if _checksum(path) != (size, checksum):
                return f"damaged: the checksum of {name} is wrong"
        except FileNotFoundError:
            return f"damaged: {name} is missing"
        except OSError as error:
            return f"damaged: {name} cannot be read ({error})"
    return ""


def _checksum(path: Path) -> tuple[int, int]:
    size = checksum = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            size += len(piece)
            checksum = zlib.crc32(piece, checksum)
    return size, checksum
