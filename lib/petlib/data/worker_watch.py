"""Which worker died or hangs, and what it was reading."""

import faulthandler
import mmap
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from petlib.launch.watch.status import STACK_SIGNAL, STATUS_BYTES, StatusValues, status, unpack_status

STACK_SECONDS = 1.0
"""How long a worker that hangs may take to write where it is."""
STACK_LINES = 15
_DEATH_SECONDS = 1.0
_GUARD_SECONDS = 1.0

Locate = Callable[[int], str]


class WorkerWatch:
    """Memory in which workers say what they read, and a file for their stacks; made before the workers are.

    Args:
        num_workers: how many there are.
        locate: gives the file of a sample by its place in the data set, without reading it; empty where it is not known.

    Attributes:
        processes: the workers.
        waits_since: when the training began to wait for its present batch; None: it does not wait.
        hang: what :meth:`end_hangs` found before it killed the workers.
    """

    def __init__(self, num_workers: int, locate: Locate) -> None:
        self._memory = mmap.mmap(-1, max(1, num_workers) * STATUS_BYTES)
        # a file without a name: only this process and its workers have it
        self._stacks = tempfile.TemporaryFile() if num_workers else None  # noqa: SIM115 -- it lives as long as the workers
        self._locate = locate
        self._closed = threading.Event()
        self.processes: Sequence[BaseProcess] = ()
        self.waits_since: float | None = None
        self.hang = ""

    def begin(self, worker: int) -> None:
        """Called in a worker: say from here on what it reads, and write its stacks when it is asked to."""
        status.write_to(self._memory, worker * STATUS_BYTES)
        if self._stacks is not None:
            faulthandler.register(STACK_SIGNAL, file=self._stacks.fileno(), all_threads=True)

    def describe_death(self) -> str:
        """Return which workers died and what they were reading; empty where none is known to have."""
        deadline = time.monotonic() + _DEATH_SECONDS
        while not (dead := [worker for worker, process in enumerate(self.processes) if process.exitcode]):
            if time.monotonic() > deadline:
                return ""
            time.sleep(0.01)
        return "; ".join(f"worker {worker} {_ending(self.processes[worker])}{self._reading(worker)}" for worker in dead)

    def describe_hang(self) -> str:
        """Return what the worker was reading that the training waits for, and where it is."""
        at_work = [(self._values_of(worker).request, worker) for worker in range(len(self.processes))]
        # batches come in the order of their requests: the others wait for the first
        _, worker = min((entry for entry in at_work if entry[0] >= 0), default=(-1, -1))
        if worker < 0:
            return "none of them is at work"
        return f"worker {worker}{self._reading(worker)}{self._stack(self.processes[worker])}"

    def end_hangs(self, seconds: float) -> None:
        """From here on kill the workers when the training waits longer than ``seconds``.

        torch's own limit does not help where a worker stopped in the middle of handing a batch over: the reader waits for the
        rest without end, but for the signal that announces a worker's death.
        """
        threading.Thread(target=self._guard, args=(seconds,), name="loader-guard", daemon=True).start()

    def kill(self) -> None:
        """Kill the workers: one that hangs would not end when it is asked to."""
        for process in self.processes:
            process.kill()

    def _guard(self, seconds: float) -> None:
        while not self._closed.wait(_GUARD_SECONDS):
            since = self.waits_since
            if since is not None and time.monotonic() - since > seconds:
                self.hang = self.describe_hang()
                self.kill()
                return

    def _values_of(self, worker: int) -> StatusValues:
        return unpack_status(self._memory, worker * STATUS_BYTES)

    def _reading(self, worker: int) -> str:
        values = self._values_of(worker)
        if not values.sample:
            return ", which had not begun to read"
        file = self._locate(values.sample_index)
        batch = f", for iteration {values.iterations + 1}" if values.iterations >= 0 else ""
        return f"; the last that it began to read was {values.sample}{f', {file}' if file else ''}{batch}"

    def _stack(self, process: BaseProcess) -> str:
        """Have a worker write its stacks, and return that of its main thread."""
        if self._stacks is None or process.pid is None:
            return ""
        os.kill(process.pid, STACK_SIGNAL)
        deadline, written = time.monotonic() + STACK_SECONDS, b""
        while time.monotonic() < deadline and (not written or len(written) < os.fstat(self._stacks.fileno()).st_size):
            time.sleep(0.05)
            written = os.pread(self._stacks.fileno(), 1 << 16, 0)
        # faulthandler writes the main thread last
        lines = written.decode(errors="replace").rstrip().rpartition("(most recent call first):\n")[2].splitlines()[:STACK_LINES]
        return "\n".join(["; it is here, the latest call first:", *lines]) if lines else "; it could not say where it is"

    def close(self) -> None:
        """End the guard and give the file back."""
        self._closed.set()
        if self._stacks is not None:
            self._stacks.close()


class DeathGate:
    """Lets the death of a worker end the training where it waits for a batch of that worker, and nowhere else.

    torch's handler of SIGCHLD raises in the midst of whatever the main thread does, where it is not clear what the error is of.
    """

    def __init__(self, handler: Any) -> None:
        self._handler = handler
        self._awaited: Sequence[BaseProcess] = ()
        self._any_died = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        try:
            self._handler(number, frame)
        except RuntimeError:
            self._any_died = True
            if any(process.exitcode for process in self._awaited):
                raise

    def next_of(self, batches: Iterator[Any], processes: Sequence[BaseProcess]) -> Any:
        """Return the next of ``batches``; raise what torch raises when one of ``processes`` dies meanwhile, or has died before."""
        self._awaited = processes
        try:
            dead = [process.pid for process in processes if process.exitcode] if self._any_died else []
            if dead:
                raise RuntimeError(f"DataLoader worker (pid(s) {dead}) died before its batch was asked for")
            return next(batches)
        finally:
            self._awaited = ()


def death_gate() -> DeathGate | None:
    """Put a gate before torch's handler, if it has one in this thread, and return it."""
    if threading.current_thread() is not threading.main_thread():
        return None
    handler = signal.getsignal(signal.SIGCHLD)
    if not callable(handler):
        return None
    if not isinstance(handler, DeathGate):
        handler = DeathGate(handler)
        signal.signal(signal.SIGCHLD, handler)
    return handler


def _ending(process: BaseProcess) -> str:
    code = process.exitcode or 0
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"
