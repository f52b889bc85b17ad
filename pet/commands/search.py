"""Searches for settings: pet-search --cfg x.yaml SPACE.yaml [--trials N] [--time 2h] [--processes N] [--on ray] [KEY VALUE ...].

Each trial is a training of its own with other settings of SPACE.yaml, on this machine or as a job of a Ray cluster. The same command goes
on with a search that was interrupted.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pet.cluster.job import Target
from pet.commands import search_jobs
from pet.commands.train_on_data import time_in_seconds, whole_number
from pet.search.loop import POLL_SECONDS, Search, Slot
from pet.search.results import BEST_CONFIG, describe_search
from pet.search.space import read_space
from pet.search.study import SearchStudy, check_installed
from pet.search.trial_config import Around, check_space
from pet.search.trial_run import METRICS_LOG, RunningTrial, TrialRun, first_metric, training_command
from pet.task import PACKAGE
from petlib.addresses import local_path
from petlib.config import load_cfg, read_layers
from petlib.errors import ConfigError, OutputError, name_in_errors, note_if_interrupted
from petlib.launch.process.tool import exit_code_of
from petlib.launch.start.arguments import parse_tool_arguments
from petlib.launch.start.devices import choose_devices, visible_gpus
from petlib.launch.start.resolve import find_config
from petlib.launch.start.task_folder import find_task_folder
from petlib.run_lock import RunLock
from petlib.suggest import counted

TRIALS = 20
SPACE_SUFFIXES = (".yaml", ".yml")

Begin = Callable[[Path, Mapping[str, Any], Slot], RunningTrial]


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line (that of the process by default), search, and return the exit code."""
    return exit_code_of(lambda: search(sys.argv[1:] if argv is None else argv)) or 0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.usage = "%(prog)s --cfg PATH SPACE.yaml [options] [KEY VALUE | KEY=VALUE ...]"
    parser.add_argument("--trials", type=whole_number, default=TRIALS, metavar="N", help=f"trials in all (default: {TRIALS})")
    parser.add_argument("--time", type=time_in_seconds, metavar="TIME", help="begin no further trial after it: 90s, 10m or 2h")
    parser.add_argument("--processes", type=whole_number, default=1, metavar="N", help="trials at the same time (default: 1)")
    parser.add_argument(
        "--gpu_id", metavar="IDS", help="GPUs that the trials divide among them, e.g. 0,1,2,3 (default: all that are visible)"
    )
    parser.add_argument("--no-prune", action="store_true", help="let every trial reach its end")
    parser.add_argument(
        "--out", type=local_path, metavar="FOLDER", help="folder of the search (default: that of the config's run, with _search)"
    )
    search_jobs.add_cluster_options(parser)


def search(argv: Sequence[str]) -> int:
    """Search and return the exit code.

    Raises:
        UserError: something is wrong with the command, the config, the space, or the folder.
    """
    options, words = parse_tool_arguments(argv, description=(__doc__ or "").partition(":")[0], add_options=add_options)
    space, overrides = _take_space(words)
    target = search_jobs.check_cluster_options(options)
    check_installed()
    around = _read_config(options, overrides)
    folder: Path = options.out or Path(f"{around.cfg.MISC.CKPT}_search")
    if target is not None:
        # what nodes are sent to is the same place in every folder
        folder = folder.absolute()
    dimensions = read_space(space, around.cfg)
    if not around.cfg.TEST.DATASETS:
        raise ConfigError("TEST.DATASETS is empty: a search compares evaluations; name data to evaluate on")
    begin: Begin
    if target is None:
        slots, begin = _divide(options.gpu_id, options.processes, around.cfg.MISC.DEVICE), partial(_begin, around)
    else:
        slots, begin = options.processes * [Slot()], _begin_on(target, around, folder, options, overrides)
    lock = RunLock(folder / "search.lock")
    with name_in_errors({"RunLock.folder": "--out"}), note_if_interrupted("the same command goes on with the search"):
        lock.acquire()
        try:
            check_space(around, dimensions, space, folder / "checked.yaml")
            (folder / "checked.yaml").unlink(missing_ok=True)
            study = SearchStudy(
                folder,
                dimensions=dimensions,
                around=_compared(around, [one.key for one in dimensions]),
                greater=around.cfg.EVAL.BEST_RULE == "greater",
                seed=around.cfg.MISC.SEED,
                prunes=not options.no_prune,
            )
            return _run(study, around, folder, options, slots=slots, begin=begin)
        finally:
            (folder / "checked.yaml").unlink(missing_ok=True)
            lock.release()


