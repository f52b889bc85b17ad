"""What several tests share: processes that form a gloo group, and the skip of GPU tests."""

import faulthandler
import logging
import multiprocessing
import os
import pickle
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

import pytest
import torch
from xdist.scheduler import LoadScopeScheduling

from petlib import distributed

_PRELOADED = ["petlib.distributed.parallel", "petlib.checkpoint.checkpointer", "torch.distributed.checkpoint", "torch._dynamo"]


@pytest.fixture(autouse=True, scope="session")
def one_thread_a_worker() -> None:
    """Keep the threads of parallel test workers from waiting for each other's cores."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def log_of_a_test_ends_with_it() -> Iterator[None]:
    """Begin and end each test without the log of a run in this process, also where a fixture of a whole module trained before."""
    _forget_the_log_of_a_run()
    yield
    _forget_the_log_of_a_run()


def _forget_the_log_of_a_run() -> None:
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    for handler in [handler for handler in root.handlers if type(handler).__module__ == "petlib.log"]:
        root.removeHandler(handler)
        handler.close()


@pytest.fixture(autouse=True, scope="session")
def signals_that_are_not_ignored() -> None:
    """Let what tests start hear SIGHUP and SIGINT, which nohup and shells in the background have everything below them ignore."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        # with a handler these tests themselves still live on; only what they start begins with the system's default
        signal.signal(signal.SIGHUP, lambda *_: None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class RunRanks(Protocol):
    def __call__(self, function: Callable[..., Any], world_size: int, *args: Any, timeout: float = 180) -> list[Any]: ...


@pytest.fixture
def process_context(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> ForkServerContext:
    """Start processes that run functions of the test module within milliseconds.

    They come from a fork server that has torch imported: a fork of pytest itself could inherit locks of torch's threads.
    """
    # The processes import the test module by the name that pytest gave it, counted from here.
    monkeypatch.syspath_prepend(pytestconfig.rootpath)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


@pytest.fixture
def run_ranks(process_context: ForkServerContext) -> RunRanks:
    """Call ``function(*args)`` in ``world_size`` processes that form a gloo group; return the ranks' results in their order.

    ``function`` is at the top level of the test module. An exception fails the test with that rank's traceback; at the
    time limit, in seconds, all ranks are killed and each prints where it was.
    """

    def run(function: Callable[..., Any], world_size: int, *args: Any, timeout: float = 180) -> list[Any]:
        return _run_ranks(process_context, partial(function, *args), world_size, timeout)

    return run


class CommandLinesTogether(LoadScopeScheduling):
    """Gives a module of command lines to one worker, since its tests share what a fixture ran once; all other tests one by one."""

    TOGETHER = ("tests/integration/", "tests/faults/", "tests/test_structure.py")

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0] if nodeid.startswith(self.TOGETHER) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> CommandLinesTogether:
    return CommandLinesTogether(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="run the tests too that CI has no room for")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("nightly") and not item.config.getoption("--nightly"):
        pytest.skip("takes too long for CI; run it with --nightly")
    if item.get_closest_marker("cuda") and not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")


def _run_ranks(context: ForkServerContext, call: Callable[[], Any], world_size: int, timeout: float) -> list[Any]:
    processes: list[BaseProcess] = []
    readers: list[Connection] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for rank in range(world_size):
            reader, writer = context.Pipe(duplex=False)
            handed = listener if rank == 0 else None
            environment = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world_size, "LOCAL_WORLD_SIZE": world_size}
            environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": listener.getsockname()[1]}
            arguments = (environment, handed, timeout, writer, call)
            process = context.Process(target=_rank_main, args=arguments, daemon=True)
            process.start()
            writer.close()
            processes.append(process)
            readers.append(reader)
        try:
            return _collect(readers, timeout + 5)
        finally:
            for process in processes:
                process.join(1)
                process.kill()
                process.join()


def _collect(readers: list[Connection], timeout: float) -> list[Any]:
    deadline = time.monotonic() + timeout
    results: dict[int, Any] = {}
    while len(results) < len(readers):
        waiting = {reader: rank for rank, reader in enumerate(readers) if rank not in results}
        ready = wait(list(waiting), max(0.0, deadline - time.monotonic()))
        if not ready:
            pytest.fail(f"ranks {sorted(waiting.values())} did not finish within the time limit", pytrace=False)
        for reader in ready:
            assert isinstance(reader, Connection)
            rank = waiting[reader]
            try:
                succeeded, value = pickle.loads(reader.recv_bytes())
            except EOFError:
                pytest.fail(f"rank {rank} died or hung; what it printed is below", pytrace=False)
            if not succeeded:
                pytest.fail(f"rank {rank} failed:\n{value}", pytrace=False)
            results[rank] = value
    return [results[rank] for rank in range(len(readers))]


def _rank_main(
    environment: dict[str, Any], listener: socket.socket | None, timeout: float, writer: Connection, call: Callable[[], Any]
) -> None:
    faulthandler.dump_traceback_later(timeout, exit=True, file=sys.__stderr__)
    torch.set_num_threads(1)
    os.environ.update({name: str(value) for name, value in environment.items()})
    if listener is not None:
        os.environ["PET_STORE_FD"] = str(listener.detach())
    try:
        distributed.init_process_group(torch.device("cpu"), timeout_seconds=timeout)
        result = call()
        distributed.barrier()
        distributed.destroy_process_group()
        writer.send_bytes(pickle.dumps((True, result)))
    except BaseException:  # noqa: BLE001 -- whatever ends a rank is what the test has to show
        writer.send_bytes(pickle.dumps((False, traceback.format_exc())))
