"""The checkpoints in the folder of a run: their names, their order, and which of them stay."""

import errno
import itertools
import logging
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from petlib.checkpoint import files
from petlib.checkpoint.locate import resolve_pointer
from petlib.errors import CheckpointError

_LOGGER = logging.getLogger(__name__)
_NUMBERED = re.compile(r"model_iter\d+\.pth|model_iter\d+(_\d+)?\.dcp")
_SUFFIXES = {".pth", ".dcp"}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class RunFolder:
    """Names and removes the checkpoints of a run; see :class:`~petlib.checkpoint.checkpointer.Checkpointer`.

    Args:
        path: the folder.
        keep: how many numbered checkpoints stay; 0: all.
        suffix: of new checkpoints, ``.pth`` or ``.dcp``.
    """

    def __init__(self, path: Path, *, keep: int, suffix: str) -> None:
        self.path = path
        self._keep = keep
        self._suffix = suffix
        self._damaged: set[Path] = set()
        self._prepared = False

    def role_path(self, role: str) -> Path:
        """Return where the ``latest`` or the ``best`` checkpoint is, or will be."""
        paths = [self.path / f"model_{role}{suffix}" for suffix in (self._suffix, *(_SUFFIXES - {self._suffix}))]
        there = [path for path in paths if path.exists()]
        return max(there, key=lambda path: path.stat().st_mtime_ns, default=paths[0])

    def candidates(self) -> list[Path]:
        """Return what a run can resume from, the best choice first: the latest, the numbered ones from new to old, the best.

        Further names of the same data are left out.
        """
        paths = [self.role_path("latest"), *self._by_age(), self.role_path("best")]
        distinct: dict[object, Path] = {}
        for path in paths:
            if path.exists():
                distinct.setdefault(_identity(path), path)
        return list(distinct.values())

    def newest_iteration(self) -> int:
        """Return the number in the name of the newest numbered checkpoint; 0: there is none."""
        return next((int(found[1]) for path in self._by_age() if (found := re.search(r"iter(\d+)", path.name))), 0)

    def new_path(self, iteration: int) -> Path:
        """Return the name of a new checkpoint.

        A folder gets one that is free: it cannot be renamed over another, and taking that away first would leave a moment without it.
        """
        path = self.path / f"model_iter{iteration}{self._suffix}"
        if self._suffix == ".pth":
            return path
        numbered = (path.with_name(f"{path.stem}_{number}.dcp") for number in itertools.count(2))
        return next(candidate for candidate in itertools.chain([path], numbered) if not candidate.exists())

    def note_damaged(self, paths: Iterable[Path]) -> None:
        """Remember which checkpoints are no use, so that they are removed before whole ones are."""
        identities = {_identity(path) for path in paths if path.exists()}
        self._damaged = {path for path in self._by_age() if _identity(path) in identities}

    def prepare(self) -> None:
        """Make the folder, and before the first save remove what a killed process left.

        Raises:
            OSError: that cannot be done.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if not self._prepared:
            files.remove_leftovers(self.path)
            self._prepared = True

    def publish(self, path: Path, roles: Iterable[str]) -> None:
        """Give a checkpoint that is whole on the disk its further names, then remove the old ones that nothing needs.

        Raises:
            OSError: a name could not be given.
        """
        self._damaged.discard(path)
        files.make_newest(path, (other for other in self._by_age() if other != path))
        for role in roles:
            named = self.path / f"model_{role}{self._suffix}"
            if self._suffix == ".dcp":
                files.write_atomically(named, lambda sink: sink.write(path.name.encode()))
            else:
                files.link_atomically(path, named)
            for other in _SUFFIXES - {self._suffix}:
                files.remove(named.with_suffix(other))
        try:
            self._remove_old(path)
        except OSError as error:
            _LOGGER.warning("%s is saved, but an older checkpoint cannot be removed: %s", path, error)

    def failure(self, path: Path, error: Exception) -> CheckpointError:
        """Return what to say when ``path`` could not be saved."""
        reason = str(error)
        try:
            if isinstance(error, OSError) and error.errno in _FULL:
                reason = f"{error.strerror} ({shutil.disk_usage(self.path).free / 1e6:.0f} MB are free in {self.path})"
            latest = self.role_path("latest")
            previous = f"the previous checkpoint is untouched: {latest}" if latest.exists() else "there is no earlier checkpoint"
        except OSError as second:
            previous = f"{self.path} does not answer: {second}"
        return CheckpointError(f"{path}: the checkpoint could not be saved: {reason}; {previous}")

    def _by_age(self) -> list[Path]:
        """Return the numbered checkpoints, the newest first.

        By age and not by number: a run that began anew starts below the numbers of the one before.
        """
        there = [path for path in self.path.glob("model_iter*") if _NUMBERED.fullmatch(path.name)]
        return sorted(there, key=lambda path: path.stat().st_mtime_ns, reverse=True)

    def _remove_old(self, written: Path) -> None:
        if self._keep == 0:
            return
        needed = {written, *(resolve_pointer(path) for path in self.path.glob("model_*.dcp") if path.is_file())}
        by_use = sorted(self._by_age(), key=lambda path: (path != written, path in self._damaged))
        for path in by_use[self._keep :]:
            if path not in needed:
                files.remove(path)


def _identity(path: Path) -> object:
    """Return what two names of the same data have in common."""
    try:
        status = resolve_pointer(path).stat()
    except (OSError, CheckpointError):
        return path
    return status.st_dev, status.st_ino
