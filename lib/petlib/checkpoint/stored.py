"""Checkpoints in a store of objects: each with a small manifest, written last, that says of which bytes it is whole."""

import json
import logging
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from petlib.addresses import address_of
from petlib.checkpoint.damage import Checksums, DamagedError, checksums
from petlib.errors import OutputError, StoreError
from petlib.object_store import ObjectStore, StoredObject

CHECKPOINTS = "checkpoints"
PROBE = "written_by.json"
_MANIFEST = re.compile(rf"{CHECKPOINTS}/(\d+)\.json")
_PART = re.compile(rf"{CHECKPOINTS}/(\d+)/.+")
_NAME = re.compile(r"model_iter\d+(_\d+)?\.(pth|dcp)")
_LOGGER = logging.getLogger(__name__)


class StoredCheckpoint(NamedTuple):
    """What a manifest says.

    Attributes:
        number: counted from 1 on over all checkpoints that this place ever had; the largest is the newest.
        name: of the file, or of the folder of a sharded one.
        iteration: that it was saved after.
        best: number of the best one at that time; 0: there was none.
        files: size and CRC-32 of the file, or of those in the folder, by their names.
    """

    number: int
    name: str
    iteration: int
    best: int
    files: Checksums

    @property
    def is_folder(self) -> bool:
        """Whether it is a sharded one."""
        return self.name.endswith(".dcp")


