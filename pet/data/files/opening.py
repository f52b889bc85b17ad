"""Files from outside: only files are opened, no more is read than can be, and no pickle runs code."""

import io
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pet.data.files.limits import LIMITS
from petlib.addresses import address_of
from petlib.errors import DataError, StoreError
from petlib.object_store import ObjectStore
from petlib.plain_pickles import PlainPickleError, parse_plain_pickle
from petlib.suggest import shortened

KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
LONGEST_NAME = 500
MOST_PICKLED = 1024**3
STORE = ObjectStore()
"""Reads single objects; its helper process starts with the first."""


def open_file(path: str | Path, *, what: str, hint: str = "", most_bytes: int | None = None) -> io.FileIO:
    """Return an open file, unbuffered. A pipe or device, which could wait or go on for ever, is not opened.

    Args:
        path: the file.
        what: what it is called in messages, e.g. ``the image``.
        hint: what messages say at their end.
        most_bytes: greatest size; None: any.

    Raises:
        DataError: it is missing, no file, or too large.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 -- many files
        if stat.S_ISDIR(found.st_mode):
            reason = "it is a folder"
        elif not stat.S_ISREG(found.st_mode):
            reason = f"it is {KINDS.get(stat.S_IFMT(found.st_mode), 'something else')}, a file expected"
        elif most_bytes is not None and found.st_size > most_bytes:
            reason = f"it has {found.st_size:,} bytes, and at most {most_bytes:,} are read ({_setting(most_bytes)})"
        else:
            # should it have become a pipe in between, nothing waits for it
            return io.FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "r")
    except OSError as error:
        reason = error.strerror or str(error)
        if isinstance(error, FileNotFoundError):
            reason += neighbour(os.fspath(path))
    except ValueError as error:
        # what no name of a file can hold; Python's versions word the first differently
        reason = "its name has a null byte" if "\0" in os.fspath(path) else str(error)
    raise DataError(f"{shortened(os.fspath(path), 500)}: {what} cannot be read: {reason}{hint}")


def neighbour(path: str) -> str:
    """Return a hint at files whose names are that of a missing one, or differ in case, in Unicode's form or in suffix only.

    They are looked for in its folder, or where that is missing as well in the nearest one above it.
    """
    if os.path.islink(path):  # noqa: PTH114 -- any length
        return f"; it is a link to {shortened(os.readlink(path), 500)}, where no file is"  # noqa: PTH115 -- any length
    folder, name = os.path.split(path)
    where = "its folder"
    while folder and not os.path.isdir(folder) and os.path.dirname(folder) != folder:  # noqa: PTH112, PTH120 -- any length
        folder = os.path.dirname(folder)  # noqa: PTH120 -- any length
        where = folder
    try:
        names = os.listdir(folder or ".")  # noqa: PTH208 -- many files
    except (OSError, ValueError):
        return ""
    for form in (_plain, lambda own: os.path.splitext(_plain(own))[0]):  # noqa: PTH122 -- many files
        close = [own for own in names if form(own) == form(name)]
        if close:
            return f"; there is {', '.join(map(shortened, sorted(close)[:3]))} in {where}"
    return ""


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).lower()


def check_file(path: str | Path, *, what: str) -> None:
    """Check that a library that opens files by itself is given a file, and neither an address nor a pipe.

    Raises:
        DataError: it is missing or no file.
    """
    open_file(path, what=what).close()


def read_file(path: str | Path, *, what: str, hint: str = "", most_bytes: int | None = None) -> bytes:
    """Return what a file holds, see :func:`open_file`; at most ``set_limits.file_bytes`` where ``most_bytes`` is None.

    ``path`` may be the address of an object in a store, ``s3://bucket/key``, or a path made of one.

    Raises:
        DataError: it cannot be read.
        StoreError: the store refuses or does not answer.
    """
    address = address_of(path)
    if address is not None:
        return _read_object(address, what, hint, LIMITS.file_bytes if most_bytes is None else most_bytes)
    try:
        with open_file(path, what=what, hint=hint, most_bytes=LIMITS.file_bytes if most_bytes is None else most_bytes) as file:
            return file.read()
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: {what} cannot be read: {error.strerror}{hint}") from error


def _read_object(address: str, what: str, hint: str, most_bytes: int) -> bytes:
    try:
        # a byte more than may be, so that what is larger is not fetched as a whole
        data = STORE.get(address, length=most_bytes + 1)
    except StoreError as error:
        if error.kind != "missing":
            raise
        raise DataError(f"{address}: {what} cannot be read: there is no such object{hint}") from error
    if len(data) > most_bytes:
        raise DataError(f"{address}: {what} cannot be read: at most {most_bytes:,} bytes are read ({_setting(most_bytes)}){hint}")
    return data


def read_text(path: Path, *, what: str, hint: str = "") -> str:
    """Return a text file in UTF-8, with or without the mark that some editors begin a file with.

    Raises:
        DataError: it cannot be read, or is no such text.
    """
    data = read_file(path, what=what, hint=hint)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{line}: {what} is no UTF-8 text ({error.reason}); save it as UTF-8") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{path}:{line}: {what} has a NUL byte, which no text has; save it as UTF-8")
    return text


def read_lines(path: Path, *, what: str, hint: str = "") -> Iterator[tuple[int, str]]:
    """Yield number and text of each line of a list that says something: neither empty, nor a comment that begins with ``#``.

    Raises:
        DataError: see :func:`read_text`.
    """
    for number, line in enumerate(read_text(path, what=what, hint=hint).splitlines(), start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield number, text


def is_name(value: object, *, longest: int = LONGEST_NAME) -> bool:
    """Return whether a value can be the name of a class or a file: text that can be printed and stored, of at most ``longest`` letters."""
    return isinstance(value, str) and 0 < len(value) <= longest and UNPRINTABLE.search(value) is None


def _setting(most_bytes: int) -> str:
    if most_bytes == LIMITS.image_bytes:
        return "8 for each of set_limits.pixels"
    return "set_limits.file_bytes" if most_bytes == LIMITS.file_bytes else "of such a file"


def read_plain_pickle(path: Path, *, what: str) -> Any:
    """Return what a pickle holds; see :func:`petlib.plain_pickles.parse_plain_pickle`.

    Args:
        path: the file.
        what: what it is called in messages, e.g. ``a CIFAR file``.

    Raises:
        DataError: it cannot be read, is no pickle, or holds something else than plain values and arrays of numbers.
    """
    try:
        return parse_plain_pickle(read_file(path, what=what, most_bytes=MOST_PICKLED))
    except PlainPickleError as error:
        raise DataError(f"{path}: not {what}, or a damaged one: {error}") from error
