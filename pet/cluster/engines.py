"""The engines that run jobs: what each of them can do, under one signature."""

import contextlib
from collections.abc import Iterator
from typing import Protocol

from pet.cluster import local, ray, records, slurm
from pet.cluster.job import ClusterJob, Target
from pet.cluster.package import Package
from pet.cluster.records import Record
from petlib.errors import ConfigError, UserError
from petlib.files import check_folder, writing_errors

ACTIVE = ("pending", "running")


class Engine(Protocol):
    """What :mod:`pet.cluster.slurm`, :mod:`pet.cluster.ray` and :mod:`pet.cluster.local` have."""

    def check(self, job: ClusterJob, target: Target) -> None:
        """Refuse what cannot be submitted from here."""

    def submit(self, job: ClusterJob, target: Target, package: Package) -> str:
        """Submit a job and return the engine's number of it."""

    def state(self, record: Record) -> str:
        """Return pending, running, done, stopped, failed or lost."""

    def follow(self, record: Record) -> Iterator[str]:
        """Yield what a job prints until it has ended."""

    def stop(self, record: Record) -> None:
        """Have a job save and end."""


ENGINES: dict[str, Engine] = {"slurm": slurm, "ray": ray, "local": local}


def check(job: ClusterJob, target: Target) -> None:
    """Refuse a job that cannot be submitted from here, or whose run another job is at.

    Raises:
        ConfigError: the engine cannot be reached, or a job of this name is under way.
        OutputError: the storage cannot be written.
    """
    check_folder(job.folder, _place_of(job))
    ENGINES[target.engine].check(job, target)
    earlier = records.newest(job.name)
    if earlier is not None and earlier.job.storage == job.storage and (now := state(earlier)) in ACTIVE:
        raise ConfigError(
            f"{earlier.job.id} is {now} and writes into {job.results}; wait for it, stop it with pet-jobs stop {job.name}, or take "
            "another --name"
        )


def submit(job: ClusterJob, target: Target, package: Package) -> Record:
    """Submit a checked job and note it.

    Raises:
        UserError: the storage cannot be written, or the engine refuses the job.
    """
    with writing_errors(_place_of(job)):
        job.folder.mkdir(parents=True, exist_ok=True)
    try:
        number = ENGINES[target.engine].submit(job, target, package)
    except UserError:
        with contextlib.suppress(OSError):
            # empty: nothing was sent
            job.folder.rmdir()
        raise
    return records.remember(job, target, number)


def _place_of(job: ClusterJob) -> str:
    """Return what a job's folder lies in, for messages; where results go to a store, that is the folder of the code."""
    return f"ClusterJob.code_dir {job.code_dir}" if job.is_in_store else f"ClusterJob.storage {job.storage}"


def state(record: Record) -> str:
    """Return how far a job is: pending, running, done, stopped, failed, or lost."""
    return ENGINES[record.target.engine].state(record)


def follow(record: Record) -> Iterator[str]:
    """Yield what a job prints until it has ended."""
    return ENGINES[record.target.engine].follow(record)


def stop(record: Record) -> None:
    """Have a job save and end."""
    ENGINES[record.target.engine].stop(record)
