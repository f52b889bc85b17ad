"""Brings the checkpoints of a run and its other files into a store, in a thread, while training goes on."""

import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from petlib.checkpoint.locate import resolve_pointer
from petlib.checkpoint.storage_record import StorageRecord
from petlib.checkpoint.stored import CheckpointStore, StoredCheckpoint
from petlib.errors import StoreError

WAITING_FOLDER = ".uploading"
PAUSE_SECONDS = 30.0
CLOCK_SECONDS = 5.0
"""How far the clocks of a store and of this machine may differ where files of one size are compared."""
_OF_CHECKPOINTS = re.compile(r"model_(iter\d+(_\d+)?|latest|best)\.(pth|dcp)")
_LOGGER = logging.getLogger(__name__)


@dataclass
class _Waiting:
    """A checkpoint that is to be uploaded, kept by names of its own for as long as that takes."""

    folder: Path
    path: Path
    iteration: int
    best: bool


class Uploader:
    """Uploads what a run saves; the newest counts, so one that is not yet under way gives way to a later one, unless it is the best.

    Whatever goes wrong is tried again, with a line in the log for the first time, and never stops training.

    Args:
        store: the place of the run.
        folder: the output folder.
        keep: how many checkpoints stay in the store; 0: all.
        timeout: seconds that the end of the run waits for.
    """

    def __init__(self, store: CheckpointStore, folder: Path, *, keep: int, timeout: float) -> None:
        self.timeout = timeout
        self.address = store.address
        self._store, self._folder, self._keep = store, folder, keep
        self._record = StorageRecord(folder, store.address)
        self._waiting: list[_Waiting] = []
        self._current: _Waiting | None = None
        self._busy = False
        self._begun = 0
        self._number = self._best = 0
        self._uploaded: dict[str, tuple[int, int]] = {}
        self._files_wanted = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._hurried = False
        self._problem = ""

    def offer(self, path: Path, *, iteration: int, best: bool) -> None:
        """Have a checkpoint uploaded that is whole on the disk; it may be removed afterwards."""
        self._begun += 1
        folder = self._folder / WAITING_FOLDER / str(self._begun)
        item = _Waiting(folder, folder / f"model_iter{iteration}{path.suffix}", iteration, best)
        try:
            if self._begun == 1:
                shutil.rmtree(folder.parent, ignore_errors=True)
            folder.mkdir(parents=True)
            _link(path, item.path)
        except OSError as error:
            # it is saved all the same
            _LOGGER.warning("%s: %s is not uploaded: %s; the next one is tried", self.address, path.name, error)
            return
        with self._changed:
            outdated = [other for other in self._waiting if (best or not other.best) and other is not self._current]
            self._waiting = [*(other for other in self._waiting if other not in outdated), item]
            self._files_wanted = True
            self._start()
            self._changed.notify_all()
        for other in outdated:
            shutil.rmtree(other.folder, ignore_errors=True)

    def offer_unknown(self, latest: Path, *, iteration: int) -> None:
        """Have the checkpoint uploaded that a run begins with, unless the store has it."""
        path = resolve_pointer(latest)
        if not self._record.has(path):
            self.offer(path, iteration=iteration, best=False)

    def skip_present(self) -> None:
        """Leave out the files of which the store has the present state already.

        Raises:
            StoreError: the store does not answer.
        """
        there = {item.name: item for item in self._store.other_files()}
        for path in _other_files(self._folder):
            item, status = there.get(path.relative_to(self._folder).as_posix()), path.stat()
            if item is not None and item.size == status.st_size and item.modified > status.st_mtime + CLOCK_SECONDS:
                self._uploaded[item.name] = status.st_size, status.st_mtime_ns

    def want_files(self) -> None:
        """Have the other files of the run uploaded, those that have changed."""
        with self._changed:
            self._files_wanted = True
            self._hurried = True
            self._start()
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Return whether all is uploaded, at the latest after ``seconds``; what failed is tried again without a pause."""
        with self._changed:
            self._hurried = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not (self._waiting or self._files_wanted or self._busy), seconds)

    def describe(self, waited: float) -> str:
        """Return what is not uploaded after so many seconds of waiting, why, and what to do."""
        with self._changed:
            what = f"{self._waiting[-1].path.name} is" if self._waiting else "the files of the run are"
            reason = self._problem or "it takes longer"
        return (
            f"{self.address}: {what} not uploaded after {waited:g} s: {reason}; all is in {self._folder}, and the same command uploads it"
        )

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="checkpoint-upload", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._files_wanted)
                self._current = self._waiting[0] if self._waiting else None
                self._busy, self._files_wanted = True, False
            began, problem = time.monotonic(), ""
            try:
                self._work(self._current)
            except (StoreError, OSError) as error:
                problem = str(error)
            except Exception as error:
                _LOGGER.exception("%s: the upload failed", self.address)
                problem = f"{type(error).__name__}: {error}"
            self._note(problem)
            if problem:
                self._rest(began)

    def _work(self, item: _Waiting | None) -> None:
        """Upload the other files first, so that they know of all iterations of the checkpoint."""
        self._upload_files()
        if item is not None:
            self._upload(item)
            with self._changed:
                self._waiting.remove(item)
            shutil.rmtree(item.folder, ignore_errors=True)

    def _upload(self, item: _Waiting) -> None:
        if not self._number:
            self._number = self._store.newest_number()
            newest = next(self._store.read_newest_first(), None)
            self._best = newest.best if newest is not None else 0
        # a number is never used twice, so that no manifest speaks of another upload's bytes
        self._number += 1
        best = self._number if item.best else self._best
        done = self._store.write(item.path, number=self._number, iteration=item.iteration, best=best)
        self._best = best
        self._record.write(done.number, item.path)
        _LOGGER.info("%s: %s of iteration %d is uploaded", self.address, item.path.name, item.iteration)
        self._remove_old(done)

    def _remove_old(self, newest: StoredCheckpoint) -> None:
        try:
            self._store.remove_old(self._keep, newest)
        except StoreError as error:
            _LOGGER.warning("%s: an older checkpoint cannot be removed: %s", self.address, error)

    def _upload_files(self) -> None:
        for path in _other_files(self._folder):
            try:
                status = path.stat()
                state = status.st_size, status.st_mtime_ns
                name = path.relative_to(self._folder).as_posix()
                if self._uploaded.get(name) != state:
                    self._store.upload_file(path, name)
                    self._uploaded[name] = state
            except FileNotFoundError:
                # temporary ones come and go
                continue

    def _note(self, problem: str) -> None:
        """Remember how an attempt ended; the log gets what is new."""
        with self._changed:
            before, self._problem = self._problem, problem
            self._current, self._busy = None, False
            self._files_wanted = self._files_wanted or bool(problem)
            self._changed.notify_all()
        if problem and not before:
            _LOGGER.warning("%s: the upload failed and is tried again; training goes on: %s", self.address, problem)
        elif before and not problem:
            _LOGGER.warning("%s: uploads work again", self.address)

    def _rest(self, began: float) -> None:
        """Wait before the next attempt; less where the run is at its end, which waits for it."""
        with self._changed:
            if self._hurried:
                pause = max(0.0, 1.0 - (time.monotonic() - began))
                self._changed.wait(pause)
            else:
                self._changed.wait_for(lambda: self._hurried, PAUSE_SECONDS)


def finish_upload(uploader: Uploader, *, seconds: float) -> str:
    """Upload what is left and wait for it, at most ``seconds``; return what is not uploaded then, empty where all is."""
    uploader.want_files()
    if uploader.wait(min(1.0, seconds)):
        return ""
    _LOGGER.info("waiting up to %g s for the upload to %s", seconds, uploader.address)
    return "" if uploader.wait(seconds) else uploader.describe(seconds)


def _other_files(folder: Path) -> Sequence[Path]:
    """Return the files of a run that belong to no checkpoint, none that are hidden, temporary or locks."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and not _OF_CHECKPOINTS.fullmatch(name)]
        paths = [Path(root, name) for name in sorted(names) if not name.startswith(".") and not name.endswith(".lock")]
        found += [path for path in paths if not _OF_CHECKPOINTS.fullmatch(path.name) and path.is_file()]
    return found


def _link(source: Path, target: Path) -> None:
    """Give a file, or each file of a folder, another name, which keeps it; a copy where the file system has none."""
    if source.is_dir():
        target.mkdir()
        for path in source.iterdir():
            _link(path, target / path.name)
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
