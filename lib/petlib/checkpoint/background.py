"""Work on a folder that may stop answering: in a thread that the process can end without."""

import atexit
import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import TypeVar

_LOGGER = logging.getLogger(__name__)
Value = TypeVar("Value")


class Worker:
    """Does one piece of work at a time in a thread, with a limit to how long it is waited for.

    What hangs in the system cannot be interrupted. A thread that is late is therefore left to itself, and nothing else is begun
    before it is back. At the end of the process work that is not late is waited for.

    Args:
        name: of the thread.
        limit: seconds from the beginning of the work.
    """

    def __init__(self, name: str, *, limit: float) -> None:
        self.limit = limit
        self._name = name
        self._done: threading.Event | None = None
        self._error: BaseException | None = None
        self._started = 0.0
        self._given_up = False
        atexit.register(_finish, weakref.ref(self))

    @property
    def busy(self) -> bool:
        """Whether there is work that has not ended."""
        return self._done is not None and not self._done.is_set()

    @property
    def elapsed(self) -> float:
        """Seconds since the latest work began."""
        return time.monotonic() - self._started

    def start(self, work: Callable[[], None]) -> None:
        """Begin; what was begun before has ended."""
        assert not self.busy, "one piece of work at a time"
        self._done, self._error, self._given_up = threading.Event(), None, False
        self._started = time.monotonic()
        threading.Thread(target=self._run, args=(work, self._done), name=self._name, daemon=True).start()

    def wait(self, seconds: float | None = None) -> bool:
        """Return whether the work has ended, at the latest after ``seconds``, without them at the limit; raise what it raised."""
        if self._done is None:
            return True
        if not self._done.wait(max(0.0, self.limit - self.elapsed if seconds is None else seconds)):
            return False
        error, self._done, self._error = self._error, None, None
        if error is not None:
            raise error
        return True

    def run(self, work: Callable[[], Value]) -> Value:
        """Do ``work`` in the thread and return what it returns.

        Raises:
            TimeoutError: the limit has passed, or earlier work is still late.
        """
        if self.busy:
            raise TimeoutError(f"what was begun {self.elapsed:.0f} s ago still hangs")
        values: list[Value] = []
        self.start(lambda: values.append(work()))
        if not self.wait():
            raise TimeoutError(f"no answer within {self.limit:g} s (Checkpointer.timeout)")
        return values[0]

    def give_up(self) -> None:
        """Let the end of the process not wait."""
        self._given_up = True

    def finish(self) -> None:
        """Wait until the limit for work that was not given up; errors are logged."""
        if self._given_up:
            return
        try:
            if not self.wait():
                _LOGGER.error("%s: not finished after %.0f s; the process ends without it", self._name, self.elapsed)
        except Exception as error:
            _LOGGER.error("%s", error, exc_info=not isinstance(error, ValueError | OSError))

    def _run(self, work: Callable[[], None], done: threading.Event) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 -- whoever waits for the work gets it
            self._error = error
        finally:
            done.set()


def _finish(reference: "weakref.ref[Worker]") -> None:
    worker = reference()
    if worker is not None:
        worker.finish()
