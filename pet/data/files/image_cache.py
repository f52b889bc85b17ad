"""Decoded images that all processes of a machine share, in a folder on a disk or in the memory (``DATA.CACHE``).

An image is decoded once; every later reading maps its pixels. A file of the cache says of which state of the image file it was made
(its size, its time, its inode), so that a changed file is decoded again. It is written under another name and renamed, so that a process
that is killed leaves no half of it; what was written before the machine last started, and may have been lost with its power, is compared
with a checksum.
"""

import atexit
import contextlib
import errno
import fcntl
import hashlib
import logging
import mmap
import os
import shutil
import struct
import threading
import time
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np

from pet.data.files.limits import check_pixels
from petlib.errors import OutputError
from petlib.files import user_caches

logger = logging.getLogger(__name__)

MAGIC = b"PetPixel"
HEAD = struct.Struct("<8s16sqqqI4s3I")
"""Mark, start of the machine, time, size and inode of the image file, checksum, type, and (height, width, channels)."""
PIXELS_BEGIN = 128
MEMORY = Path("/dev/shm")
LOCK, UNFINISHED = ".lock", ".unfinished"
LEFT_BEHIND = 3600.0
"""Seconds after which an unfinished file is that of a process that was killed."""


class _Stamp(NamedTuple):
    """The state of an image file."""

    modified: int
    size: int
    inode: int


class ImageCache:
    """Gives decoded images from a folder, and decodes what is not there yet; closed, it decodes everything.

    Attributes:
        folder: where the pixels are; None: the cache is closed.
        read: how many images this process was given, from the cache or decoded for it.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.read = 0
        self._spare = 0.0
        self._in_memory = False
        self._full = False

    def open(self, folder: Path, *, spare: float, in_memory: bool) -> None:
        """Use a folder from now on, in this process and those that it forks.

        Args:
            folder: made where it is missing, for this user alone.
            spare: share of the device, 0 to 1, that stays free: beyond it images are decoded and not kept.
            in_memory: the device is the memory of the machine.

        Raises:
            OutputError: the folder cannot be made or written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            check_owner(folder)
            _remove_left_behind(folder / UNFINISHED)
        except OSError as error:
            raise OutputError(f"{folder}: the folder of decoded images (open_cache.folder) cannot be used: {error.strerror}") from error
        self.folder, self._spare, self._in_memory, self._full = folder, spare, in_memory, False

    def close(self) -> None:
        """Decode everything from now on."""
        self.folder = None

    def get(self, path: str | Path, reading: str, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """Return what ``decode`` gives of an image file, from the cache where it is there. The array is the caller's own.

        Args:
            path: the image file.
            reading: which of several ways to decode it this is.
            decode: decodes the file, (H, W) or (H, W, C).

        Raises:
            DataError: what ``decode`` raises, and of a kept image that has more pixels than ``DATA.MAX_PIXELS``.
        """
        if self.folder is None:
            return decode()
        self.read += 1
        try:
            found = os.stat(path)  # noqa: PTH116 -- many files
        except (OSError, ValueError):
            # what is wrong with the file is said where it is opened
            return decode()
        stamp = _Stamp(found.st_mtime_ns, found.st_size, found.st_ino)
        file = self._file(path, reading)
        image = _load(file, stamp)
        if image is None:
            image = decode()
            self._keep(file, stamp, image)
        else:
            check_pixels(image.shape[0], image.shape[1], path)
        return image

    def _file(self, path: str | Path, reading: str) -> str:
        # another version of OpenCV may decode the last bit of a JPEG otherwise
        name = f"{os.path.abspath(path)}\0{reading}\0{cv2.__version__}"  # noqa: PTH100 -- many files
        digest = hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=16).hexdigest()
        return f"{self.folder}/{digest[:2]}/{digest[2:]}"

    def _keep(self, file: str, stamp: _Stamp, image: np.ndarray) -> None:
        if self._full:
            return
        if self._free() < self._spare:
            self._stop(f"less than {self._spare:.0%} of {'the memory' if self._in_memory else 'the disk'} is free")
            return
        try:
            _store(file, stamp, image, f"{self.folder}/{UNFINISHED}/{os.getpid()}-{threading.get_ident()}")
        except OSError as error:
            self._stop(error.strerror or str(error))

    def _stop(self, reason: str) -> None:
        self._full = True
        logger.warning("%s: further images are decoded each time they are read: %s (open_cache.spare)", self.folder, reason)

    def _free(self) -> float:
        assert self.folder is not None
        device = os.statvfs(self.folder)
        free = device.f_bavail / max(device.f_blocks, 1)
        return min(free, free_memory()) if self._in_memory else free


CACHE = ImageCache()
"""One for the process: those who read images are far below what knows the settings. Loader workers are forks."""


