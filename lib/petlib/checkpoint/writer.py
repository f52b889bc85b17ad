"""Work that goes on behind the training, one piece at a time."""

import threading
from collections.abc import Callable


class BackgroundWriter:
    """Runs one task at a time in a thread of its own and hands its error to the next call.

    The thread is no daemon: an interpreter that ends waits for it, so a save that has begun is finished.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def submit(self, task: Callable[[], None]) -> None:
        """Start ``task``; :meth:`wait` has to come before."""
        assert self._thread is None, "the task before is still under way"
        self._thread = threading.Thread(target=self._run, args=(task,), name="checkpoint-writer")
        self._thread.start()

    def wait(self) -> None:
        """Wait for the task that is under way, if there is one, and raise what it raised."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self, task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:  # noqa: BLE001 -- it is raised again in the thread that waits
            self._error = error
