"""JSON files from outside."""

import gc
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.files.opening import read_file
from petlib.errors import DataError

DEEPEST = 200
"""How deep lists and mappings may be nested; Python's own limit is another one in each of its versions."""
_OTHER_BYTES = bytes(set(range(256)) - set(b"[]{}"))
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def read_json(path: Path, *, what: str, hint: str = "") -> Any:
    """Return what a JSON file holds.

    Args:
        path: the file.
        what: what it is called in messages.
        hint: what messages say at their end where it cannot be read.

    Raises:
        DataError: it cannot be read, is larger than ``DATA.MAX_FILE_BYTES``, no JSON, or nested deeper than ``DEEPEST``.
    """
    data = read_file(path, what=what, hint=hint)
    # brackets in strings may deceive the first count, which takes a few percent of the time
    if _depth(data) > DEEPEST and _depth(_STRING.sub(b"", data)) > DEEPEST:
        raise DataError(f"{path}: {what} is nested too deeply to be read")
    try:
        with _no_garbage_collection():
            return json.loads(data)
    except MemoryError as error:
        raise DataError(f"{path}: {what} does not fit into the memory ({len(data):,} bytes)") from error
    except ValueError as error:
        # no JSON, no text, or a number of more digits than Python reads
        raise DataError(f"{path}: not a JSON file, or a damaged one: {error}") from error


def _depth(data: bytes) -> int:
    """Return how many brackets are open at most in a JSON text; those in strings count too."""
    brackets = np.frombuffer(data.translate(None, _OTHER_BYTES), dtype=np.uint8)
    is_opening = (brackets == ord("[")) | (brackets == ord("{"))
    return int(np.where(is_opening, 1, -1).cumsum(dtype=np.int32).max(initial=0))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Spare the search for cycles among millions of new objects, of which there are none in JSON."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