def open_cache(kind: Literal["none", "disk", "memory", "device"], *, folder: str, spare: float) -> None:
    """Open the cache of this process, or close it.

    Args:
        kind: ``none``: images are decoded each time; ``disk``: once, into ``folder``, where they stay; ``memory``: into the memory of the
            machine, for all runs of this user that go on at the same time. The last of them leaves nothing behind; what killed
            ones left the next one takes over. ``device``: a training keeps them itself (:mod:`pet.data.loading.device_images`), and here
            they are decoded each time.
        folder: of ``disk``; empty: ``pet/images`` in the user's folder of caches.
        spare: percent of the device that stay free.

    Raises:
        OutputError: the folder cannot be made, or this system has no memory that is used as a disk.
    """
    if kind in ("none", "device"):
        CACHE.close()
        return
    if kind == "disk":
        CACHE.open(Path(folder).expanduser() if folder else user_caches() / "images", spare=spare / 100, in_memory=False)
        return
    if not MEMORY.is_dir():
        raise OutputError(f"open_cache.kind is memory, but this system has no {MEMORY}; choose disk")
    shared = MEMORY / f"pet-images-{os.getuid()}"
    if CACHE.folder != shared:
        CACHE.open(shared, spare=spare / 100, in_memory=True)
        _leave_nothing(shared)


def free_memory(proc: Path = Path("/proc/meminfo"), group: Path = Path("/sys/fs/cgroup")) -> float:
    """Return the share of the memory that is available, 0 to 1, in the machine or, where that is less, in this container."""
    try:
        sizes = dict(line.split(":") for line in proc.read_text().splitlines())
        free = int(sizes["MemAvailable"].split()[0]) / int(sizes["MemTotal"].split()[0])
    except (OSError, KeyError, ValueError):
        return 1.0
    try:
        most, used = int((group / "memory.max").read_text()), int((group / "memory.current").read_text())
        given_back = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())["inactive_file"]
        return min(free, 1 - (used - int(given_back)) / most)
    except (OSError, KeyError, ValueError):
        # no container, or one without a limit ("max")
        return free


def check_owner(folder: Path) -> None:
    """Check that a folder is this user's: what another one puts into it would be learned from.

    Raises:
        PermissionError: it is not.
    """
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(errno.EPERM, "it belongs to another user")


def _leave_nothing(folder: Path) -> None:
    """Have the last process that uses a folder remove it at its end; the kernel takes the lock from one that is killed."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() != owner:
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)


@cache
def _start_of_machine() -> bytes:
    try:
        return bytes.fromhex(Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", ""))
    except (OSError, ValueError):
        # not known: everything is compared with its checksum
        return os.urandom(16)


def _load(file: str, stamp: _Stamp) -> np.ndarray | None:
    """Return a kept image; None: there is none of this state of the image file, or it is damaged."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # changes of the pixels are the reader's own, and only what it looks at is read
        content = mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
    return _image_of(content, stamp) if len(content) >= PIXELS_BEGIN else None


def _image_of(content: mmap.mmap, stamp: _Stamp) -> np.ndarray | None:
    mark, start, modified, size, inode, checksum, kind, *shape = HEAD.unpack_from(content)
    if mark != MAGIC or _Stamp(modified, size, inode) != stamp:
        return None
    dtype, length = np.dtype(kind.rstrip(b"\0").decode()), shape[0] * shape[1] * max(shape[2], 1)
    if len(content) != PIXELS_BEGIN + length * dtype.itemsize:
        return None
    if start != _start_of_machine() and zlib.crc32(memoryview(content)[PIXELS_BEGIN:]) != checksum:
        return None
    pixels = np.frombuffer(content, dtype, length, PIXELS_BEGIN)
    return pixels.reshape(shape if shape[2] else shape[:2])


def _remove_left_behind(unfinished: Path) -> None:
    unfinished.mkdir(exist_ok=True)
    for file in unfinished.iterdir():
        # another process may be removing it as well
        with contextlib.suppress(FileNotFoundError):
            if time.time() - file.stat().st_mtime > LEFT_BEHIND:
                file.unlink()


def _store(file: str, stamp: _Stamp, image: np.ndarray, unfinished: str) -> None:
    """Keep an image; ``unfinished`` is the name that it has until it is whole.

    Raises:
        OSError: the disk is full or not to be written.
    """
    pixels = np.ascontiguousarray(image)
    shape = (*pixels.shape, 0) if pixels.ndim == 2 else pixels.shape
    head = HEAD.pack(MAGIC, _start_of_machine(), *stamp, zlib.crc32(pixels.data), pixels.dtype.str[1:].encode(), *shape)
    os.makedirs(os.path.dirname(file), exist_ok=True)  # noqa: PTH103, PTH120 -- many files
    try:
        with open(unfinished, "wb", buffering=0) as target:  # noqa: PTH123 -- many files
            target.write(head.ljust(PIXELS_BEGIN, b"\0"))
            if target.write(pixels.data) != pixels.nbytes:
                raise OSError(errno.ENOSPC, "the device is full")
        os.replace(unfinished, file)  # noqa: PTH105 -- many files
    finally:
        if os.path.exists(unfinished):  # noqa: PTH110 -- many files
            os.remove(unfinished)  # noqa: PTH107 -- many files
