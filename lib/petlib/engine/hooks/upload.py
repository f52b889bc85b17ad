"""What a run saved is in its store when it ends."""

import logging
import sys

from petlib.checkpoint.upload import Uploader, finish_upload
from petlib.distributed.collectives import broadcast_object
from petlib.distributed.process_group import is_main_process
from petlib.engine.hook import Hook
from petlib.engine.state import TrainState
from petlib.errors import OutputError

STOP_SECONDS = 60.0
"""How long a run that was asked to stop waits at most: who asked will not wait for long."""
ROUND_SECONDS = 1.0
logger = logging.getLogger(__name__)


class UploadHook(Hook):
    """Uploads at the beginning what the store lacks, and waits at the end for what is still under way; it comes after all other hooks.

    Args:
        uploader: of the run.
    """

    order = 99
    key = "upload"
    intervals = ()

    def __init__(self, *, uploader: Uploader) -> None:
        self._uploader = uploader

    def before_train(self, state: TrainState) -> None:
        """Upload the checkpoint that the run goes on from, where the store does not have it."""
        path = state.checkpointer.restored_path
        if is_main_process() and path is not None and state.checkpointer.has_latest():
            self._uploader.offer_unknown(path, iteration=state.iteration)

    def after_train(self, state: TrainState) -> None:
        """Wait for the upload, with a limit that is shorter where a signal asked for the end.

        Raises:
            OutputError: it is not done; raised on all ranks. After a signal the log says it.
        """
        stopped = bool(state.signal_number)
        seconds = min(STOP_SECONDS, self._uploader.timeout) if stopped else self._uploader.timeout
        if is_main_process():
            self._uploader.want_files()
        waited, outcome = 0.0, None
        while outcome is None:
            outcome = broadcast_object(self._look(waited, seconds) if is_main_process() else None)
            waited += ROUND_SECONDS
        if outcome and not stopped:
            raise OutputError(outcome)
        if outcome and is_main_process():
            logger.error(outcome)

    def on_exception(self, state: TrainState) -> None:
        """Upload what there is, for a short time; who presses Ctrl-C twice does not want to wait."""
        if is_main_process() and not isinstance(sys.exception(), KeyboardInterrupt | OutputError):
            problem = finish_upload(self._uploader, seconds=min(STOP_SECONDS, self._uploader.timeout))
            if problem:
                logger.error(problem)

    def _look(self, waited: float, seconds: float) -> str | None:
        """Return what is not uploaded in time, empty where all is; None while there is time."""
        if self._uploader.wait(min(ROUND_SECONDS, seconds - waited)):
            return ""
        if waited == 0:
            logger.info("waiting up to %g s for the upload to %s", seconds, self._uploader.address)
        return self._uploader.describe(seconds) if waited + ROUND_SECONDS >= seconds else None
