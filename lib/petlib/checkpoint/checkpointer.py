"""Saving and finding the checkpoints of a run."""

import errno
import itertools
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from petlib.checkpoint import files
from petlib.checkpoint.locate import read_checkpoint, resolve_pointer
from petlib.checkpoint.restore import restore_components
from petlib.checkpoint.sharded import write_folder
from petlib.checkpoint.shards import find_mesh
from petlib.checkpoint.snapshot import Snapshot, collect_state
from petlib.checkpoint.state_file import write_file
from petlib.dist.collectives import broadcast_object
from petlib.dist.process_group import is_main_process
from petlib.errors import CheckpointError

_NUMBERED = re.compile(r"model_iter\d+\.pth|model_iter\d+(_\d+)?\.dcp")


class Checkpointer:
    """Writes and reads ``model_iter<N>.pth``, ``model_latest.pth`` and ``model_best.pth`` in the folder of a run.

    A checkpoint appears under its name only when the disk has all of it, so once there has been a ``model_latest.pth`` there
    is a whole one at every moment. The latest and the best are further names of the same data (hard links), not copies.

    Sharded checkpoints are folders, ``model_iter<N>.dcp``; ``model_latest.dcp`` is then a file with the name of a folder. All
    ranks write them, into a file system that they share, and training waits for it. A second one of the same iteration is
    ``model_iter<N>_2.dcp``.

    Args:
        folder: the output folder; made at the first save.
        keep: how many ``model_iter<N>`` stay, the newest; 0: all. The data of the latest and the best always stay.
        background: go on training while a thread writes.
        sharded: write folders, for a network that is sharded over the ranks.
    """

    def __init__(self, folder: str | Path, *, keep: int = 2, background: bool = True, sharded: bool = False) -> None:
        assert keep >= 0, f"keep is a number of checkpoints or 0 for all, {keep} given"
        self.folder = Path(folder)
        self._keep = keep
        self._background = background
        self._suffix = ".dcp" if sharded else ".pth"
        self._snapshot = Snapshot()
        # An interpreter that ends waits for such a thread, so a save that has begun is finished.
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint-writer")
        self._under_way: Future[None] | None = None
        self._has_saved = False

    @property
    def latest_path(self) -> Path:
        """Where the checkpoint is that a run resumes from, or will be."""
        return self._path("latest")

    @property
    def best_path(self) -> Path:
        """Where the checkpoint with the best metric is, or will be."""
        return self._path("best")

    def has_latest(self) -> bool:
        """Return whether there is a checkpoint to resume from."""
        return self.latest_path.exists()

    def has_best(self) -> bool:
        """Return whether there is a best checkpoint."""
        return self.best_path.exists()

    def read_latest(self) -> dict[str, Any] | None:
        """Return all that the latest checkpoint holds, with whole tensors on the CPU; None where there is no checkpoint.

        Raises:
            CheckpointError: it is damaged, or holds other Python objects than tensors and plain data.
        """
        self.wait()
        return read_checkpoint(self.latest_path) if self.has_latest() else None

    def restore(self, components: Mapping[str, Any]) -> dict[str, Any] | None:
        """Load the latest checkpoint into ``components`` in place; every rank calls it.

        Args:
            components: what :meth:`save` was given. Each object in it with ``load_state_dict`` takes its state, at whatever
                depth of mappings. Networks and optimizers have to fit; another object that the checkpoint does not know stays
                as it is, with a warning.

        Returns:
            What no object took, such as plain values; None where there is no checkpoint.

        Raises:
            CheckpointError: the file is damaged, or belongs to another architecture or other optimizers.
        """
        self.wait()
        name = broadcast_object(self.latest_path.name if self.has_latest() else None)
        if name is None:
            return None
        path = self.folder / name
        return restore_components(components, read_checkpoint(path, find_mesh(components)), origin=str(path))

    def save(self, components: Mapping[str, Any], *, iteration: int, best: bool = False, latest: bool = True) -> None:
        """Save a checkpoint; every rank calls it.

        Returns when the state is copied; what ``components`` hold may change from then on. A save that is still being written
        is waited for.

        Args:
            components: names and what to save under them: objects with ``state_dict()``, plain data, tensors, and mappings of such.
            iteration: the number in the name.
            best: it is the best one so far, too.
            latest: it is the one to resume from.

        Raises:
            CheckpointError: this save, or the one before, could not be written. The previous checkpoint is untouched.
        """
        self.wait()
        path = self.folder / f"model_iter{iteration}{self._suffix}"
        roles = [role for role, wanted in (("latest", latest), ("best", best)) if wanted]
        if self._suffix == ".dcp":
            self._save_folder(broadcast_object(_free_name(path)), collect_state(components), roles)
        elif is_main_process():
            state = self._snapshot.copy(collect_state(components))
            if self._background:
                self._under_way = self._writer.submit(self._write, path, state, roles)
            else:
                self._write(path, state, roles)

    def wait(self) -> None:
        """Wait until what is being saved is on the disk; call it at the end of a run.

        Raises:
            CheckpointError: it could not be written. The previous checkpoint is untouched.
        """
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def _write(self, path: Path, state: Any, roles: list[str]) -> None:
        try:
            self._prepare_folder()
            write_file(path, state)
            self._publish(path, roles)
        except (OSError, RuntimeError) as error:
            raise self._failure(path, error) from error

    def _save_folder(self, path: Path, state: Any, roles: list[str]) -> None:
        try:
            if is_main_process():
                self._prepare_folder()
            write_folder(path, state)
            if is_main_process():
                self._publish(path, roles)
        except (OSError, CheckpointError) as error:
            raise self._failure(path, error) from error

    def _prepare_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._has_saved:
            files.remove_leftovers(self.folder)
            self._has_saved = True

    def _publish(self, path: Path, roles: list[str]) -> None:
        """Give the checkpoint its further names, then remove the old ones that nothing needs."""
        for role in roles:
            named = self.folder / f"model_{role}{self._suffix}"
            if self._suffix == ".dcp":
                files.write_atomically(named, lambda sink: sink.write(path.name.encode()))
            else:
                files.link_atomically(path, named)
            for other in {".pth", ".dcp"} - {self._suffix}:
                files.remove(named.with_suffix(other))
        self._remove_old(path)

    def _remove_old(self, written: Path) -> None:
        if self._keep == 0:
            return
        needed = {written, *(resolve_pointer(path) for path in self.folder.glob("model_*.dcp") if path.is_file())}
        numbered = [path for path in self.folder.iterdir() if _NUMBERED.fullmatch(path.name)]
        # By age and not by number: a run that began anew starts below the numbers of the one before.
        by_age = sorted(numbered, key=lambda path: (path == written, path.stat().st_mtime_ns), reverse=True)
        for path in by_age[self._keep :]:
            if path not in needed:
                files.remove(path)

    def _path(self, role: str) -> Path:
        paths = [self.folder / f"model_{role}{suffix}" for suffix in (self._suffix, *({".pth", ".dcp"} - {self._suffix}))]
        there = [path for path in paths if path.exists()]
        return max(there, key=lambda path: path.stat().st_mtime_ns, default=paths[0])

    def _failure(self, path: Path, error: Exception) -> CheckpointError:
        reason = str(error)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            reason = f"{error.strerror} ({shutil.disk_usage(self.folder).free / 1e6:.0f} MB are free in {self.folder})"
        previous = f"the previous checkpoint is untouched: {self.latest_path}" if self.has_latest() else "there is no earlier checkpoint"
        return CheckpointError(f"{path}: the checkpoint could not be saved: {reason}; {previous}")


def _free_name(path: Path) -> Path:
    """Return a name for a folder: one cannot be renamed over another, and taking that away first would leave a moment without it."""
    numbered = (path.with_name(f"{path.stem}_{number}.dcp") for number in itertools.count(2))
    return next(candidate for candidate in itertools.chain([path], numbered) if not candidate.exists())
