"""Trials of a search as jobs on a Ray cluster, pet-search --on ray[:ADDRESS]: Optuna chooses here, Ray gives each trial its place."""

import argparse
import logging
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pet.cluster import engines, records
from pet.cluster.job import ClusterJob, Target, new_id
from pet.cluster.node import STOPPED, read_ending
from pet.cluster.package import Package, package_folder
from pet.cluster.records import Record
from pet.commands.submit import add_job_options, build_job
from pet.search.loop import Slot
from pet.search.trial_config import Around
from pet.search.trial_run import METRICS_LOG, Evaluation, last_lines, log_path, read_evaluations
from petlib.errors import ConfigError, OutputError, UserError, name_in_errors

ENGINES = ("ray",)
POLL_SECONDS = 1.0
STATE_SECONDS = 5.0
"""How often the cluster is asked for what the shared folder does not say: that a job ended without a word."""
LOST_SECONDS = 120.0
NAMES = {"ClusterJob.storage": "--out"}
"""What a search calls the storage of its jobs: it is in the folder of the search."""
CODES = {"done": 0, "stopped": 128 + signal.SIGTERM, "failed": 1}

logger = logging.getLogger(__name__)


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a search whose trials run on a cluster."""
    parser.add_argument("--on", metavar="CLUSTER", help="ray:http://HOST:8265, or ray: each trial is a job there (default: this machine)")
    add_job_options(parser)
    parser.add_argument(
        "--name", default="", metavar="NAME", help="of the jobs, with the number of the trial (default: from the config's path)"
    )


def check_cluster_options(options: argparse.Namespace) -> Target | None:
    """Return where the trials run; None: on this machine.

    Raises:
        ConfigError: there is no such cluster for searches, or an option has no effect there.
    """
    if options.on is None:
        parser = argparse.ArgumentParser()
        add_cluster_options(parser)
        given = [name for name, default in vars(parser.parse_args([])).items() if getattr(options, name) != default]
        if given:
            raise ConfigError(f"--{given[0]}: it is about the machines of a cluster; give --on ray:http://HOST:8265, or leave it out")
        return None
    if options.on.partition(":")[0] not in ENGINES:
        raise ConfigError(
            f"--on {options.on}: ray:http://HOST:8265 expected, the trials of a search run there, or without --on on this machine; on "
            "Slurm, call pet-search in a job of one node"
        )
    if options.gpu_id is not None:
        raise ConfigError(f"--gpu_id {options.gpu_id} and --on: the cluster chooses the GPUs; say how many with --gpus_per_node")
    return Target.parse(options.on)


class TrialJobs:
    """Submits the trials of a search, or takes up those that still run.

    Args:
        target: the cluster.
        around: what is searched around.
        folder: of the search, which the nodes see too.
        words: config and settings of all trials, as on the command line.
        options: of the machines.

    Raises:
        UserError: the cluster cannot be used from here, or the code cannot be sent.
    """

    def __init__(self, *, target: Target, around: Around, folder: Path, words: Sequence[str], options: argparse.Namespace) -> None:
        own = argparse.Namespace(**{**vars(options), "storage": str(folder / "jobs")})
        self._target, self._around = target, around
        self._job = build_job("train", words, own, around.cfg)
        self._package = package_folder(Path.cwd()).without(folder.resolve())
        self._package.check()
        with name_in_errors(NAMES):
            engines.check(self._job, target)

    @property
    def package(self) -> Package:
        """The code that goes along."""
        return self._package

    def begin(self, folder: Path, point: Mapping[str, Any], _slot: Slot) -> "TrialJob":
        """Submit a trial, unless its job is there from before the search was interrupted.

        Args:
            folder: its output folder.
            point: its settings.

        Raises:
            UserError: the cluster refuses it.
        """
        metric = self._around.cfg.EVAL.BEST_METRIC
        earlier = next((one for one in reversed(records.all_records()) if one.job.results == str(folder)), None)
        if earlier is not None and engines.state(earlier) in (*engines.ACTIVE, "done"):
            return TrialJob(earlier, metric=metric)
        try:
            self._around.write(folder.with_suffix(".yaml"), folder, point)
        except OSError as error:
            raise OutputError(f"{folder}: the trial cannot begin: {error.strerror}") from error
        name = f"{self._job.name}-{folder.name}"
        settings = [f"{key}={value!r}" for key, value in point.items()]
        job = replace(self._job, id=new_id(name, "train"), name=name, words=(*self._job.words, *settings), output=str(folder))
        with name_in_errors(NAMES):
            record = engines.submit(job, self._target, self._package)
        return TrialJob(record, metric=metric)


class TrialJob:
    """The training of one trial, a job of a cluster.

    Args:
        record: the job that was submitted.
        metric: the metric that counts; empty: the first one of an evaluation.
    """

    def __init__(self, record: Record, *, metric: str) -> None:
        self._record, self._metric = record, metric
        self._job: ClusterJob = record.job
        self._code: int | None = None
        self._stopping = False
        self._asked_at = -STATE_SECONDS
        self._silent_since: float | None = None

    def poll(self) -> int | None:
        """Return its exit code; None: it has not ended.

        Raises:
            OutputError: the cluster does not say whether it runs.
        """
        if self._code is None and (code := self._exit_code()) is not None:
            self._keep_log()
            self._code = code
        return self._code

    @property
    def was_stopped(self) -> bool:
        """Whether it saved and ended because it was asked to."""
        return self._stopping and self._code in STOPPED

    def stop(self) -> None:
        """Ask it to save and to end."""
        self._stopping = True
        if self._code is None:
            engines.stop(self._record)

    def kill(self) -> None:
        """Ask it to end, too: it needs no one who waits for it. One that cannot be asked runs on, and the next search takes it up."""
        if self._code is None and not self._stopping and self._silent_since is None:
            try:
                self.stop()
            except UserError as error:
                logger.warning("%s", error)

    def evaluations(self) -> list[Evaluation]:
        """Return the evaluations that it has written so far, those in which the metric is defined."""
        return read_evaluations(self._job.run_folder / METRICS_LOG, self._metric)

    def last_words(self) -> str:
        """Return the last lines that it printed."""
        return last_lines(self._job.run_folder)

    def _exit_code(self) -> int | None:
        code, now = read_ending(self._job), time.monotonic()
        if code is not None or now - self._asked_at < STATE_SECONDS:
            return code
        state = engines.state(self._record)
        self._asked_at = time.monotonic()
        if state != "lost":
            self._silent_since = None
            return CODES.get(state)
        if self._silent_since is None:
            self._silent_since = now
        if now - self._silent_since > LOST_SECONDS:
            raise OutputError(
                f"{self._job.id}: {self._record.target} does not say how it is since {LOST_SECONDS:g} s; the same command goes on with "
                "what runs there, and with what is saved"
            )
        return None

    def _keep_log(self) -> None:
        """Write what it printed next to its folder, where a search on this machine has it."""
        try:
            text = "".join(engines.follow(self._record))
        except UserError as error:
            text = f"{self._job.id}: {error}\n"
        with log_path(self._job.run_folder).open("a", encoding="utf-8") as log:
            log.write(text)
