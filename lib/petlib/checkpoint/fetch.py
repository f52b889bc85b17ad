"""Brings the newest whole checkpoint of a run, and its other files, from a store into a folder."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from petlib.checkpoint import files
from petlib.checkpoint.damage import DamagedError
from petlib.checkpoint.locate import damage_of_checkpoint
from petlib.checkpoint.run_folder import RunFolder
from petlib.checkpoint.storage_record import StorageRecord
from petlib.checkpoint.stored import CheckpointStore, StoredCheckpoint
from petlib.errors import OutputError, StoreError
from petlib.suggest import counted

LOCK = ".fetch.lock"
LOGS = "logs/"
_LOGGER = logging.getLogger(__name__)


def fetch_newer(store: CheckpointStore, folder: Path, *, keep: int) -> Path | None:
    """Bring the newest whole checkpoint into an output folder that has none or an older one, with the other files that it lacks.

    A folder knows which checkpoint of the place it has; where it does not, the iterations decide.

    Args:
        store: the place of the run.
        folder: the output folder; made where it is missing.
        keep: how many checkpoints stay in it; 0: all.

    Returns:
        The checkpoint; None: the folder has what is newest, or there is none.

    Raises:
        StoreError: the store does not answer.
        OutputError: the folder cannot be written.
    """
    try:
        with _alone(folder):
            return _fetch(store, folder, keep=keep)
    except OSError as error:
        raise OutputError(f"{folder}: what {store.address} has cannot be written: {error.strerror or error}") from error


def fetch_run(store: CheckpointStore, folder: Path) -> bool:
    """Bring all that a run has in its place into a folder: the newest whole checkpoint, the best one and the other files.

    Returns:
        Whether there is anything.

    Raises:
        StoreError: the store does not answer.
        OutputError: the folder cannot be written.
    """
    present = store.other_files()
    if not present and not store.newest_number():
        return False
    fetch_newer(store, folder, keep=0)
    try:
        for item in present:
            target = folder / item.name
            if not target.exists() or target.stat().st_size != item.size or target.stat().st_mtime < item.modified:
                store.download_file(item, target)
    except OSError as error:
        raise OutputError(f"{folder}: what {store.address} has cannot be written: {error.strerror or error}") from error
    return True


def _fetch(store: CheckpointStore, folder: Path, *, keep: int) -> Path | None:
    record, here = StorageRecord(folder, store.address), RunFolder(folder, keep=keep, suffix=".pth")
    mine = here.role_path("latest")
    my_iteration = here.newest_iteration() if mine.exists() and not damage_of_checkpoint(mine) else -1
    here.prepare()
    for found in store.read_newest_first():
        if _has_it(found, my_iteration, record.number()):
            return None
        temporary = _download(store, found, folder)
        if temporary is None:
            continue
        _fetch_best(store, found, folder, keep=keep)
        path = _install(temporary, found, folder, keep=keep, roles=["latest", *(["best"] if found.best == found.number else [])])
        count = _fetch_files(store, folder, before=found.iteration)
        record.write(found.number, path)
        _LOGGER.info("%s: %s and %s of the run are fetched", store.address, path.name, counted(count, "other file"))
        return path
    return None


def _has_it(found: StoredCheckpoint, my_iteration: int, my_number: int | None) -> bool:
    """Return whether what is here is as new as what was found."""
    if my_iteration < 0:
        return False
    return my_number >= found.number if my_number is not None else my_iteration >= found.iteration


def _download(store: CheckpointStore, found: StoredCheckpoint, folder: Path) -> Path | None:
    """Download a checkpoint under a temporary name; None: it is not whole, which the log says."""
    temporary = files.temporary_path(folder / found.name)
    files.remove(temporary)
    try:
        store.download(found, temporary)
        problem = "" if found.is_folder else damage_of_checkpoint(temporary)
    except DamagedError as error:
        problem = str(error)
    if not problem:
        return temporary
    files.remove(temporary)
    _LOGGER.warning("%s: %s (number %d) is skipped: %s; an older one is looked for", store.address, found.name, found.number, problem)
    return None


def _install(temporary: Path, found: StoredCheckpoint, folder: Path, *, keep: int, roles: list[str]) -> Path:
    """Give a downloaded checkpoint its names."""
    run_folder = RunFolder(folder, keep=keep, suffix=Path(found.name).suffix)
    path = run_folder.new_path(found.iteration)
    temporary.rename(path)
    files.flush_folder(folder)
    run_folder.publish(path, roles)
    return path


def _fetch_best(store: CheckpointStore, newest: StoredCheckpoint, folder: Path, *, keep: int) -> None:
    """Bring the best one, too, where it is another."""
    if newest.best in (0, newest.number):
        return
    try:
        best = store.read(newest.best)
    except StoreError as error:
        if error.kind != "missing":
            raise
        best = None
    temporary = None if best is None else _download(store, best, folder)
    if best is None or temporary is None:
        _LOGGER.warning("%s: the best checkpoint (number %d) is not whole or not there", store.address, newest.best)
    else:
        _install(temporary, best, folder, keep=keep, roles=["best"])


def _fetch_files(store: CheckpointStore, folder: Path, *, before: int) -> int:
    """Bring the other files that the folder lacks or has less of; return how many."""
    count = 0
    for item in store.other_files():
        target = folder / item.name
        if target.exists() and item.name.startswith(LOGS):
            # this process writes a log of that name
            target = target.with_name(f"{target.stem}_until_iter{before}{target.suffix}")
        if not target.exists() or target.stat().st_size < item.size:
            store.download_file(item, target)
            count += 1
    return count


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep the other processes of this machine waiting that fetch into the same folder."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