def _run(study: SearchStudy, around: Around, folder: Path, options: argparse.Namespace, *, slots: Sequence[Slot], begin: Begin) -> int:
    running = Search(
        study=study,
        folder=folder,
        slots=slots,
        trials=options.trials,
        seconds=options.time,
        begin=begin,
        greater=around.cfg.EVAL.BEST_RULE == "greater",
        say=_say,
        poll_seconds=POLL_SECONDS if options.on is None else search_jobs.POLL_SECONDS,
    )
    where = "" if options.on is None else f" on {options.on}"
    many = f"{counted(options.trials, 'trial')}, {options.processes} at a time{where}"
    _say(f"search: {folder}, {many}; Ctrl-C saves, and the same command goes on")
    running.run()
    best = study.best()
    if best is not None:
        around.write(folder / BEST_CONFIG, folder / "best", best["point"])
    names = (first_metric(path) for path in sorted(folder.glob(f"trial_*/{METRICS_LOG}")))
    metric = around.cfg.EVAL.BEST_METRIC or next(filter(None, names), "metric")
    for line in describe_search(study, folder=folder, metric=metric):
        _say(line)
    return 128 + running.signal_number if running.signal_number else 0


def _begin(around: Around, folder: Path, point: Mapping[str, Any], slot: Slot) -> TrialRun:
    config = folder.with_suffix(".yaml")
    try:
        around.write(config, folder, point)
        return TrialRun(
            folder=folder,
            command=training_command(config, slot.options),
            environment=slot.environment or {},
            metric=around.cfg.EVAL.BEST_METRIC,
        )
    except OSError as error:
        raise OutputError(f"{folder}: the trial cannot begin: {error.strerror}") from error


def _begin_on(target: Target, around: Around, folder: Path, options: argparse.Namespace, overrides: Sequence[str]) -> Begin:
    """Return what submits the trials to a cluster, and print what goes along."""
    words = ["--cfg", options.cfg, *(["--type", options.type] if options.type else []), *overrides]
    jobs = search_jobs.TrialJobs(target=target, around=around, folder=folder, words=words, options=options)
    for line in jobs.package.describe():
        _say(line)
    return jobs.begin


def _read_config(options: argparse.Namespace, overrides: Sequence[str]) -> Around:
    config = find_config(Path(options.cfg), PACKAGE)
    read_layers(config)
    task = find_task_folder(config, PACKAGE, type_folder=options.type)
    cfg = load_cfg(task.config, config, overrides, type_folder=task.type_folder)
    return Around(config=config, type_folder=task.type_folder, task=task.config, cfg=cfg)


def _take_space(words: Sequence[str]) -> tuple[Path, list[str]]:
    """Return the file of the space, which is the YAML file in the place of a key, and the settings.

    Raises:
        ConfigError: there is none.
    """
    place = 0
    while place < len(words):
        if "=" not in words[place] and words[place].endswith(SPACE_SUFFIXES):
            return Path(words[place]), [*words[:place], *words[place + 1 :]]
        place += 1 if "=" in words[place] else 2
    # a key is no file, and has a value
    meant = next((word for word in words if "=" not in word and os.path.lexists(word)), "") or (words[-1] if place > len(words) else "")
    if meant:
        raise ConfigError(f"{meant}: given for SPACE.yaml, the name of which ends in .yaml; docs/search.md shows one")
    raise ConfigError("SPACE.yaml is missing: which settings are searched? docs/search.md shows one")


def _divide(gpu_id: str | None, processes: int, device: str) -> list[Slot]:
    """Return what each of the trials at the same time computes on.

    Raises:
        DeviceError: a GPU is not there.
        ConfigError: the GPUs cannot be divided equally.
    """
    with name_in_errors({"choose_devices.device": "MISC.DEVICE"}):
        visible = visible_gpus()
        devices = choose_devices(gpu_id=gpu_id, nproc=None, device=device, visible=visible)
    if not devices.gpus:
        threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // processes))
        return processes * [Slot(environment={"OMP_NUM_THREADS": threads})]
    count, rest = divmod(len(devices.gpus), processes)
    if rest or not count:
        raise ConfigError(f"--processes {processes}: {len(devices.gpus)} GPUs cannot be divided equally; name others by --gpu_id")
    positions = [str(visible.index(gpu)) for gpu in devices.gpus]
    return [Slot(options=("--gpu_id", ",".join(positions[start : start + count]))) for start in range(0, len(positions), count)]


def _compared(around: Around, keys: Sequence[str]) -> dict[str, Any]:
    """Return the settings that all trials have in common and that change what comes out of them."""
    left_out = {*keys, "MISC.CKPT", "MISC.NAME", "MISC.DEVICE", "MISC.TRACKERS"}
    return {key: value for key, value in around.cfg.flat().items() if key not in left_out}


def _say(line: str) -> None:
    print(line, flush=True)
