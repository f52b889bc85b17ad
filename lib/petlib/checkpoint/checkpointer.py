"""Saving and finding the checkpoints of a run."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from petlib.checkpoint.background import Worker
from petlib.checkpoint.choice import choose_whole
from petlib.checkpoint.locate import read_checkpoint
from petlib.checkpoint.restore import restore_components
from petlib.checkpoint.run_folder import RunFolder
from petlib.checkpoint.sharded import find_mesh, on_main, write_folder
from petlib.checkpoint.snapshot import Snapshot, collect_state
from petlib.checkpoint.state_file import write_file
from petlib.checkpoint.upload import Uploader
from petlib.distributed.collectives import broadcast_object
from petlib.distributed.process_group import is_main_process
from petlib.errors import CheckpointError

_LOGGER = logging.getLogger(__name__)
_ROUND_SECONDS = 1.0
"""How long rank 0 lets the others wait in one exchange, which is far below the time limit of such."""


class _Outcome(NamedTuple):
    """What rank 0 reports to the others of the writer: whether it is done, and what went wrong."""

    done: bool
    problem: str


class Checkpointer:
    """Writes and reads ``model_iter<N>.pth``, ``model_latest.pth`` and ``model_best.pth`` in the folder of a run.

    A checkpoint appears under its name only when the disk has all of it, so once there has been a ``model_latest.pth`` there
    is a whole one at every moment. The latest and the best are further names of the same data (hard links), not copies.

    Sharded checkpoints are folders, ``model_iter<N>.dcp``; ``model_latest.dcp`` is then a file with the name of a folder. All
    ranks write them, into a file system that they share, and training waits for it. A second one of the same iteration is
    ``model_iter<N>_2.dcp``.

    Attributes:
        restored_path: what :meth:`restore` took; None: nothing.
        saved_iteration: of the last save that was begun; 0: there was none.
        uploader: see below.

    Args:
        folder: the output folder; made at the first save.
        keep: how many ``model_iter<N>`` stay, the newest; 0: all. The data of the latest and the best always stay.
        background: go on training while a thread writes.
        sharded: write folders, for a network that is sharded over the ranks.
        timeout: seconds after which a save that is still not on the disk has failed.
        uploader: gets each checkpoint that is on the disk, on rank 0.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        keep: int = 2,
        background: bool = True,
        sharded: bool = False,
        timeout: float = 600.0,
        uploader: Uploader | None = None,
    ) -> None:
        assert keep >= 0, f"keep is a number of checkpoints or 0 for all, {keep} given"
        self.folder = Path(folder)
        self.restored_path: Path | None = None
        self.saved_iteration = 0
        self.uploader = uploader
        self._background = background
        self._sharded = sharded
        self._run_folder = RunFolder(self.folder, keep=keep, suffix=".dcp" if sharded else ".pth")
        self._snapshot = Snapshot()
        self._worker = Worker("checkpoint-writer", limit=timeout)
        # On every rank, where only rank 0 has a thread that writes.
        self._writing: Path | None = None
        self._late = False
        self._error: Exception | None = None

    @property
    def latest_path(self) -> Path:
        """Where the checkpoint is that a run resumes from, or will be."""
        return self._run_folder.role_path("latest")

    @property
    def best_path(self) -> Path:
        """Where the checkpoint with the best metric is, or will be."""
        return self._run_folder.role_path("best")

    @property
    def stalled(self) -> bool:
        """Whether a save has failed because it takes too long, and still hangs; the same on every rank."""
        return self._late

    def has_latest(self) -> bool:
        """Return whether there is a latest checkpoint."""
        return self.latest_path.exists()

    def has_best(self) -> bool:
        """Return whether there is a best checkpoint."""
        return self.best_path.exists()

    def can_resume(self) -> bool:
        """Return whether there is any checkpoint to resume from; whether one is whole :meth:`restore` finds out."""
        return bool(self._run_folder.candidates())

    def read_latest(self) -> dict[str, Any] | None:
        """Return all that the latest checkpoint holds, with whole tensors on the CPU; None where there is no checkpoint.

        Raises:
            CheckpointError: it is damaged, or holds other Python objects than tensors and plain data.
        """
        self.finish()
        return read_checkpoint(self.latest_path) if self.has_latest() else None

    def restore(
        self, components: Mapping[str, Any], *, inspect: Callable[[Mapping[str, Any], str], None] | None = None
    ) -> dict[str, Any] | None:
        """Load the latest checkpoint into ``components`` in place; every rank calls it.

        Where that is damaged or gone, the newest whole one is taken, with a warning; ``restored_path`` is then its path.

        Args:
            components: what :meth:`save` was given. Each object in it with ``load_state_dict`` takes its state, at whatever
                depth of mappings. Networks and optimizers have to fit; another object that the checkpoint does not know stays
                as it is, with a warning.
            inspect: called with all that the checkpoint holds and its path before anything is restored; may raise.

        Returns:
            What no object took, such as plain values; None where there is no checkpoint.

        Raises:
            CheckpointError: no checkpoint is whole, or the file belongs to another architecture or other optimizers.
        """
        try:
            self.wait()
        except CheckpointError as error:
            _LOGGER.error("%s; going back to an earlier one", error)
        candidates = self._run_folder.candidates() if is_main_process() else []
        choice = choose_whole(self.folder, candidates, wanted=self.latest_path, mesh=find_mesh(components))
        if choice is None:
            return None
        self.restored_path = choice.path
        self._run_folder.note_damaged(choice.damaged)
        if inspect is not None:
            inspect(choice.state, str(choice.path))
        return restore_components(components, choice.state, origin=str(choice.path))

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
            CheckpointError: this save, or the one before, could not be written; raised on all ranks. The previous checkpoint is
                untouched, and the next save may succeed.
        """
        self.wait()
        self.saved_iteration = iteration
        roles = [role for role, wanted in (("latest", latest), ("best", best)) if wanted]
        if self._sharded:
            self._save_folder(iteration, collect_state(components), roles)
        else:
            self._save_file(self._run_folder.new_path(iteration), components, roles)

    def wait(self, *, patient: bool = False) -> None:
        """Wait until what is being saved is on the disk; every rank calls it, at the end of a run too.

        Args:
            patient: give a save that is late the whole time once more.

        Raises:
            CheckpointError: it could not be written, or not in time; raised on all ranks. The previous checkpoint is untouched.
        """
        if self._writing is None:
            return
        path, was_late = self._writing, self._late
        limit = self._worker.limit + (self._worker.elapsed if patient and was_late else 0.0)
        outcome = None
        while outcome is None:
            outcome = broadcast_object(self._look(path, limit) if is_main_process() else None)
        self._writing, self._late = (None, False) if outcome.done else (path, True)
        if outcome.problem:
            error, self._error = self._error, None
            if error is not None and not isinstance(error, CheckpointError):
                raise error
            raise CheckpointError(outcome.problem) from error
        if was_late and is_main_process():
            _LOGGER.warning("%s: the checkpoint that took too long is saved after all", path)

    def finish(self) -> None:
        """Wait for this process alone, where the other ranks may be gone.

        Raises:
            CheckpointError: what was being saved could not be written, or not in time.
        """
        if not self._worker.wait(0.0 if self._late else None) and self._writing is not None:
            raise self._overdue(self._writing)

    def give_up(self) -> None:
        """Let the process end at once, without what is being written; the previous checkpoint stays."""
        self._worker.give_up()

    def _save_file(self, path: Path, components: Mapping[str, Any], roles: list[str]) -> None:
        problem = ""
        if is_main_process():
            try:
                state = self._snapshot.copy(collect_state(components))
                self._worker.start(partial(self._write, path, state, roles))
            except CheckpointError as error:
                problem = str(error)
        problem = broadcast_object(problem)
        if problem:
            raise CheckpointError(f"{path}: the checkpoint could not be saved: {problem}")
        self._writing = path
        if not self._background:
            self.wait()

    def _write(self, path: Path, state: Any, roles: list[str]) -> None:
        try:
            self._run_folder.prepare()
            write_file(path, state)
            self._publish(path, roles)
        except (OSError, RuntimeError) as error:
            raise self._run_folder.failure(path, error) from error

    def _publish(self, path: Path, roles: list[str]) -> None:
        self._run_folder.publish(path, roles)
        if self.uploader is not None:
            self.uploader.offer(path, iteration=self.saved_iteration, best="best" in roles)

    def _save_folder(self, iteration: int, state: Any, roles: list[str]) -> None:
        paths = [self.folder / f"model_iter{iteration}.dcp"]

        def begin() -> None:
            self._run_folder.prepare()
            paths.append(self._run_folder.new_path(iteration))

        try:
            on_main("begun", lambda: self._worker.run(begin))
            paths.append(broadcast_object(paths[-1]))
            write_folder(paths[-1], state, self._worker)
            on_main("named", lambda: self._worker.run(lambda: self._publish(paths[-1], roles)))
        except CheckpointError as error:
            raise CheckpointError(f"{paths[-1]}: the checkpoint could not be saved: {error}; earlier checkpoints are untouched") from error

    def _look(self, path: Path, limit: float) -> _Outcome | None:
        """Return how the writer is doing, None while there is time."""
        try:
            if self._worker.wait(max(0.0, min(_ROUND_SECONDS, limit - self._worker.elapsed))):
                return _Outcome(True, "")
        except Exception as error:  # noqa: BLE001 -- raised once the others know
            self._error = error
            return _Outcome(True, str(error) or type(error).__name__)
        return _Outcome(False, str(self._overdue(path))) if self._worker.elapsed >= limit else None

    def _overdue(self, path: Path) -> CheckpointError:
        # Nothing here looks at the folder, which may not answer.
        return CheckpointError(
            f"{path}: the checkpoint is not on the disk after {self._worker.elapsed:.0f} s (Checkpointer.timeout is "
            f"{self._worker.limit:g} s): the folder does not answer, or is too slow; the previous checkpoint is untouched"
        )
