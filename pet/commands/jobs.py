"""Jobs on clusters: pet-jobs list, pet-jobs follow NAME, pet-jobs stop NAME, pet-jobs fetch NAME [--out FOLDER]."""

import argparse
import shutil
from pathlib import Path
from typing import NoReturn

from pet.cluster import engines, records
from pet.cluster.records import Record
from pet.commands.submit import follow_to_end, print_text
from petlib import checkpoint
from petlib.addresses import local_path
from petlib.errors import ConfigError, OutputError
from petlib.files import check_folder
from petlib.launch.process.tool import run_plain_tool
from petlib.object_store import RETRY_SECONDS
from petlib.suggest import counted

ACTIONS = ("list", "follow", "stop", "fetch")
FETCHED = Path("ckpts")
NOT_FETCHED = shutil.ignore_patterns("*.lock", ".*.tmp.*")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("action", choices=ACTIONS, help="list all, follow what one prints, stop one (it saves), or fetch its results")
    parser.add_argument("name", nargs="?", metavar="NAME", help="of the run, for its newest job; or the id of a job")
    parser.add_argument("--out", type=local_path, metavar="FOLDER", help=f"where fetch puts the results (default: {FETCHED}/NAME)")


def act(options: argparse.Namespace) -> int:
    """Do what the command line says and return the exit code.

    Raises:
        ConfigError: there is no such job, no name was given, or something that the action does not take.
    """
    if options.out is not None and options.action != "fetch":
        raise ConfigError(f"pet-jobs {options.action} --out {options.out}: only fetch writes a folder")
    if options.action == "list":
        if options.name is not None:
            raise ConfigError(f"pet-jobs list {options.name}: list takes no name, it shows all jobs")
        return list_jobs()
    if options.name is None:
        raise ConfigError(f"pet-jobs {options.action} NAME: which job? pet-jobs list shows all that were submitted from here")
    record = records.find(options.name)
    if options.action == "follow":
        return follow_to_end(record, print_text)
    if options.action == "stop":
        return stop(record)
    return fetch(record, options.out or FETCHED / record.job.name)


def list_jobs() -> int:
    """Print the jobs that were submitted from here, the newest last."""
    for record in records.all_records():
        print(f"{record.submitted}  {engines.state(record):8}  {record.target!s:24}  {record.job.id}")
    return 0


def stop(record: Record) -> int:
    """Have a job save and end, unless it has ended already."""
    state = engines.state(record)
    if state not in engines.ACTIVE:
        print(f"{record.job.id} is {state}")
        return 0
    engines.stop(record)
    print(f"{record.job.id}: asked to save and end; the same command goes on from there")
    return 0


def fetch(record: Record, folder: Path) -> int:
    """Copy the results of a job.

    Raises:
        OutputError: there are none yet, or the folder cannot be written.
    """
    check_folder(folder, f"--out {folder}")
    if record.job.is_in_store:
        is_there = checkpoint.fetch_run(checkpoint.CheckpointStore(record.job.results, retry_seconds=RETRY_SECONDS), folder)
    else:
        is_there = _copy(record.job.run_folder, folder)
    if not is_there:
        raise OutputError(f"{record.job.results}: no results yet; {record.job.id} is {engines.state(record)}")
    files = [path for path in folder.rglob("*") if path.is_file()]
    print(f"{folder}: {counted(len(files), 'file')} of {record.job.id}, which is {engines.state(record)}")
    return 0


def _copy(source: Path, folder: Path) -> bool:
    """Copy a run folder; return whether there is one."""
    if not source.is_dir():
        return False
    try:
        shutil.copytree(source, folder, dirs_exist_ok=True, symlinks=True, ignore=NOT_FETCHED)
    except (OSError, shutil.Error) as error:
        raise OutputError(f"{folder}: the results cannot be copied: {error}") from error
    return True


def main() -> NoReturn:
    """Read the command line, act, and exit."""
    run_plain_tool(act, description=(__doc__ or "").partition("\n")[0], add_options=add_options)
