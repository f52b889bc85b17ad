"""The launcher: from a command line to the processes of a run. It imports no torch, except for several machines."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from petlib.config import read_layers
from petlib.errors import USER_ERROR_EXIT_CODE, UserError
from petlib.launch.start.arguments import LaunchArguments, parse_launch_arguments
from petlib.launch.start.check import check_config, configured_device, find_task_config
from petlib.launch.start.devices import Devices, choose_devices, visible_gpus
from petlib.launch.start.elastic import describe_elastic, elastic_environment, run_elastic
from petlib.launch.start.local import private_folder, run_ranks
from petlib.launch.start.plan import DRY_MEETING, describe, plan_ranks, rank_command
from petlib.launch.start.resolve import Script, resolve_script
from petlib.launch.watch.diagnose import INTERRUPTED_EXIT_CODE
from petlib.launch.watch.supervise import say
from petlib.log import open_missing_streams


@dataclass(frozen=True)
class Launch:
    """A checked launch, ready to start."""

    arguments: LaunchArguments
    script: Script
    devices: Devices

    @property
    def elastic(self) -> bool:
        """Whether torch's elastic agent is needed."""
        return self.arguments.nnodes > 1

    @property
    def command(self) -> tuple[str, ...]:
        """The command of every rank."""
        return rank_command(self.script.path, self.arguments)


def launch(script_name: str, *, package: str, repository: Path | None = None, argv: Sequence[str] | None = None) -> int:
    """Start the script that belongs to a config on every device, stay with it, and return the exit code.

    Exit codes: 0; 2 for a mistake of the user; 128 + n when signal n ended the run; else the code of the rank that failed.

    Args:
        script_name: ``"train_net.py"`` or ``"test_net.py"``.
        package: package of the tasks, e.g. ``"pet"``: the config of ``tools/<a>/train_net.py`` is checked with ``<package>.<a>.config``.
        repository: root of the checkout whose launcher runs, where ``--type`` looks last.
        argv: the command line without the program's name; default: that of the process.
    """
    open_missing_streams()
    description = f"Runs tools/<type>/<...>/{script_name} for a config below cfgs/<type>/<...>, one process for each device."
    try:
        arguments = parse_launch_arguments(sys.argv[1:] if argv is None else argv, description=description)
        planned = plan_launch(arguments, script_name, package=package, repository=repository)
        if arguments.dry_run:
            print(describe_launch(planned))
            return 0
        return start(planned)
    except UserError as error:
        say(f"error: {error}")
        return USER_ERROR_EXIT_CODE
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT_CODE


def plan_launch(arguments: LaunchArguments, script_name: str, *, package: str, repository: Path | None) -> Launch:
    """Find the script, check the config and choose the devices.

    Raises:
        UserError: something is wrong with the config, its path or the devices.
    """
    read_layers(arguments.cfg)
    script = resolve_script(arguments.cfg, script_name, type_folder=arguments.type_folder, repository=repository)
    cfg = check_config(arguments.cfg, arguments.overrides, find_task_config(package, script.folders))
    device = configured_device(arguments.cfg, arguments.overrides, cfg)
    devices = choose_devices(gpu_id=arguments.gpu_id, nproc=arguments.nproc, device=device, visible=visible_gpus())
    return Launch(arguments, script, devices)


def describe_launch(planned: Launch) -> str:
    """Return what ``--dry_run`` prints."""
    head = [f"script: {planned.script.path}", f"processes: {_summary(planned)}"]
    if planned.elastic:
        return "\n".join([*head, describe_elastic(planned.arguments, planned.devices, planned.command)])
    plans = plan_ranks(planned.command, planned.devices, DRY_MEETING)
    restarts = [f"restarts: {planned.arguments.max_restarts}"] if planned.arguments.max_restarts else []
    return "\n".join([*head, *restarts, *(describe(plan) for plan in plans)])


def start(planned: Launch) -> int:
    """Start the processes and return the exit code of the run."""
    say(f"{planned.script.path}: {_summary(planned)}")
    if not planned.elastic:
        return run_ranks(planned.command, planned.devices, max_restarts=planned.arguments.max_restarts)
    with private_folder() as folder:
        environment = elastic_environment(planned.arguments, planned.devices, folder)
        return run_elastic(planned.arguments, planned.devices, planned.command, environment, folder)


def _summary(planned: Launch) -> str:
    nodes = f" on each of {planned.arguments.nnodes} machines" if planned.arguments.nnodes > 1 else ""
    note = f" ({planned.devices.note})" if planned.devices.note else ""
    return planned.devices.summary + nodes + note
