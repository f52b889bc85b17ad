"""SIGTERM and Ctrl-C end a run at the next iteration boundary, with a checkpoint."""

import logging
import signal
import threading
from types import FrameType
from typing import Any

from petlib.dist.agreed_flag import AgreedFlag
from petlib.engine.hook import Hook
from petlib.engine.state import TrainState

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class InterruptHook(Hook):
    """Turns the first SIGTERM or SIGINT into the wish to stop, agreed among all ranks; a second SIGINT ends at once.

    Ranks are asked at different moments. They exchange the wish without waiting: what they say in one iteration is known
    to all in the next, so all stop after the same iteration and can write the checkpoint together.
    """

    order = 10
    key = "interrupt"

    def __init__(self) -> None:
        self._received = 0
        self._agreed: AgreedFlag | None = None
        self._previous: dict[int, Any] = {}

    def before_train(self, state: TrainState) -> None:
        """Take over the signals."""
        self._agreed = AgreedFlag()
        # python allows handlers in the main thread only; a run in another thread is stopped by whoever started it
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._receive) for number in SIGNALS}

    def after_step(self, state: TrainState) -> None:
        """Stop when any rank was asked to."""
        assert self._agreed is not None, "after_step was called without before_train"
        if self._agreed.exchange(self._received != 0):
            state.signal_number = self._received or signal.SIGTERM
            state.stop_reason = f"{signal.Signals(state.signal_number).name} received"
            logger.info("%s: saving a checkpoint after iteration %d and ending", state.stop_reason, state.iteration)

    def after_train(self, state: TrainState) -> None:
        """Give the signals back."""
        assert self._agreed is not None, "after_train was called without before_train"
        self._agreed.finish()
        self._restore()

    def on_exception(self, state: TrainState) -> None:
        """Give the signals back."""
        self._restore()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._received = number

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
