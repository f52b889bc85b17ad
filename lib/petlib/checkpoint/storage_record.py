"""What an output folder knows of the run's place in a store: which checkpoint there is the one that is here."""

import json
from pathlib import Path
from typing import Any

from petlib.files import write_text_atomically

RECORD = ".storage.json"


class StorageRecord:
    """Remembers, in the output folder, the newest checkpoint that was uploaded from it or fetched into it.

    So a folder whose node was away finds out, without comparing clocks, that the run went on elsewhere.

    Args:
        folder: the output folder.
        address: the place of the run.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self._path = folder / RECORD
        self._address = address

    def write(self, number: int, path: Path) -> None:
        """Note that the store has ``path`` as its checkpoint of this number.

        Raises:
            OSError: it cannot be written.
        """
        values = {"address": self._address, "number": number, "identity": _identity(path)}
        write_text_atomically(self._path, json.dumps(values))

    def number(self) -> int | None:
        """Return the number of the newest checkpoint that was here; None: this folder has nothing of that place."""
        values = self._read()
        return int(values["number"]) if values else None

    def has(self, path: Path) -> bool:
        """Return whether the store's newest checkpoint, as far as it is known here, is the data of ``path``."""
        values = self._read()
        return values is not None and values.get("identity") == _identity(path)

    def _read(self) -> dict[str, Any] | None:
        try:
            values: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
            return values if values["address"] == self._address and isinstance(values["number"], int) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _identity(path: Path) -> list[int]:
    """Return what a file and its further names have in common; of a folder those of its first part."""
    part = min(path.iterdir()) if path.is_dir() else path
    status = part.stat()
    return [status.st_size, status.st_mtime_ns]
