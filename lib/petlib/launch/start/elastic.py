"""Several machines, by torch's elastic agent."""

import ipaddress
import os
import shlex
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from petlib.launch.start.arguments import LaunchArguments
from petlib.launch.start.devices import Devices
from petlib.launch.start.plan import (
    LAUNCH_FOLDER,
    LAUNCHER_PID,
    device_environment,
    loopback_environment,
    search_path_environment,
    thread_environment,
)
from petlib.launch.watch.diagnose import Ending, describe_failure, first_failure
from petlib.launch.watch.status import ErrorReport, read_report, read_status, report_path
from petlib.launch.watch.supervise import SAVE_SIGNAL, say

RUN_ID = "pet"
LOOPBACK_NAMES = ("localhost", "127.0.0.1")
AGENT_GRACE_SECONDS = 30.0
"""How long torch's agent waits after SIGTERM before it sends SIGKILL."""


def elastic_environment(arguments: LaunchArguments, devices: Devices, folder: Path | str, root: Path | None = None) -> dict[str, str]:
    """Return the variables that all ranks of this machine share; torch adds ``RANK`` and the others that differ."""
    loopback = loopback_environment(os.environ) if _host(arguments) in LOOPBACK_NAMES else {}
    return {
        **search_path_environment(root, os.environ),
        **device_environment(devices, os.environ),
        **thread_environment(devices.count, os.environ),
        **loopback,
        LAUNCHER_PID: str(os.getpid()),
        LAUNCH_FOLDER: str(folder),
    }


def describe_elastic(arguments: LaunchArguments, devices: Devices, command: tuple[str, ...], root: Path | None = None) -> str:
    """Return what ``--dry_run`` prints."""
    environment = elastic_environment(arguments, devices, "<private folder>", root)
    variables = [f"    {name}={value}" for name, value in environment.items() if name != LAUNCHER_PID]
    machine = "" if arguments.node_rank is None else f" of machine {arguments.node_rank}"
    return "\n".join(
        [
            f"rendezvous: {arguments.rdzv_endpoint}, restarts: {arguments.max_restarts}",
            f"ranks 0 to {devices.count - 1}{machine}, numbered over {arguments.nnodes} machine(s) by torch's elastic agent:",
            f"  {shlex.join(command)}",
            *variables,
        ]
    )


def run_elastic(
    arguments: LaunchArguments, devices: Devices, command: tuple[str, ...], environment: Mapping[str, str], folder: Path
) -> int:
    """Run the ranks of this machine under the elastic agent and return the exit code."""
    # torch takes seconds to import, and only this way of launching needs it
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=arguments.nnodes,
        max_nodes=arguments.nnodes,
        nproc_per_node=devices.count,
        run_id=RUN_ID,
        rdzv_backend="c10d",
        rdzv_endpoint=arguments.rdzv_endpoint or "",
        rdzv_configs=_rendezvous_options(arguments),
        max_restarts=arguments.max_restarts,
        local_addr=_local_address(arguments),
    )
    os.environ.update(environment)
    signal.signal(SAVE_SIGNAL, lambda *_: _pass_on_save_request(folder))
    try:
        elastic_launch(config, command[0])(*command[1:])
    except ChildFailedError as error:
        return _report_failure(error, folder)
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0


def _pass_on_save_request(folder: Path) -> None:
    for path in folder.glob("status_rank*"):
        status = read_status(folder, int(path.name.removeprefix("status_rank")))
        # a rank that has just ended has nothing left to save
        with suppress(ProcessLookupError):
            if status is not None and status.listens > 0:
                os.kill(status.pid, SAVE_SIGNAL)


def _rendezvous_options(arguments: LaunchArguments) -> dict[str, Any]:
    return {} if arguments.node_rank is None else {"is_host": "true" if arguments.node_rank == 0 else "false"}


def _local_address(arguments: LaunchArguments) -> str | None:
    """Return the address at which the others reach this machine, the one from which it reaches the rendezvous.

    Names of hosts need not lead from one to another then, as they do not between containers. None where there is no such address: torch
    takes the name of the host.
    """
    host, port = _host(arguments), (arguments.rdzv_endpoint or "").rpartition(":")[2]
    if host in LOOPBACK_NAMES:
        return "127.0.0.1"
    try:
        family, kind, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            # a datagram socket sends nothing when it is connected
            probe.connect(address)
            found = str(probe.getsockname()[0])
    except OSError:
        return None
    return None if ipaddress.ip_address(found).is_loopback else found


def _host(arguments: LaunchArguments) -> str:
    return (arguments.rdzv_endpoint or "").rpartition(":")[0]


def _report_failure(error: Any, folder: Path) -> int:
    """Print what the rank said that failed first in the last attempt, and return its exit code."""
    reports = {rank: _last_report(folder, rank) for rank in error.failures}
    first = min((report.time for report in reports.values() if report), default=time.monotonic())
    # the agent sends SIGTERM to all once one has failed, and does not say to whom it had to send SIGKILL later
    late = time.monotonic() - first > AGENT_GRACE_SECONDS
    sent = frozenset((signal.SIGTERM, signal.SIGKILL) if late else (signal.SIGTERM,))
    endings = [
        Ending(rank, failure.exitcode, order=failure.timestamp, sent=sent, report=reports[rank], log=folder / f"rank{rank}.log")
        for rank, failure in error.failures.items()
    ]
    failure = first_failure(endings) or endings[0]
    say(describe_failure(failure))
    return failure.exit_code


def _last_report(folder: Path, rank: int) -> ErrorReport | None:
    """Return the report of a rank's last attempt."""
    pattern = report_path(folder, rank).name.replace("attempt0", "attempt*")
    reports = [read_report(path) for path in folder.glob(pattern)]
    return max((report for report in reports if report), key=lambda report: report.attempt, default=None)
