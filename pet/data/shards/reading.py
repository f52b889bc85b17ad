"""Gives the bytes of any sample of a pack, from a folder, from a cache on the node, or piece by piece from a store."""

import json
import logging
import os
import queue
import threading
import time
import zlib
from array import array
from bisect import bisect_right
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pet.data.files.opening import open_file, read_file
from pet.data.shards import layout
from pet.data.shards.cache import ShardCache, Wanted
from pet.data.shards.layout import shard_name
from pet.typed import PetConfig
from petlib.addresses import address_of
from petlib.errors import DataError, OutputError, StoreError, UserError
from petlib.files import user_caches
from petlib.object_store import RETRY_SECONDS, Downloaded, ObjectStore

MOST_OPEN, MOST_CACHED_OPEN, MOST_INDEXES = 128, 16, 1024
"""Shards that a process keeps open in a folder; those of a cache, where open files take room after they were removed; indexes alone."""
TRIES = 3
"""How often bytes of a store are fetched that are not those of the index."""

logger = logging.getLogger(__name__)


class ReadingSettings:
    """How packs in stores are read in this process, and in the workers that it forks.

    Attributes:
        folder: of the cache.
        most_bytes: of the cache; 0: there is none.
        retry_seconds: for how long a request that fails is repeated.
        grouped: samples come shard by shard, so that a shard is used as a whole.
    """

    folder: Path
    most_bytes: int
    retry_seconds: float
    grouped: bool

    def __init__(self) -> None:
        self.set(folder="", gigabytes=20.0, retry_seconds=RETRY_SECONDS, grouped=False)

    def set(self, *, folder: str, gigabytes: float, retry_seconds: float, grouped: bool) -> None:
        """Set all of them; an empty ``folder`` is ``pet/shards`` in the user's folder of caches."""
        self.folder = Path(folder).expanduser() if folder else user_caches() / "shards"
        self.most_bytes, self.retry_seconds, self.grouped = int(gigabytes * 10**9), retry_seconds, grouped


READING = ReadingSettings()


def set_reading(cfg: PetConfig) -> None:
    """Set in this process, and the workers that it forks, how packs in stores are read."""
    shards = cfg.DATA.SHARDS
    READING.set(folder=shards.CACHE_FOLDER, gigabytes=shards.CACHE_SIZE, retry_seconds=shards.RETRY_SECONDS, grouped=shards.GROUP > 0)


class _OpenShard(NamedTuple):
    descriptor: int | None
    """Of the file; None: the store is asked for each sample."""
    rows: np.ndarray


