"""JSON files from outside."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pet.data.files.opening import read_file
from petlib.errors import DataError


def read_json(path: Path, *, what: str, hint: str = "") -> Any:
    """Return what a JSON file holds.

    Args:
        path: the file.
        what: what it is called in messages.
        hint: what messages say at their end where it cannot be read.

    Raises:
        DataError: it cannot be read, is larger than ``DATA.MAX_FILE_BYTES``, no JSON, or nested deeper than Python can follow.
    """
    data = read_file(path, what=what, hint=hint)
    try:
        with _no_garbage_collection():
            return json.loads(data)
    except RecursionError as error:
        raise DataError(f"{path}: {what} is nested too deeply to be read") from error
    except MemoryError as error:
        raise DataError(f"{path}: {what} does not fit into the memory ({len(data):,} bytes)") from error
    except ValueError as error:
        # no JSON, no text, or a number of more digits than Python reads
        raise DataError(f"{path}: not a JSON file, or a damaged one: {error}") from error


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
