"""The launcher: from a command line to the processes of a run. It imports no torch, except for several machines."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from petlib.config import CfgNode, keys_in_errors, load_cfg, override_layer, read_layers
from petlib.errors import USER_ERROR_EXIT_CODE, ConfigError, DataError, OutputError, UserError, name_in_errors
from petlib.launch.start.arguments import LaunchArguments, OtherForm, check_script_options, parse_launch_arguments
from petlib.launch.start.devices import Devices, choose_devices, visible_gpus
from petlib.launch.start.elastic import describe_elastic, elastic_environment, run_elastic
from petlib.launch.start.plan import DRY_MEETING, Meeting, RankPlan, describe, plan_ranks, rank_command
from petlib.launch.start.resolve import Place, Script, describe_not_found, find_config, find_places, find_script
from petlib.launch.start.task_folder import TaskFolder, describe_tried, first_task_folder, task_folder_at
from petlib.launch.watch.supervise import report_interrupt, say, supervise
from petlib.log import open_missing_streams
from petlib.registry import import_user_modules

DEVICE_KEY = "MISC.DEVICE"


class Launch(NamedTuple):
    """A checked launch, ready to start.

    Attributes:
        arguments: the command line.
        script: what every rank runs.
        devices: one for each rank.
        root: a folder that the ranks find modules in, because the script belongs to another repository than the launcher; or None.
        cfg: the checked config; None: the script alone knows its settings.
        missing_data: why settings that follow from data are not known in a dry run; empty: they are.
    """

    arguments: LaunchArguments
    script: Script
    devices: Devices
    root: Path | None = None
    cfg: CfgNode | None = None
    missing_data: str = ""

    @property
    def elastic(self) -> bool:
        """Whether torch's elastic agent is needed."""
        return self.arguments.nnodes > 1

    @property
    def command(self) -> tuple[str, ...]:
        """The command of every rank."""
        return rank_command(self.script, self.arguments, self.root)


def launch(
    script_name: str,
    *,
    package: str,
    check_task: Callable[[TaskFolder], None] | None = None,
    check_components: Callable[[CfgNode], None] | None = None,
    script_of_all_tasks: Path | None = None,
    repository: Path | None = None,
    other_forms: Sequence[OtherForm] = (),
    argv: Sequence[str] | None = None,
) -> int:
    """Start the script that belongs to a config on every device, stay with it, and return the exit code.

    Exit codes: 0; 2 for a mistake of the user; 128 + n when signal n ended the run; else the code of the rank that failed.

    Args:
        script_name: ``"train_net.py"`` or ``"test_net.py"``.
        package: package of the tasks, e.g. ``"pet"``: the config of ``<root>/tools/<a>/train_net.py`` is checked with the module
            ``config`` of ``<root>/<a>``, or else of ``<package>.<a>``.
        check_task: looks at the task before anything is started, and raises an error of the user where it cannot be used.
        check_components: looks in a dry run at what a config names, such as transforms, and raises an error of the user where one is wrong;
            what it imports is slow, and a run finds the same.
        script_of_all_tasks: serves every task that has no script of this name; it finds the task by the config.
        repository: root of the scripts of the package's tasks, where ``--type`` looks last; see
            :func:`petlib.launch.start.resolve.repository_of`.
        other_forms: of the command, which the caller looks for before this one.
        argv: the command line without the program's name; default: that of the process.
    """
    open_missing_streams()
    try:
        planned = read_launch(
            sys.argv[1:] if argv is None else argv,
            script_name,
            package=package,
            check_task=check_task,
            script_of_all_tasks=script_of_all_tasks,
            repository=repository,
            other_forms=other_forms,
        )
        if planned.arguments.dry_run:
            if planned.cfg is not None and check_components is not None:
                import_user_modules(planned.cfg.MISC.IMPORTS)
                with keys_in_errors(planned.cfg):
                    check_components(planned.cfg)
            print(describe_launch(planned))
            return 0
        return start(planned)
    except UserError as error:
        say(f"error: {error}")
        return USER_ERROR_EXIT_CODE
    except KeyboardInterrupt as interrupt:
        interrupt.add_note("the processes of the run had not begun")
        return report_interrupt(interrupt)


def read_launch(
    argv: Sequence[str],
    script_name: str,
    *,
    package: str,
    check_task: Callable[[TaskFolder], None] | None = None,
    script_of_all_tasks: Path | None = None,
    repository: Path | None = None,
    other_forms: Sequence[OtherForm] = (),
) -> Launch:
    """Read a command line and plan what it asks for; see :func:`launch` for the arguments.

    Raises:
        UserError: something is wrong with the command, the config, its path or the devices.
        SystemExit: ``--help``, or an option is malformed.
    """
    description = f"Runs tools/<type>/<...>/{script_name} for a config below cfgs/<type>/<...>, one process for each device."
    arguments = parse_launch_arguments(argv, description=description, other_forms=other_forms)
    return plan_launch(
        arguments._replace(cfg=find_config(arguments.cfg, package)),
        script_name,
        package=package,
        check_task=check_task,
        script_of_all_tasks=script_of_all_tasks,
        repository=repository,
        other_forms=other_forms,
    )


