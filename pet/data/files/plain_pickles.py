"""Pickled data sets from outside."""

from pathlib import Path
from typing import Any

from pet.data.files.opening import read_file
from petlib.errors import DataError
from petlib.plain_pickles import PlainPickleError, parse_plain_pickle

MOST_BYTES = 1024**3


def read_plain_pickle(path: Path, *, what: str) -> Any:
    """Return what a pickle holds; see :func:`petlib.plain_pickles.parse_plain_pickle`.

    Args:
        path: the file.
        what: what it is called in messages, e.g. ``a CIFAR file``.

    Raises:
        DataError: it cannot be read, is no pickle, or holds something else than plain values and arrays of numbers.
    """
    try:
        return parse_plain_pickle(read_file(path, what=what, most_bytes=MOST_BYTES))
    except PlainPickleError as error:
        raise DataError(f"{path}: not {what}, or a damaged one: {error}") from error
