"""The scheduler: reads the config, picks the way to train, and starts the trainer on every device."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from pet.compat.shared.building import find_class
from pet.compat.trainframework.configuration import TrainFrameworkConfig, read_config
from pet.compat.trainframework.exporting import export_generator
from pet.compat.trainframework.trainer.build import BUILD_TRAINER_REGISTRY
from pet.compat.trainframework.trainer.trainer import BaseTrainer
from pet.compat.trainframework.translation import WORDS
from pet.exporting.task import print_report
from petlib import engine
from petlib.addresses import local_path
from petlib.distributed.process_group import is_main_process
from petlib.errors import DeviceError, name_in_errors
from petlib.files import write_text_atomically
from petlib.launch import RunProcess, run_process
from petlib.launch.process.tool import exit_code_of
from petlib.launch.start.arguments import LaunchArguments
from petlib.launch.start.devices import Devices, choose_devices, visible_gpus
from petlib.launch.start.elastic import elastic_environment, run_elastic
from petlib.launch.start.main import private_folder, run_ranks
from petlib.launch.start.plan import device_environment
from petlib.suggest import did_you_mean


@dataclass(frozen=True)
class TrainArguments:
    """What ``train.py`` was called with.

    Args:
        config_file: the config.
        overrides: settings that replace those of the file.
        num_gpus: how many of the visible GPUs to use; None: all.
        nproc: number of CPU processes; None: one.
        resume: go on from the latest checkpoint of the output folder.
        export: do not train, but write the trained model as this file.
        weights: the checkpoint that is exported; None: the best of the output folder, or else the latest.
        num_machines: how many machines train together, each with the same command but for its number.
        machine_rank: the number of this one, from 0.
        endpoint: where they meet, HOST:PORT; None: this is the only one.
    """

    config_file: Path
    overrides: list[str]
    num_gpus: int | None = None
    nproc: int | None = None
    resume: bool = False
    export: Path | None = None
    weights: Path | None = None
    num_machines: int = 1
    machine_rank: int = 0
    endpoint: str | None = None


def parse_arguments(argv: Sequence[str]) -> TrainArguments:
    """Read the command line.

    Raises:
        SystemExit: ``--help`` (code 0), or an option is unknown or malformed (code 2, after a message).
    """
    parser = argparse.ArgumentParser(
        description="Trains the model of a config.",
        usage="%(prog)s --config-file PATH [options] [KEY=VALUE ...]",
        epilog="KEY=VALUE: settings that replace those of the config, e.g. solver.max_iter=1000",
        allow_abbrev=False,
    )
    parser.add_argument("--config-file", metavar="PATH", required=True, help="config file: .py or .yaml")
    parser.add_argument("--num-gpus", type=_count, metavar="N", help="use the first N visible GPUs (default: all); 0: the CPU")
    parser.add_argument("--nproc", type=_count, metavar="N", help="number of CPU processes, with trainer.device=cpu or --num-gpus 0")
    parser.add_argument("--resume", action="store_true", help="go on from the latest checkpoint of output_dir where there is one")
    parser.add_argument("--export", type=local_path, metavar="FILE", help="do not train: write the trained model as FILE, .onnx or .pt2")
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="the checkpoint to export (default: the best of output_dir, or the latest)"
    )
    parser.add_argument("--distribute", action="store_true", help="a process for each GPU: trainer.parallel=ddp, which is the default")
    parser.add_argument("--num-machines", type=_count, default=1, metavar="N", help="how many machines train together (default: 1)")
    parser.add_argument("--machine-rank", type=_count, default=0, metavar="R", help="the number of this machine, from 0")
    parser.add_argument(
        "--dist-url", type=_endpoint, metavar="URL", help="where machines meet, tcp://HOST:PORT of machine 0, or auto for one"
    )
    options, overrides = parser.parse_known_args(argv)
    for word in overrides:
        if word.startswith("--"):
            known = [f"--{name.replace('_', '-')}" for name in (*vars(options), "help")]
            parser.error(f"unknown option {word}{did_you_mean(word.partition('=')[0], known)}")
    if options.weights and not options.export:
        parser.error("--weights belongs to --export; a training begins with trainer.weights of the config")
    if options.num_machines > 1 and not options.dist_url:
        parser.error(f"--num-machines {options.num_machines} needs --dist-url tcp://HOST:PORT, the same on every machine")
    if options.machine_rank >= max(options.num_machines, 1):
        parser.error(f"--machine-rank {options.machine_rank}: machines are numbered from 0 to {options.num_machines - 1}")
    return TrainArguments(
        Path(options.config_file),
        [*overrides, *(["trainer.parallel=ddp"] if options.distribute else [])],
        options.num_gpus,
        options.nproc,
        options.resume,
        options.export,
        options.weights,
        options.num_machines,
        options.machine_rank,
        options.dist_url,
    )


def _endpoint(text: str) -> str | None:
    """Return HOST:PORT of a URL; None for ``auto``, one machine."""
    if text == "auto":
        return None
    host, _, port = text.removeprefix("tcp://").rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} given, tcp://HOST:PORT or auto expected, e.g. tcp://node0:29500")
    return f"{host}:{port}"


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} given, a whole number expected")
    return int(text)


CONFIG_RECORD = "engine_config.yaml"
"""The config of a training in its output folder, with the settings of the command line; it can be trained from."""

logger = logging.getLogger(__name__)


class BaseScheduler:
    """What a user's ``train.py`` ends with: ``BaseScheduler().schedule()``.

    Several GPUs get a process each: the script is started once more for every one of them. Under ``torchrun`` the processes are there
    already.

    Args:
        argv: the command line without the script's name; None: that of the process.
    """

    def __init__(self, argv: Sequence[str] | None = None) -> None:
        self._argv = list(sys.argv[1:] if argv is None else argv)

    def schedule(self) -> None:
        """Train, or with ``--export`` write a trained model as a file, and return when that is done.

        Raises:
            SystemExit: it failed, with its exit code: 2 after a mistake of the user, which one message reports.
        """
        arguments = parse_arguments(self._argv)
        path = arguments.export
        if path is not None:
            code = exit_code_of(lambda: export(arguments, path))
        elif is_rank():
            code = run_process(lambda process: run(arguments, process))
        else:
            code = exit_code_of(lambda: self._start(arguments))
        if code:
            sys.exit(code)

    def _start(self, arguments: TrainArguments) -> int:
        cfg = read_config(arguments.config_file, arguments.overrides)
        devices = pick_devices(arguments, cfg)
        print(devices.summary + (f" ({devices.note})" if devices.note else ""), file=sys.stderr, flush=True)
        if arguments.num_machines > 1:
            return start_on_machines(arguments, devices)
        if devices.count > 1 and cfg.run.TRAIN.PARALLEL != "dp":
            return start_ranks(devices)
        os.environ.update(device_environment(devices, os.environ))
        return run_process(lambda process: run(arguments, process))


def export(arguments: TrainArguments, path: Path) -> None:
    """Write a trained model as a file, and say what was written.

    Raises:
        UserError: see :func:`pet.compat.trainframework.exporting.export_generator`.
    """
    cfg = read_config(arguments.config_file, arguments.overrides)
    with name_in_errors(WORDS):
        print_report(export_generator(cfg, path, arguments.weights))


def pick_devices(arguments: TrainArguments, cfg: TrainFrameworkConfig) -> Devices:
    """Return the devices of a training.

    Without a GPU that is the CPU, also for a config with ``device='cuda'`` and for ``--num-gpus 1``, as in the document.

    Raises:
        DeviceError: more GPUs are asked for than there are, or GPUs and CPU processes at once.
    """
    visible = visible_gpus()
    device = "cpu" if arguments.num_gpus == 0 else str(cfg.run.MISC.DEVICE)
    on_cpu = device == "cpu" or not visible
    if arguments.nproc is not None and not on_cpu:
        raise DeviceError("--nproc counts CPU processes: add --num-gpus 0, or give --num-gpus N instead")
    if arguments.num_gpus and arguments.num_gpus > max(len(visible), 1):
        available = f"{len(visible)} visible" if visible else "none visible; leave it out to train on the CPU"
        raise DeviceError(f"--num-gpus {arguments.num_gpus}: there are not so many GPUs on this machine ({available})")
    return choose_devices(gpu_id=None, nproc=arguments.nproc if on_cpu else arguments.num_gpus, device=device, visible=visible)


def run(arguments: TrainArguments, process: RunProcess) -> None:
    """Train in this process, which may be one of several.

    Raises:
        UserError: config, data, weights or checkpoint are wrong, or the loss is not finite.
    """
    cfg = read_config(arguments.config_file, arguments.overrides, resume=arguments.resume)
    folder = Path(cfg.run.MISC.CKPT)
    with name_in_errors(WORDS):
        process.log_to(folder, purpose=_log_name(cfg))
        with engine.open_run(cfg.run):
            _train(cfg, folder)


def _train(cfg: TrainFrameworkConfig, folder: Path) -> None:
    if is_main_process():
        write_text_atomically(folder / CONFIG_RECORD, yaml.safe_dump(_plain(cfg.nested.to_dict()), sort_keys=False, allow_unicode=True))
    build_trainer(cfg).loop()


def build_trainer(cfg: TrainFrameworkConfig) -> BaseTrainer:
    """Return the trainer of a config, with its model and its data.

    Raises:
        UserError: a name is not registered, or something cannot be built or read.
    """
    component = cfg.translated.components["trainer"]
    return find_class(BUILD_TRAINER_REGISTRY, component, BaseTrainer)(cfg)


def _log_name(cfg: TrainFrameworkConfig) -> str:
    return cfg.nested.get("output_log_name", "train") or "train"


def _plain(value: object) -> object:
    """Return lists in the place of tuples, which YAML has not."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def is_rank() -> bool:
    """Return whether a launcher, ours or torchrun, has started this process as one of several."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def start_ranks(devices: Devices) -> int:
    """Run this program once more for each device, stay with the processes, and return the exit code of the run."""
    command = (sys.executable, *sys.orig_argv[1:])
    return run_ranks(command, devices)


def start_on_machines(arguments: TrainArguments, devices: Devices) -> int:
    """Run this program once more for each device of this machine, next to those of the others, and return the exit code of the run."""
    launch = LaunchArguments(
        cfg=arguments.config_file,
        nnodes=arguments.num_machines,
        node_rank=arguments.machine_rank,
        rdzv_endpoint=arguments.endpoint,
    )
    command = (sys.executable, *sys.orig_argv[1:])
    with private_folder() as folder:
        return run_elastic(launch, devices, command, elastic_environment(launch, devices, folder), folder)
