"""Batches read ahead by worker processes, and their way from the memory of the CPU to the device."""

import gc
import os
import re
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any, Generic, NamedTuple, NoReturn, Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, get_worker_info

from petlib.data.collate import HostBatch
from petlib.data.protocols import Batch
from petlib.data.worker_watch import Locate, WorkerWatch, death_gate
from petlib.errors import UserError, WorkerError, portable_error
from petlib.launch.process.garbage import collector
from petlib.launch.watch.status import status

Request = TypeVar("Request")
Item = TypeVar("Item")

_WORKER_DIED = re.compile(r"DataLoader worker \(pid")
_TIMED_OUT = re.compile(r"DataLoader timed out")
_WATCH_SECONDS = 1.0
_SLACK_SECONDS = 5.0
"""How much longer the guard waits than torch's loader."""

LOADER_TIMEOUT = 600.0
"""Seconds that workers may take for a batch where nothing else is set."""


class LoadingOptions(NamedTuple):
    """How batches are read ahead."""

    num_workers: int
    """Worker processes; 0 reads in this process."""
    prefetch: int
    """Batches that each worker prepares ahead."""
    pin_memory: bool
    """Hand batches over in pinned memory."""
    worker_init: Callable[[], None] | None
    """Called once in each worker process."""
    timeout: float = LOADER_TIMEOUT
    """Seconds to wait for a batch of the workers; 0: without end."""


def _unknown(_: int) -> str:
    return ""


def start_loading(
    read: Callable[[Request], Batch], requests: Iterable[Request], options: LoadingOptions, *, locate: Locate = _unknown
) -> "ClosableBatches[HostBatch]":
    """Start the workers at once and return the batches of ``requests``, in their order.

    ``read`` runs in the workers, which are forks of this process. They ignore SIGINT and SIGUSR1, and a SIGTERM that does not come
    from this process: cluster tools send it to every process of a run that is to save a checkpoint, which needs its batches
    until then. They end within about a second when this process dies. Closing or dropping the batches ends them. No global
    random generator of this process is drawn from.

    Args:
        read: gives the batch of a request.
        requests: one for each batch.
        options: how many workers there are, and so on.
        locate: gives the file of a sample for messages, by its place in the data set and without reading it.

    Raises (while iterating):
        UserError: what ``read`` raised, as the same class with the same message.
        WorkerError: a worker was killed, or gave no batch within the time that is set.
    """
    # what a run imports is there by now
    collector.resume(spare=True)
    watch = WorkerWatch(options.num_workers, locate)
    with warnings.catch_warnings():
        # the number is a setting; torch repeats its advice in every process and every evaluation
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        loader: DataLoader[Any] = DataLoader(
            _Source(read),  # type: ignore[arg-type]  # torch takes anything that has __getitem__
            sampler=_Requests(requests),
            batch_size=None,
            collate_fn=_as_it_is,
            num_workers=options.num_workers,
            prefetch_factor=options.prefetch if options.num_workers else None,
            pin_memory=options.pin_memory,
            timeout=options.timeout if options.num_workers else 0,
            worker_init_fn=_WorkerStart(options.worker_init, watch),
            generator=torch.Generator(),
            multiprocessing_context="fork" if options.num_workers else None,
        )
        batches = iter(loader)
    watch.processes = getattr(batches, "_workers", ())
    shutdown = _Shutdown(batches, watch)
    return ClosableBatches(_drain(batches, watch, shutdown, options.timeout), shutdown)


class Closable(Protocol):
    """Something that holds workers."""

    def close(self) -> None:
        """End them; a second call does nothing."""


class ClosableBatches(Iterator[Item]):
    """The batches of a generator, whose workers end when these are closed.

    The generator alone would not do: before its first batch was asked for, it has not begun, and closing it runs none of its
    ``finally`` and ``with`` blocks.

    Args:
        batches: gives the batches.
        source: holds the workers that read them.
    """

    def __init__(self, batches: Generator[Item, None, None], source: Closable) -> None:
        self._batches = batches
        self._source = source

    def __next__(self) -> Item:
        return next(self._batches)

    def close(self) -> None:
        """End the workers; there are no batches after that."""
        self._batches.close()
        self._source.close()


def _drain(batches: Iterator[Any], watch: WorkerWatch, shutdown: "_Shutdown", timeout: float) -> Generator[HostBatch, None, None]:
    gate = death_gate() if watch.processes else None
    if timeout and watch.processes:
        watch.end_hangs(timeout + _SLACK_SECONDS)
    with closing(shutdown):
        while True:
            try:
                watch.waits_since = time.monotonic()
                batch = next(batches) if gate is None else gate.next_of(batches, watch.processes)
                watch.waits_since = None
            except StopIteration:
                return
            except (RuntimeError, ConnectionError, EOFError) as error:
                if watch.hang or _TIMED_OUT.match(str(error)):
                    _explain_hang(error, watch, timeout)
                # where it is no RuntimeError, a tensor's file descriptor was being fetched from the worker when that died
                if _WORKER_DIED.match(str(error)) or not isinstance(error, RuntimeError):
                    _explain_death(error, watch)
                raise
            if isinstance(batch, _Failure):
                raise batch.error
            yield batch