class Pack:
    """The files of a pack.

    Args:
        place: its folder, or its address in a store.

    Raises:
        DataError: there is none, or it is damaged.
        StoreError: the store does not answer.
    """

    def __init__(self, place: str | Path) -> None:
        self.url = address_of(place)
        self.place = (self.url or str(place)).rstrip("/")
        self._store = ObjectStore(retry_seconds=READING.retry_seconds)
        self._cache = ShardCache(READING.folder, most_bytes=max(READING.most_bytes, 10**9))
        self.head = self._read_head()
        self._table = self.array(layout.SHARDS)
        if self._table.dtype != layout.SHARD_ROW or not len(self._table):
            raise DataError(f"{self.place}/{layout.SHARDS}: not the table of a pack's shards")
        self.starts = np.concatenate([[0], np.cumsum(self._table["samples"], dtype=np.int64)])
        self._starts = array("q", self.starts)
        fits = int(self._table["size"].sum()) <= READING.most_bytes
        whole = READING.grouped or fits
        self._shards = ShardCache(READING.folder, most_bytes=READING.most_bytes) if self.url and READING.most_bytes and whole else None
        # of a cache that has room for all nothing is removed
        self._most_open = MOST_OPEN if self.url is None or fits else MOST_CACHED_OPEN
        self._open: OrderedDict[int, _OpenShard] = OrderedDict()
        self._ahead: _Ahead | None = None
        self._reported_full = False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict(), "_ahead": None}

    def __len__(self) -> int:
        return int(self.starts[-1])

    def name_of(self, index: int) -> str:
        """Return what messages call a sample: its shard and its number."""
        return f"{self.place}/{shard_name(self.shard_of(index))}, sample {index}"

    def shard_of(self, index: int) -> int:
        """Return the shard of a sample."""
        return bisect_right(self._starts, index) - 1

    def read(self, index: int) -> memoryview:
        """Return the members of a sample as they lie in its shard.

        Raises:
            DataError: the shard is missing, cut off or was changed.
            StoreError: the store does not answer.
        """
        shard, tries = self.shard_of(index), TRIES if self.url else 1
        for attempt in range(1, tries + 1):
            try:
                return self._read_once(shard, index)
            except StoreError as error:
                raise StoreError(f"{self.name_of(index)}: {error}", kind=error.kind) from error
            except DataError as error:
                # what is wrong on the way, or on this node's disk, is right the next time
                self._forget(shard)
                if attempt == tries:
                    raise DataError(f"{self.name_of(index)}: {error}") from error
        raise AssertionError("the last attempt returns or raises")

    def fetch_ahead(self, index: int) -> None:
        """Begin to download the shard of a sample that will be needed soon, in a thread; does nothing without a cache."""
        if self._shards is None:
            return
        if self._ahead is None or self._ahead.process != os.getpid():
            self._ahead = _Ahead(self)
        self._ahead.add(self.shard_of(index))

    def fetch(self, shard: int, store: ObjectStore) -> None:
        """Bring a shard into the cache, unless another process is at it."""
        assert self._shards is not None, "there is a cache"
        wanted = self._wanted(shard)
        self._shards.fetch(wanted, lambda path: self._download(wanted, path, store))

    def array(self, name: str) -> np.ndarray:
        """Return an array of the pack, mapped from its file.

        Raises:
            DataError: it is missing or damaged.
        """
        path = self.file(name)
        try:
            found: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.place}/{name}: not an array that can be read: {error}") from error
        return found

    def has(self, name: str) -> bool:
        """Return whether the pack has a file."""
        return name in self.head["files"]

    def file(self, name: str) -> Path:
        """Return a file of the pack on this machine, from a store as a whole in the cache.

        Raises:
            DataError: it is missing or damaged.
            StoreError: the store does not answer.
        """
        try:
            size, crc = self.head["files"][name]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{self.place}/{layout.HEAD}: it does not say how large {name} is") from error
        wanted = Wanted(self.place, name, size, crc)
        if self.url is None:
            path = Path(self.place, name)
            with open_file(path, what="a file of the pack") as file:
                if os.fstat(file.fileno()).st_size != size:
                    raise DataError(f"{path}: it has other bytes than {layout.HEAD} says; pack the data anew")
            return path
        return self._cache.get(wanted, lambda path: self._download(wanted, path, self._store))

    def _read_head(self) -> dict[str, Any]:
        name = f"{self.place}/{layout.HEAD}"
        hint = "; pet-pack writes it last: is this the place of a pack that is complete?"
        if self.url is None:
            data = read_file(name, what="the head of the pack", hint=hint)
        else:
            try:
                data = self._store.get(name)
            except StoreError as error:
                if error.kind == "missing":
                    raise DataError(f"{error}{hint}") from error
                raise
        try:
            head = json.loads(data)
            known = head["version"] == layout.VERSION and isinstance(head["files"], dict)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{name}: not the head of a pack ({type(error).__name__}: {error})") from error
        if not known:
            raise DataError(f"{name}: a pack of version {head['version']}, and {layout.VERSION} can be read")
        return dict(head)

    def _read_once(self, shard: int, index: int) -> memoryview:
        opened = self._opened(shard, index)
        offset, size, crc = opened.rows[index - self._starts[shard]].item()
        span = self._bytes(shard, opened.descriptor, offset, size)
        if len(span) != size:
            raise DataError(f"the shard is cut off: {len(span):,} of {size:,} bytes of the sample are there; pack the data anew")
        if zlib.crc32(span) != crc:
            raise DataError(
                "the shard was changed after it was packed: the CRC-32 of the sample is not that of the index; pack the data anew"
            )
        return span

    def _bytes(self, shard: int, descriptor: int | None, offset: int, size: int) -> memoryview:
        if descriptor is not None:
            return memoryview(os.pread(descriptor, size, offset))
        return memoryview(self._store.get(f"{self.place}/{shard_name(shard)}", start=offset, length=size))

    def _opened(self, shard: int, index: int) -> _OpenShard:
        if shard in self._open:
            self._open.move_to_end(shard)
            return self._open[shard]
        descriptor = self._open_file(shard, index)
        try:
            row = self._table[shard]
            size = int(row["samples"]) * layout.SAMPLE_ROW.itemsize
            data = self._bytes(shard, descriptor, int(row["index"]), size)
            if len(data) != size:
                raise DataError(f"the shard is cut off: its index lies at byte {int(row['index']):,} and is not there; pack the data anew")
            opened = _OpenShard(descriptor, np.frombuffer(data, layout.SAMPLE_ROW))
        except BaseException:
            if descriptor is not None:
                os.close(descriptor)
            raise
        self._open[shard] = opened
        while len(self._open) > (self._most_open if descriptor is not None else MOST_INDEXES):
            self._close(self._open.popitem(last=False)[1])
        return opened

    def _open_file(self, shard: int, index: int) -> int | None:
        """Return an open file with a shard; None: it is read from the store, sample by sample."""
        wanted = self._wanted(shard)
        if self.url is None:
            with open_file(Path(self.place, wanted.name), what="the shard") as file:
                found = os.fstat(file.fileno()).st_size
                if found != wanted.size:
                    how = "cut off" if found < wanted.size else "changed after it was packed"
                    raise DataError(f"the shard was {how}: {found:,} bytes, and the index says {wanted.size:,}; pack the data anew")
                return os.dup(file.fileno())
        if self._shards is None:
            return None
        try:
            while True:
                path = self._shards.get(wanted, lambda target: self._download(wanted, target, self._store))
                try:
                    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                except FileNotFoundError:
                    # others needed the room in between
                    continue
        except OutputError as error:
            if not self._reported_full:
                logger.warning(
                    "%s: %s; samples are read from the store one by one instead, which is slow, and none is left out",
                    *(self.name_of(index), error),
                )
                self._reported_full = True
            return None

    def _download(self, wanted: Wanted, path: Path, store: ObjectStore) -> Downloaded:
        begin = time.monotonic()
        found = store.download(f"{wanted.pack}/{wanted.name}", path, most=wanted.size)
        logger.debug("%s/%s: %.1f s", wanted.pack, wanted.name, time.monotonic() - begin)
        return found

    def _wanted(self, shard: int) -> Wanted:
        row = self._table[shard]
        return Wanted(self.place, shard_name(shard), int(row["size"]), int(row["crc"]))

    def _forget(self, shard: int) -> None:
        """Close a shard whose bytes are wrong, and drop its copy in the cache."""
        opened = self._open.pop(shard, None)
        if opened is not None:
            self._close(opened)
        if self._shards is not None:
            self._shards.drop(self._wanted(shard))

    def _close(self, opened: _OpenShard) -> None:
        if opened.descriptor is not None:
            os.close(opened.descriptor)


class _Ahead:
    """Downloads shards in a thread of one process. What fails is left to the one who needs the shard, and reported there."""

    def __init__(self, pack: Pack) -> None:
        self.process = os.getpid()
        self._pack = pack
        self._queue: queue.SimpleQueue[int] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="shards-ahead", daemon=True).start()

    def add(self, shard: int) -> None:
        self._queue.put(shard)

    def _run(self) -> None:
        store = ObjectStore(retry_seconds=READING.retry_seconds)
        while True:
            shard = self._queue.get()
            try:
                self._pack.fetch(shard, store)
            except UserError as error:
                logger.debug("%s: not fetched ahead: %s", shard_name(shard), error)
