"""The jobs that were submitted from here, so that they are found again by name."""

import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

from pet.cluster.job import ClusterJob, Target
from petlib.errors import ConfigError, DataError
from petlib.files import user_caches, write_text_atomically
from petlib.suggest import did_you_mean


@dataclass(frozen=True)
class Record:
    """A job that was submitted.

    Attributes:
        job: what was sent.
        target: where it went.
        number: what the engine calls it.
        submitted: when, in words.
        ended: its exit code, where this machine was there when it ended; None: the job's own folder may say it.
    """

    job: ClusterJob
    target: Target
    number: str
    submitted: str
    ended: int | None = None


def remember(job: ClusterJob, target: Target, number: str) -> Record:
    """Note a job that was submitted now."""
    record = Record(job, target, number, time.strftime("%Y-%m-%d %H:%M:%S %z"))
    _write(record)
    return record


def remember_ending(record: Record, code: int) -> None:
    """Note how a job ended, which its folder no longer says when it was removed; the job keeps its place among the others.

    Raises:
        OSError: it cannot be written, or the record is gone.
    """
    path = _folder() / f"{record.job.id}.json"
    submitted = path.stat()
    _write(replace(record, ended=code))
    os.utime(path, ns=(submitted.st_atime_ns, submitted.st_mtime_ns))


def all_records() -> list[Record]:
    """Return the jobs that were submitted from here, the newest last."""
    paths = sorted(_folder().glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    return [record for path in paths if (record := _read(path)) is not None]


def find(name: str) -> Record:
    """Return a job by its id, or the newest of a name.

    Raises:
        ConfigError: there is none.
    """
    records = all_records()
    fitting = [record for record in records if name in (record.job.id, record.job.name)]
    if not fitting:
        names = sorted({record.job.name for record in records})
        raise ConfigError(f"there is no job {name!r}{did_you_mean(name, names)}; pet-jobs list shows all that were submitted from here")
    return fitting[-1]


def newest(name: str) -> Record | None:
    """Return the newest job of a name; None: there is none."""
    return next((record for record in reversed(all_records()) if record.job.name == name), None)


def _write(record: Record) -> None:
    job, values = record.job, {"target": str(record.target), "number": record.number, "submitted": record.submitted, "ended": record.ended}
    text = json.dumps({"job": json.loads(job.to_json()), **values}, indent=1, ensure_ascii=False)
    write_text_atomically(_folder() / f"{job.id}.json", text)


def _read(path: Path) -> Record | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        job = ClusterJob.from_json(json.dumps(values["job"]))
        ended = values.get("ended")
        number = str(values["number"])
        return Record(job, Target.parse(values["target"]), number, str(values["submitted"]), None if ended is None else int(ended))
    except (OSError, ValueError, KeyError, TypeError, DataError):
        # of another version, or just removed
        return None


def _folder() -> Path:
    return user_caches() / "jobs"