def _explain_death(error: Exception, watch: WorkerWatch) -> NoReturn:
    # What torch's loader caught while it waited says which signal it was.
    reason = error.__cause__ if _WORKER_DIED.match(str(error.__cause__)) else error
    known = watch.describe_death()
    raise WorkerError(
        f"a loader worker process died: {known or str(reason).strip().rstrip('.') or type(reason).__name__}. "
        "If it was killed, the machine probably ran out of memory: set TrainLoader.num_workers and "
        "TrainLoader.prefetch (EvaluationLoader.num_workers in a test) lower, and look into the system's log. With 0 workers an error "
        "inside a library shows where it happens."
    ) from error


def _explain_hang(error: Exception, watch: WorkerWatch, timeout: float) -> NoReturn:
    hang = watch.hang or watch.describe_hang()
    watch.kill()
    raise WorkerError(f"no batch came from the loader workers within {timeout:g} seconds (load_batches.timeout): {hang}") from error


class _Shutdown:
    """Ends the workers of an iterator of torch's loader; left to its destructor, a traceback could keep them alive."""

    def __init__(self, batches: Iterator[Any], watch: WorkerWatch) -> None:
        self._end = getattr(batches, "_shutdown_workers", None)
        self._watch = watch

    def close(self) -> None:
        if self._end is not None:
            self._end()
        self._watch.close()


class _Failure(NamedTuple):
    """Takes the place of a batch in a worker's queue: an exception would be rewritten by torch."""

    error: Exception


class _Source(Generic[Request]):
    """The data set that torch's loader sees: one item is one batch."""

    def __init__(self, read: Callable[[Request], Batch]) -> None:
        self._read = read

    def __getitem__(self, numbered: tuple[int, Request]) -> HostBatch | _Failure:
        number, request = numbered
        if get_worker_info() is None:
            return HostBatch(self._read(request))
        status.set_request(number)
        try:
            return HostBatch(self._read(request))
        except UserError as error:
            return _Failure(portable_error(error))
        finally:
            status.set_request(-1)


class _Requests(Generic[Request]):
    """Numbers the requests, and hides the length that they may have, which torch would compare with the data set's."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._requests = requests

    def __iter__(self) -> Iterator[tuple[int, Request]]:
        return enumerate(self._requests)


class _WorkerStart:
    """The first call in a worker process."""

    def __init__(self, worker_init: Callable[[], None] | None, watch: WorkerWatch) -> None:
        self._worker_init = worker_init
        self._watch = watch
        self._trainer = os.getpid()

    def __call__(self, worker: int) -> None:
        # what the trainer left to its garbage collector is not destroyed here: it may wait for threads that a fork does not have
        gc.freeze()
        self._watch.begin(worker)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        if hasattr(signal, "sigtimedwait"):
            # the thread below waits for it; it learns who sent it, which a handler does not
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_live_with, args=(self._trainer,), name=f"watch-trainer-{worker}", daemon=True).start()
        if self._worker_init is not None:
            self._worker_init()


def _live_with(trainer: int) -> None:
    """End this process when ``trainer`` terminates it or is gone: it may be blocked on a pipe that is not read."""
    while os.getppid() == trainer:
        if not hasattr(signal, "sigtimedwait"):
            time.sleep(_WATCH_SECONDS)
            continue
        received = signal.sigtimedwait({signal.SIGTERM}, _WATCH_SECONDS)
        if received is not None and received.si_pid == trainer:
            os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


def _as_it_is(batch: Any) -> Any:
    return batch


def copy_to_device(batches: ClosableBatches[HostBatch], device: torch.device) -> Generator[Batch, None, None]:
    """Yield the batches on ``device``.

    On CUDA each copy is started one batch ahead, on a stream of its own, and runs during the computation.
    """
    with closing(batches):
        if device.type != "cuda":
            for batch in batches:
                yield batch.to(device)
            return
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        ahead = None
        for batch in batches:
            started = _start_copy(batch, device, stream)
            if ahead is not None:
                yield _await_copy(*ahead, device)
            ahead = started
        if ahead is not None:
            yield _await_copy(*ahead, device)


def _start_copy(batch: HostBatch, device: torch.device, stream: torch.cuda.Stream) -> tuple[Batch, torch.cuda.Event]:
    with torch.cuda.stream(stream):
        return batch.to(device), stream.record_event()


def _await_copy(batch: Batch, copied: torch.cuda.Event, device: torch.device) -> Batch:
    """Let the current stream wait for the copy, and keep the memory from being reused while that stream works with it."""
    current = torch.cuda.current_stream(device)
    current.wait_event(copied)
    for value in batch.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Tensor):
                item.record_stream(current)
    return batch
