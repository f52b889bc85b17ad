"""The command and the environment of every rank."""

import os
import shlex
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from petlib.launch.start.arguments import LaunchArguments
from petlib.launch.start.devices import Devices
from petlib.launch.start.resolve import Script

START_SCRIPT = Path(__file__).parents[1] / "process" / "start_script.py"
LOCAL_RANK_OPTIONS = ("--local_rank", "--local-rank")
"""What scripts call the number of their process on its machine; torch's launcher has used both."""

LAUNCHER_PID = "PET_LAUNCHER_PID"
LAUNCH_FOLDER = "PET_LAUNCH_FOLDER"
STORE_SOCKET = "PET_STORE_FD"
ATTEMPT = "TORCHELASTIC_RESTART_COUNT"
"""Environment variable: how often the processes have been started again. The name is that of torch's agent, which sets it too."""


class RankPlan(NamedTuple):
    """One process: its number, its command, and the environment variables that the launcher sets for it."""

    rank: int
    command: tuple[str, ...]
    environment: Mapping[str, str]


class Meeting(NamedTuple):
    """Where the ranks find each other and their launcher.

    Attributes:
        port: of the store on the loopback address.
        descriptor: of the socket that listens there already; rank 0 inherits it, so no other process can take the port in between.
        launcher_pid: process id of the launcher.
        folder: private folder of the launch.
        attempt: how often the processes have been started again.
    """

    port: str
    descriptor: str
    launcher_pid: str
    folder: str
    attempt: int = 0


DRY_MEETING = Meeting(port="<free port>", descriptor="<listening socket>", launcher_pid="<launcher>", folder="<private folder>")


def rank_command(script: Script, arguments: LaunchArguments, root: Path | None = None) -> tuple[str, ...]:
    """Return the command that runs the script with the config, the overrides, and options of its own.

    A script that declares ``--gpu_id`` is given the launcher's; one that declares ``--local_rank`` gets its own from what starts it.

    Args:
        script: what every rank runs.
        arguments: the command line of the launcher.
        root: folder of the user's modules, where the script is one of a user: mistakes in them are reported; None: it is not.
    """
    kind = ("--type", arguments.type_folder) if script.serves_all_tasks and arguments.type_folder else ()
    starter: tuple[str, ...] = ()
    if not script.serves_all_tasks and (root is not None or any(script.declares(option) for option in LOCAL_RANK_OPTIONS)):
        starter = (str(START_SCRIPT), str(root or script.place.root))
    gpus = ("--gpu_id", arguments.gpu_id) if arguments.gpu_id is not None and script.declares("--gpu_id") else ()
    words = (*kind, *gpus, *arguments.overrides, *arguments.script_options)
    return (sys.executable, "-u", *starter, str(script.path), "--cfg", str(arguments.cfg), *words)


def plan_ranks(
    command: tuple[str, ...], devices: Devices, meeting: Meeting, environment: Mapping[str, str] = os.environ, *, root: Path | None = None
) -> list[RankPlan]:
    """Return the plan of every rank of a launch on one machine.

    Args:
        command: of every rank.
        devices: one for each rank.
        meeting: where they find each other.
        environment: of the launcher.
        root: a folder that the ranks find modules in; None: there is none.
    """
    shared = {
        **search_path_environment(root, environment),
        **device_environment(devices, environment),
        **thread_environment(devices.count, environment),
        **loopback_environment(environment),
        "WORLD_SIZE": str(devices.count),
        "LOCAL_WORLD_SIZE": str(devices.count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": meeting.port,
        LAUNCHER_PID: meeting.launcher_pid,
        LAUNCH_FOLDER: meeting.folder,
        ATTEMPT: str(meeting.attempt),
    }
    plans = []
    for rank in range(devices.count):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        store = {STORE_SOCKET: meeting.descriptor} if rank == 0 else {}
        plans.append(RankPlan(rank, command, {**own, **shared, **store}))
    return plans


def search_path_environment(root: Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what lets Python find the modules of a folder before others."""
    paths = [str(root), environment.get("PYTHONPATH", "")] if root is not None else []
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))} if paths else {}


def device_environment(devices: Devices, environment: Mapping[str, str]) -> dict[str, str]:
    """Return which GPUs the ranks see: all of them see all, and take the one with the number ``LOCAL_RANK``."""
    chosen = {"CUDA_VISIBLE_DEVICES": ",".join(devices.gpus)}
    counted_by_driver = devices.gpus and not {"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"} & set(environment)
    return {**chosen, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if counted_by_driver else chosen


def thread_environment(processes: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the threads of each process, unless the user chose: the cores shared out, and a short spin while they wait.

    By default the threads of GNU OpenMP spin for milliseconds and steal the time of loader workers and of other programs. An
    iteration of the digits example with two workers on two cores took 50 ms with the default, 66 ms with sleeping threads
    and 36 ms with 10,000 turns; while two other programs used the cores, 100 to 830, 160 and 90 to 130 ms.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = {} if "OMP_NUM_THREADS" in environment else {"OMP_NUM_THREADS": str(max(1, cores // processes))}
    waiting = {} if {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(environment) else {"GOMP_SPINCOUNT": "10000"}
    return threads | waiting


def loopback_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Keep gloo on the loopback interface: otherwise it listens where the host name points to, if that resolves at all."""
    if "GLOO_SOCKET_IFNAME" in environment or not sys.platform.startswith("linux"):
        return {}
    return {"GLOO_SOCKET_IFNAME": "lo"} if any(name == "lo" for _, name in socket.if_nameindex()) else {}


def listening_socket() -> socket.socket:
    """Return a socket that listens on a free port of the loopback address."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


def describe(plan: RankPlan) -> str:
    """Return the lines of a plan for ``--dry_run``."""
    variables = [f"    {name}={shlex.quote(value) if value else ''}" for name, value in plan.environment.items()]
    return "\n".join([f"rank {plan.rank}:", f"  {shlex.join(plan.command)}", *variables])