def plan_launch(
    arguments: LaunchArguments,
    script_name: str,
    *,
    package: str,
    check_task: Callable[[TaskFolder], None] | None,
    script_of_all_tasks: Path | None,
    repository: Path | None,
    other_forms: Sequence[OtherForm] = (),
) -> Launch:
    """Find the script, check the config and choose the devices.

    Raises:
        UserError: something is wrong with the config, its path or the devices.
    """
    read_layers(arguments.cfg)
    script, task = _find_script(arguments, script_name, package, script_of_all_tasks, repository)
    check_script_options(arguments, script.declares, other_forms=other_forms)
    config = None if task is None else task.find_config()
    # the processes check the config of a task that is not known here
    missing: list[DataError] = []
    on_missing_data = missing.append if arguments.dry_run else None
    cfg = None if config is None else load_cfg(config, arguments.cfg, arguments.overrides, on_missing_data=on_missing_data)
    if task is not None and check_task is not None:
        check_task(task)
    device = _configured_device(arguments, cfg)
    with name_in_errors({"choose_devices.device": DEVICE_KEY}):
        devices = choose_devices(gpu_id=arguments.gpu_id, nproc=arguments.nproc, device=device, visible=visible_gpus())
    is_own = script.place.root == repository or (script.place.root / package / "__init__.py").is_file()
    reason = str(missing[0]).partition("\n")[0] if missing else ""
    return Launch(arguments, script, devices, root=None if is_own else script.place.root, cfg=cfg, missing_data=reason)


def _find_script(
    arguments: LaunchArguments, name: str, package: str, script_of_all_tasks: Path | None, repository: Path | None
) -> tuple[Script, TaskFolder | None]:
    """Return the script and the task, which is None where its settings are known to the script alone."""
    places = find_places(arguments.cfg, type_folder=arguments.type_folder, repository=repository)
    script = find_script(places, name)
    if script is not None:
        return script, task_folder_at(script.place, package)
    task = first_task_folder(places, package)
    place = next((place for place in places if task_folder_at(place, package) == task), None)
    if task is not None and task.root is None and repository is not None and place is not None:
        # a task of the package, wherever the config lies: the checkout has its script
        script = find_script([Place(repository, place.folders)], name)
        if script is not None:
            return script, task
    if script_of_all_tasks is None or task is None or place is None:
        scripts = [str(place.script(name)) for place in places]
        what, tried = ("task", scripts + describe_tried(places, package)) if task is None else (name, scripts)
        raise ConfigError(describe_not_found(arguments.cfg, what, places, tried, type_folder=arguments.type_folder, package=package))
    return Script(script_of_all_tasks, place, serves_all_tasks=True), task


def _configured_device(arguments: LaunchArguments, cfg: CfgNode | None) -> str:
    """Return ``MISC.DEVICE``, from the files and the command line where the task is not known here."""
    if cfg is not None:
        return str(cfg.MISC.DEVICE)
    layers = [*read_layers(arguments.cfg), override_layer(list(arguments.overrides))]
    values = [entry.value for layer in layers for entry in layer.entries if entry.key == DEVICE_KEY]
    return str(values[-1]) if values else "auto"


def describe_launch(planned: Launch) -> str:
    """Return what ``--dry_run`` prints."""
    head = [f"script: {planned.script.path}", f"processes: {_summary(planned)}"]
    if planned.missing_data:
        head.append(f"data: not looked at, and what follows from them is not checked: {planned.missing_data}")
    if planned.elastic:
        return "\n".join([*head, describe_elastic(planned.arguments, planned.devices, planned.command, planned.root)])
    plans = plan_ranks(planned.command, planned.devices, DRY_MEETING, root=planned.root)
    restarts = [f"restarts: {planned.arguments.max_restarts}"] if planned.arguments.max_restarts else []
    return "\n".join([*head, *restarts, *(describe(plan) for plan in plans)])


def start(planned: Launch) -> int:
    """Start the processes and return the exit code of the run."""
    say(f"{planned.script.path}: {_summary(planned)}")
    if not planned.elastic:
        return run_ranks(planned.command, planned.devices, max_restarts=planned.arguments.max_restarts, root=planned.root)
    with private_folder() as folder:
        environment = elastic_environment(planned.arguments, planned.devices, folder, planned.root)
        return run_elastic(planned.arguments, planned.devices, planned.command, environment, folder)


def _summary(planned: Launch) -> str:
    nodes = f" on each of {planned.arguments.nnodes} machines" if planned.arguments.nnodes > 1 else ""
    note = f" ({planned.devices.note})" if planned.devices.note else ""
    return planned.devices.summary + nodes + note


def run_ranks(command: tuple[str, ...], devices: Devices, *, max_restarts: int = 0, root: Path | None = None) -> int:
    """Run a command once for each device, stay with the processes, and return the exit code of the run.

    Args:
        command: of every rank.
        devices: one for each rank.
        max_restarts: how often all ranks are started again after a failure.
        root: a folder that the ranks find modules in; None: there is none.

    Raises:
        OutputError: there is no room for temporary files.
    """
    with private_folder() as folder:

        def plan(listener: socket.socket, attempt: int) -> list[RankPlan]:
            port, descriptor = str(listener.getsockname()[1]), str(listener.fileno())
            meeting = Meeting(port=port, descriptor=descriptor, launcher_pid=str(os.getpid()), folder=str(folder), attempt=attempt)
            return plan_ranks(command, devices, meeting, root=root)

        return supervise(plan, folder=folder, max_restarts=max_restarts)


@contextmanager
def private_folder() -> Iterator[Path]:
    """Give a temporary folder that no other user may look into, and remove it at the end.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="pet-launch-"))
    except OSError as error:
        raise OutputError(f"a temporary folder cannot be made: {error}; name a place for it with TMPDIR") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
