"""Where the versions of finished models lie, in a folder or in a store of objects, under one signature."""

import hashlib
import json
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Protocol

from petlib.addresses import address_of
from petlib.errors import StoreError
from petlib.files import write_text_atomically
from petlib.object_store import RETRY_SECONDS, ObjectStore

MODELS = "models"
CARD = "card.json"
CLAIM = "claimed_by.json"
"""In a store: who writes a version that has no card yet."""
TRIES = 3
"""How often a file is uploaded that does not come back as it was sent."""


class ModelStorage(Protocol):
    """What :class:`ModelFolder` and :class:`ModelStore` have. A version without a card is none that was finished."""

    def place_of(self, name: str, version: int) -> str:
        """Return where the files of a version are."""

    def finished(self, name: str) -> list[int]:
        """Return the versions of a model that have a card."""

    def begin(self, name: str) -> int:
        """Take the next version of a model; two that come at the same time get two."""

    def add(self, source: Path, name: str, version: int, file: str) -> str:
        """Copy a file into a version, and return the SHA-256 of what arrived there."""

    def write_card(self, name: str, version: int, text: str) -> None:
        """Finish a version."""

    def read_card(self, name: str, version: int) -> str:
        """Return what :meth:`write_card` wrote."""


class ModelFolder:
    """Models in a folder that several machines share.

    Args:
        folder: the storage.
    """

    def __init__(self, folder: Path) -> None:
        self._models = folder / MODELS

    def place_of(self, name: str, version: int) -> str:
        """Return the folder of a version."""
        return str(self._folder(name, version))

    def finished(self, name: str) -> list[int]:
        """Return the versions of a model that have a card."""
        return [int(path.parent.name) for path in (self._models / name).glob(f"*/{CARD}") if path.parent.name.isdigit()]

    def begin(self, name: str) -> int:
        """Make the folder of the next version.

        Raises:
            OSError: it cannot be made.
        """
        models = self._models / name
        models.mkdir(parents=True, exist_ok=True)
        version = 1 + max((int(path.name) for path in models.iterdir() if path.name.isdigit()), default=0)
        while True:
            try:
                (models / str(version)).mkdir()
            except FileExistsError:
                version += 1
            else:
                return version

    def add(self, source: Path, name: str, version: int, file: str) -> str:
        """Copy a file into a version.

        Raises:
            OSError: it cannot be read or written.
        """
        target = self._folder(name, version) / file
        shutil.copyfile(source, target)
        return sha256_of(target)

    def write_card(self, name: str, version: int, text: str) -> None:
        """Finish a version.

        Raises:
            OSError: it cannot be written.
        """
        write_text_atomically(self._folder(name, version) / CARD, text)

    def read_card(self, name: str, version: int) -> str:
        """Return the card of a version."""
        return (self._folder(name, version) / CARD).read_text(encoding="utf-8")

    def _folder(self, name: str, version: int) -> Path:
        return self._models / name / str(version)


class ModelStore:
    """Models in a store of objects. What was uploaded is read back before it counts.

    Args:
        address: the storage, ``s3://bucket/prefix``, ``gs://`` or ``az://``.
        retry_seconds: for how long a request that fails is repeated.
    """

    def __init__(self, address: str, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._models = f"{address.rstrip('/')}/{MODELS}"
        self._store = ObjectStore(retry_seconds=retry_seconds)

    def place_of(self, name: str, version: int) -> str:
        """Return the address of a version."""
        return f"{self._models}/{name}/{version}"

    def finished(self, name: str) -> list[int]:
        """Return the versions of a model that have a card.

        Raises:
            StoreError: the store refuses or does not answer, or has no such bucket.
        """
        return [version for version, file in self._files(name) if file == CARD]

    def begin(self, name: str) -> int:
        """Take the next version by an object that only one can create.

        Raises:
            StoreError: the store refuses or does not answer, or has no such bucket.
        """
        writer = json.dumps({"writer": f"process {os.getpid()} on {socket.gethostname()}"}).encode()
        version = 1 + max((version for version, _ in self._files(name)), default=0)
        while not self._store.create(f"{self.place_of(name, version)}/{CLAIM}", writer):
            version += 1
        return version

    def add(self, source: Path, name: str, version: int, file: str) -> str:
        """Upload a file into a version, and read it back.

        Raises:
            StoreError: the store refuses or does not answer, or has other bytes than were sent.
            OSError: it cannot be read, or there is no room to read it back.
        """
        address, size, digest = f"{self.place_of(name, version)}/{file}", source.stat().st_size, sha256_of(source)
        for _ in range(TRIES):
            self._store.upload(source, address)
            with tempfile.NamedTemporaryFile(prefix="pet-model-") as copy:
                there = self._store.download(address, Path(copy.name), most=size)
                if sha256_of(Path(copy.name)) == digest:
                    return digest
        raise StoreError(
            f"{address}: {size:,} bytes were sent {TRIES} times, and {there.size:,} others came back; the version is not finished"
        )

    def write_card(self, name: str, version: int, text: str) -> None:
        """Finish a version.

        Raises:
            StoreError: the store refuses or does not answer.
        """
        self._store.put(f"{self.place_of(name, version)}/{CARD}", text.encode())
        self._store.delete(f"{self.place_of(name, version)}/{CLAIM}")

    def read_card(self, name: str, version: int) -> str:
        """Return the card of a version.

        Raises:
            StoreError: the store refuses or does not answer.
        """
        return self._store.get(f"{self.place_of(name, version)}/{CARD}").decode()

    def _files(self, name: str) -> list[tuple[int, str]]:
        """Return the version and the name of each file of a model."""
        parts = [item.name.partition("/") for item in self._store.list(f"{self._models}/{name}")]
        return [(int(version), file) for version, _, file in parts if version.isdigit()]


def open_models(storage: str) -> ModelStorage:
    """Return the models of a storage, a folder or an address in a store."""
    return ModelFolder(Path(storage)) if address_of(storage) is None else ModelStore(storage)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
