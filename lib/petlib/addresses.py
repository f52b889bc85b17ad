"""Addresses of objects in stores, ``s3://bucket/key``, and paths of this machine: which of the two a text is."""

import argparse
import os
import re
from collections.abc import Collection
from pathlib import Path

from petlib.errors import ConfigError

WRITABLE = ("s3", "gs", "az", "abfs", "abfss")
"""Schemes of stores that Pet writes into."""
READABLE = (*WRITABLE, "https", "http")
ANY_STORE = "an address such as s3://bucket/prefix, gs://... or az://..."
_ADDRESS = re.compile(rf"({'|'.join(READABLE)}):/+(.+)", re.DOTALL)
_STORE = re.compile(rf"({'|'.join(READABLE)}):(//?)?([^/]*)(.*)", re.DOTALL)


def address_of(path: str | Path) -> str | None:
    """Return the address of an object, ``s3://bucket/key``, of a text or of a path that was made of one; None: it is a file."""
    text = os.fspath(path)
    if ":" not in text[:6]:
        return None
    found = _ADDRESS.fullmatch(text)
    return f"{found[1]}://{found[2]}" if found else None


def check_address(text: str, *, place: str, expected: str, schemes: Collection[str] = WRITABLE) -> str | None:
    """Return the address that a user gave where an address or a path may be; None: it is a path.

    Args:
        text: what was given.
        place: the option or setting, for messages.
        expected: what may be given there, for messages, e.g. ``an empty folder, or an address such as ...``.
        schemes: of the stores that are possible there.

    Raises:
        ConfigError: it is an address of something else, or has no bucket. So ``ftp://x`` never becomes a folder ``ftp:`` here.
    """
    found = _STORE.fullmatch(text)
    if found is None or (not found[2] and found[3]):
        if "://" in text:
            raise ConfigError(f"{place} {text}: {expected} expected")
        return None
    scheme, bucket = found[1], found[3]
    if scheme not in schemes:
        raise ConfigError(f"{place} {text}: {expected} expected")
    if not bucket:
        missing = "host is missing, {}://host/path" if scheme.startswith("http") else "bucket is missing, {}://bucket/prefix"
        raise ConfigError(f"{place} {text}: the {missing.format(scheme)} expected")
    return address_of(text)


def local_path(text: str) -> Path:
    """Return the path of a file or folder of this machine, an option of a command line.

    Raises:
        argparse.ArgumentTypeError: it is an address, which as a path would be a folder ``s3:`` here.
    """
    if "://" in text:
        raise argparse.ArgumentTypeError(f"{text}: an address given, and a path of this machine expected")
    return Path(text)
