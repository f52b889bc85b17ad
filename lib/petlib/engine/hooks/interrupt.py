"""SIGTERM and Ctrl-C end a run at the next iteration boundary, with a checkpoint; SIGUSR1 saves one, and the run goes on."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from petlib.distributed.interruption import AgreedFlag, end_request
from petlib.distributed.process_group import world_size
from petlib.engine.hook import Hook
from petlib.engine.state import TrainState
from petlib.launch.watch.status import status

logger = logging.getLogger(__name__)

END_SIGNALS = (signal.SIGTERM, signal.SIGINT)
SAVE_SIGNAL = signal.SIGUSR1

# what the ranks agree on; the greatest counts
_NOTHING, _SAVE, _END = 0, 1, 2
_INTERVALS = 16


class InterruptHook(Hook):
    """Turns the first SIGTERM or SIGINT into a request to stop, agreed among all ranks; a second SIGINT ends at once.

    Ranks are asked at different moments. They exchange the request without waiting: what they say in one iteration is known
    to all in the next, so all stop, or save, after the same iteration and can write the checkpoint together. Where iterations
    are short they do so at every second, third, ... one only. The launcher can see how far the run is.

    Args:
        save: saves a checkpoint of the state; None: SIGUSR1 is left alone.
        exchange_seconds: time between two exchanges, where an iteration does not take longer: each costs tens of microseconds.
    """

    order = 10
    key = "interrupt"

    def __init__(self, *, save: Callable[[TrainState], None] | None = None, exchange_seconds: float = 0.02) -> None:
        self._save = save
        self._exchange_seconds = exchange_seconds
        self._wants_save = False
        self._save_now = False
        self._agreed: AgreedFlag | None = None
        self._alone = True
        self._exchanges_at = 0
        self._exchanged = (0, 0.0)
        self._previous: dict[int, Any] = {}

    def before_train(self, state: TrainState) -> None:
        """Take over the signals."""
        self._agreed, self._alone = AgreedFlag(), world_size() == 1
        self._exchanges_at, self._exchanged = state.iteration + 1, (state.iteration, time.monotonic())
        status.set_iterations(state.iteration)
        # python allows handlers in the main thread only; a run in another thread is stopped by whoever started it
        if threading.current_thread() is threading.main_thread():
            self._take_over()

    def before_step(self, state: TrainState) -> None:
        """Save what the iteration before led to, when that was asked for."""
        if self._save_now:
            assert self._save is not None, "saving was agreed on, but nothing saves"
            self._save_now = False
            self._save(state)
            logger.info("%s received: saved a checkpoint after iteration %d", SAVE_SIGNAL.name, state.iteration)

    def after_step(self, state: TrainState) -> None:
        """Stop, or save before the next iteration, when any rank was asked to."""
        assert self._agreed is not None, "after_step was called without before_train"
        iteration = state.iteration
        status.set_iterations(iteration)
        # a single process has nothing to exchange until it is asked for something
        if iteration < self._exchanges_at or (self._alone and not end_request.signal_number and not self._wants_save):
            return
        request = _NOTHING
        if end_request.signal_number:
            request = _END
        elif self._wants_save:
            request, self._wants_save = _SAVE, False
        # the greatest of all ranks is known to all of them, its interval too
        agreed, interval = divmod(self._agreed.exchange(request * _INTERVALS + self._interval(iteration)), _INTERVALS)
        self._exchanges_at = iteration + max(1, interval)
        if agreed == _END:
            stop_for_signal(state, end_request.signal_number or signal.SIGTERM)
        elif agreed == _SAVE:
            self._save_now = self._save is not None

    def after_train(self, state: TrainState) -> None:
        """Give the signals back."""
        assert self._agreed is not None, "after_train was called without before_train"
        self._agreed.finish()
        self._restore()

    def on_exception(self, state: TrainState) -> None:
        """Give the signals back."""
        self._restore()

    def _interval(self, iteration: int) -> int:
        """Return after how many iterations this rank would exchange again."""
        now, (before, then) = time.monotonic(), self._exchanged
        self._exchanged = iteration, now
        if self._alone or now <= then or iteration <= before:
            return 1
        return min(_INTERVALS - 1, max(1, int(self._exchange_seconds * (iteration - before) / (now - then))))

    def _take_over(self) -> None:
        end_request.signal_number = 0
        self._previous = {number: signal.signal(number, self._asked_to_end) for number in END_SIGNALS}
        if self._save is not None:
            self._previous[SAVE_SIGNAL] = signal.signal(SAVE_SIGNAL, self._asked_to_save)
        status.set_listening(True)

    def _asked_to_end(self, number: int, frame: FrameType | None) -> None:
        if end_request.signal_number and number == signal.SIGINT:
            raise KeyboardInterrupt
        end_request.signal_number = number
        status.set_signal(number)

    def _asked_to_save(self, number: int, frame: FrameType | None) -> None:
        self._wants_save = True

    def _restore(self) -> None:
        if self._previous:
            end_request.signal_number = 0
            status.set_listening(False)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}


def stop_for_signal(state: TrainState, number: int) -> None:
    """Have the run end after the iteration that was just done; all ranks call this at the same iteration."""
    state.signal_number = number
    state.stop_reason = f"{signal.Signals(number).name} received"
    logger.info("%s: saving a checkpoint after iteration %d and ending", state.stop_reason, state.iteration)