class CheckpointStore:
    """The place of a run in a store: ``<address>/checkpoints/<number>/`` with its manifest next to it, and the other files of the run.

    Args:
        address: ``s3://bucket/prefix``, ``gs://`` or ``az://``.
        retry_seconds: for how long a request that fails is repeated.

    Raises:
        OutputError: it is no address.
    """

    def __init__(self, address: str, *, retry_seconds: float) -> None:
        if address_of(address) is None or address.startswith("http"):
            raise OutputError(
                f"CheckpointStore.address: {address} given, an address such as s3://bucket/prefix, gs://... or az://... expected; "
                "a folder of this machine is Checkpointer.folder"
            )
        self.address = address.rstrip("/")
        self._store = ObjectStore(retry_seconds=retry_seconds)

    def probe(self, writer: str) -> None:
        """Write a small object, so that wrong credentials and a missing bucket show before the training.

        Raises:
            StoreError: it cannot be written.
        """
        text = json.dumps({"writer": writer, "time": time.strftime("%Y-%m-%d %H:%M:%S %z")})
        try:
            self._store.put(f"{self.address}/{PROBE}", text.encode())
        except StoreError as error:
            if error.kind == "missing":
                raise StoreError(f"{self.address}: there is no such bucket", kind=error.kind) from error
            raise

    def newest_number(self) -> int:
        """Return the largest number that was ever begun here; 0: none.

        Raises:
            StoreError: the store does not answer.
        """
        return max((number for item in self._list() if (number := _number_of(item.name))), default=0)

    def read_newest_first(self) -> Iterator[StoredCheckpoint]:
        """Yield the checkpoints whose manifests are there and whose objects have the sizes that these say; others are named in the log.

        Raises:
            StoreError: the store does not answer.
        """
        sizes = {item.name: item.size for item in self._list()}
        for number in _numbers(sizes):
            found = self.read(number)
            problem = "its manifest is damaged" if found is None else _missing(found, sizes)
            if found is not None and not problem:
                yield found
            else:
                _LOGGER.warning("%s/%s/%d: skipped: %s; an older checkpoint is looked for", self.address, CHECKPOINTS, number, problem)

    def read(self, number: int) -> StoredCheckpoint | None:
        """Return what a manifest says; None: it is not one.

        Raises:
            StoreError: the store does not answer, or there is no such manifest.
        """
        try:
            values = json.loads(self._store.get(f"{self.address}/{_manifest(number)}"))
            files = {str(name): (int(size), int(crc)) for name, (size, crc) in values["files"].items()}
            found = StoredCheckpoint(number, str(values["name"]), int(values["iteration"]), int(values["best"]), files)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        is_whole = _NAME.fullmatch(found.name) and files and all(Path(name).name == name for name in files)
        return found if is_whole else None

    def write(self, path: Path, *, number: int, iteration: int, best: int) -> StoredCheckpoint:
        """Upload a checkpoint, a file or a folder of files, and then its manifest.

        Raises:
            StoreError: the store refuses or does not answer, or has other bytes than were sent; there is no manifest then.
            OSError: the checkpoint cannot be read.
        """
        paths = sorted(path.iterdir()) if path.is_dir() else [path]
        files = checksums(paths[0].parent, [part.name for part in paths])
        for part in paths:
            self._store.upload(part, self._object(number, part.name))
        there = {item.name: item.size for item in self._store.list(f"{self.address}/{CHECKPOINTS}/{number:06d}")}
        cut = next((name for name, (size, _) in files.items() if there.get(name) != size), None)
        if cut is not None:
            raise StoreError(f"{self._object(number, cut)}: {there.get(cut, 0)} bytes are there, {files[cut][0]} were sent")
        found = StoredCheckpoint(number, path.name, iteration, best, files)
        text = json.dumps({"name": found.name, "iteration": iteration, "best": best, "files": files})
        self._store.put(f"{self.address}/{_manifest(number)}", text.encode())
        return found

    def download(self, checkpoint: StoredCheckpoint, target: Path) -> None:
        """Write a checkpoint into ``target``, a new file or a new folder.

        Raises:
            DamagedError: it is not what its manifest says.
            StoreError: the store does not answer.
            OSError: it cannot be written.
        """
        if checkpoint.is_folder:
            target.mkdir()
        for name, (size, crc) in checkpoint.files.items():
            path = target / name if checkpoint.is_folder else target
            path.touch()
            there = self._store.download(self._object(checkpoint.number, name), path, most=size)
            if there.size != size:
                raise DamagedError(f"{name} has {there.size} bytes, {size} were uploaded")
            if there.crc != crc:
                raise DamagedError(f"the checksum of {name} is wrong")

    def remove_old(self, keep: int, newest: StoredCheckpoint) -> None:
        """Take away all but the newest ``keep`` and the best; of those that go, the manifest goes first.

        Raises:
            StoreError: the store does not answer.
        """
        there = [item.name for item in self._list()]
        numbers = _numbers(there)
        kept = {newest.number, newest.best, *(numbers if keep == 0 else numbers[:keep])}
        unneeded = {number for name in there if (number := _number_of(name)) and number not in kept and number < newest.number}
        for name in sorted(there, key=lambda name: (_MANIFEST.fullmatch(name) is None, name)):
            if _number_of(name) in unneeded:
                self._store.delete(f"{self.address}/{name}")

    def upload_file(self, path: Path, name: str) -> None:
        """Upload another file of the run.

        Raises:
            StoreError: the store refuses or does not answer.
            OSError: the file cannot be read.
        """
        self._store.upload(path, f"{self.address}/{name}")

    def other_files(self) -> list[StoredObject]:
        """Return the files of the run that belong to no checkpoint.

        Raises:
            StoreError: the store does not answer.
        """
        return [
            item for item in self._list() if not item.name.startswith(f"{CHECKPOINTS}/") and item.name != PROBE and _is_below(item.name)
        ]

    def download_file(self, item: StoredObject, target: Path) -> None:
        """Write a file of the run into ``target``, which appears as a whole.

        Raises:
            StoreError: the store does not answer, or gives other bytes than it has.
            OSError: it cannot be written.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.fetched.tmp")
        try:
            temporary.touch()
            there = self._store.download(f"{self.address}/{item.name}", temporary, most=item.size)
            if there.size != item.size:
                raise StoreError(f"{self.address}/{item.name}: {there.size} bytes came, it has {item.size}")
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def _list(self) -> Sequence[StoredObject]:
        return self._store.list(self.address)

    def _object(self, number: int, name: str) -> str:
        return f"{self.address}/{CHECKPOINTS}/{number:06d}/{name}"


def _manifest(number: int) -> str:
    return f"{CHECKPOINTS}/{number:06d}.json"


def _numbers(names: Iterable[str]) -> list[int]:
    """Return the numbers of the manifests, the newest first."""
    return sorted((int(found[1]) for name in names if (found := _MANIFEST.fullmatch(name))), reverse=True)


def _number_of(name: str) -> int:
    """Return the number of the checkpoint that an object belongs to; 0: to none."""
    found = _MANIFEST.fullmatch(name) or _PART.fullmatch(name)
    return int(found[1]) if found else 0


def _missing(checkpoint: StoredCheckpoint, sizes: Mapping[str, int]) -> str:
    """Return which object of a checkpoint is not there as a whole; empty: all are."""
    for name, (size, _) in checkpoint.files.items():
        there = sizes.get(f"{CHECKPOINTS}/{checkpoint.number:06d}/{name}")
        if there != size:
            return f"{name} is missing" if there is None else f"{name} is cut off: {there} bytes, {size} were uploaded"
    return ""


def _is_below(name: str) -> bool:
    """Return whether a name stays inside of the folder that it is put into."""
    parts = name.split("/")
    return not name.startswith("/") and all(part not in ("", ".", "..") for part in parts)
