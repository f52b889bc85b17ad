"""Sends a training, test or export to a cluster: pet-train --cfg PATH --on slurm[:PARTITION] | ray[:ADDRESS] | local [--nodes N] ..."""

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pet.cluster import engines
from pet.cluster.job import (
    DEFAULT_STORAGE,
    STORAGE,
    ClusterJob,
    Target,
    check_batch,
    check_name,
    new_id,
    option_of_storage,
    parse_nodes,
    storage_of,
)
from pet.cluster.node import launcher_words
from pet.cluster.package import Package, package_folder
from pet.cluster.records import Record
from pet.task import PACKAGE
from petlib.config import CfgNode
from petlib.errors import ConfigError, name_in_errors, note_if_interrupted
from petlib.launch.process.tool import exit_code_of
from petlib.launch.start.command_parser import CommandParser
from petlib.launch.start.resolve import find_config

MAX_FAILURES = 3
OF_THE_NODES = ("--nnodes", "--node_rank", "--rdzv_endpoint", "--gpu_id")
"""Options of the launcher that the cluster gives on each node."""
RENDEZVOUS = "<first node>:<port>"

Check = Callable[[Sequence[str]], CfgNode | None]


def main(program: str, check: Check, argv: Sequence[str] | None = None) -> int:
    """Check everything, submit, say how to go on, and return the exit code.

    Args:
        program: train, test or export.
        check: reads the command line without the cluster's options, and returns the config; None: it is known on the nodes only.
        argv: the command line without the program's name; default: that of the process.
    """
    return exit_code_of(lambda: submit(program, check, sys.argv[1:] if argv is None else argv)) or 0


def submit(program: str, check: Check, argv: Sequence[str]) -> int:
    """Submit a command.

    Raises:
        UserError: something is wrong with the command, the config, the code, or the cluster; nothing was sent then.
    """
    parser = _parser()
    options, words = parser.parse_known_args(parser.with_joined_values(argv))
    target = Target.parse(options.on)
    _check_words(words)
    cfg = check([*words, "MISC.DEVICE=cpu"] if program != "export" else words)
    job = build_job(program, words, options, cfg)
    package = package_folder(Path.cwd())
    for line in describe(job, target, package):
        print(line)
    package.check()
    with name_in_errors({"ClusterJob.storage": option_of_storage(options.storage), "ClusterJob.code_dir": "the current folder"}):
        engines.check(job, target)
        if options.dry_run:
            return 0
        with note_if_interrupted(f"pet-jobs list shows whether {job.id} was submitted"):
            record = engines.submit(job, target, package)
    return report(record)


def build_job(program: str, words: Sequence[str], options: argparse.Namespace, cfg: CfgNode | None) -> ClusterJob:
    """Return the job of a command line.

    Raises:
        ConfigError: options contradict each other or the config.
    """
    name = check_name(options.name or _name_of(words), place="--name")
    nodes = (1, 1) if program == "export" else parse_nodes(options.nodes)
    job = ClusterJob(
        id=new_id(name, program),
        name=name,
        program=program,
        words=tuple(_relative_config(words)),
        code_dir=str(Path.cwd()),
        storage=storage_of(options.storage),
        nodes=nodes,
        gpus_per_node=options.gpus_per_node,
        processes=options.nproc or 0,
        cpus_per_node=options.cpus_per_node or 1,
        max_failures=options.max_restarts,
    )
    if options.nproc and options.gpus_per_node and options.nproc != options.gpus_per_node:
        raise ConfigError(f"--nproc {options.nproc} and --gpus_per_node {options.gpus_per_node}: leave one of the two out")
    if cfg is not None and program == "train":
        with name_in_errors({"check_batch.batch_size": "TRAIN.BATCH_SIZE"}):
            check_batch(cfg.TRAIN.BATCH_SIZE, nodes, job.ranks_per_node)
        if job.is_in_store and nodes[1] > 1 and cfg.TRAIN.PARALLEL == "fsdp":
            raise ConfigError(
                f"--storage {job.storage}: several nodes write checkpoints of TRAIN.PARALLEL fsdp together, into a folder that they share"
            )
    return job


def describe(job: ClusterJob, target: Target, package: Package) -> list[str]:
    """Return what ``--dry_run`` prints, and every submission before it begins."""
    count = str(job.nodes[0]) if job.nodes[0] == job.nodes[1] else f"{job.nodes[0]} to {job.nodes[1]}"
    gpus = f", {job.gpus_per_node} GPUs each" if job.gpus_per_node else ""
    words = launcher_words(job, nodes=job.nodes[1], node_rank=0, endpoint=RENDEZVOUS)[3:]
    return [
        f"{job.program} of {job.name} on {target}: {count} node(s){gpus}, {job.ranks_per_node} process(es) on each",
        f"command: pet-{job.program} {shlex.join(words)}",
        f"results: {job.results}",
        *package.describe(),
    ]


def report(record: Record) -> int:
    """Say how to go on after a submission, follow a job that lives no longer than this command, and return the exit code."""
    name = record.job.name
    if record.target.engine != "local":
        print(f"submitted: {record.job.id}\npet-jobs follow {name} | pet-jobs stop {name} | pet-jobs fetch {name}")
        return 0
    return follow_to_end(record, print_text)


def follow_to_end(record: Record, show: Callable[[str], object]) -> int:
    """Show what a job prints until it has ended; return 0 where it is done or stopped, else 1."""
    # a job of this machine has saved and ended by then
    note = "the same command goes on from the checkpoint"
    if record.target.engine != "local":
        note = f"{record.job.id} goes on, and  pet-jobs stop {record.job.name}  ends it"
    with note_if_interrupted(note):
        show_all(engines.follow(record), show)
    state = engines.state(record)
    print(f"{record.job.id}: {state}; results: {record.job.results}")
    return 0 if state in ("done", "stopped") else 1


def show_all(texts: Iterable[str], show: Callable[[str], object]) -> None:
    """Show texts one after another."""
    for text in texts:
        show(text)


def print_text(text: str) -> None:
    """Print what a job printed."""
    print(text, end="", flush=True)


def add_job_options(parser: argparse.ArgumentParser) -> None:
    """Add the options about the machines of a job."""
    parser.add_argument("--nodes", default="1", metavar="N|MIN-MAX", help="number of machines (default: 1)")
    parser.add_argument("--gpus_per_node", type=int, default=0, metavar="N", help="GPUs that each machine has to have, a process each")
    parser.add_argument("--cpus_per_node", type=int, metavar="N", help="cores that each machine has to have (default: 1)")
    parser.add_argument("--nproc", type=int, metavar="N", help="processes on each machine (default: one for each GPU, or one)")
    parser.add_argument(
        "--max_restarts",
        type=int,
        default=MAX_FAILURES,
        metavar="N",
        help=f"how often it goes on after a failure (default: {MAX_FAILURES})",
    )


def _parser() -> CommandParser:
    parser = CommandParser(
        description="Sends this command to a cluster.",
        usage="%(prog)s --cfg PATH --on slurm[:PARTITION] | ray[:ADDRESS] | local [options] [KEY VALUE | KEY=VALUE ...]",
    )
    parser.add_argument(
        "--on", required=True, metavar="CLUSTER", help="slurm, slurm:PARTITION, ray:http://HOST:8265, or local: a copy, on this machine"
    )
    add_job_options(parser)
    parser.add_argument(
        "--storage",
        metavar="FOLDER|ADDRESS",
        help=f"of the results: a shared folder, or s3://bucket/prefix (gs://, az://) (default: {STORAGE}, or {DEFAULT_STORAGE})",
    )
    parser.add_argument("--name", default="", metavar="NAME", help="of the run (default: from the config's path)")
    parser.add_argument("--dry_run", action="store_true", help="check everything, say what would be sent, and send nothing")
    return parser


def _check_words(words: Sequence[str]) -> None:
    names = [word.partition("=")[0] for word in words]
    if "--data" in names:
        raise ConfigError("--data and --on: a cluster takes a config; pet-train --data FOLDER writes one below cfgs and trains here")
    given = next((name for name in names if name in OF_THE_NODES), None)
    if given is not None:
        raise ConfigError(f"{given} and --on: the cluster says this on each node; choose with --nodes, --gpus_per_node and --nproc")
    if "MISC.STORAGE" in names:
        raise ConfigError("MISC.STORAGE and --on: the results go to <storage>/<name>/run; choose with --storage and --name")
    if "MISC.CKPT" in names:
        raise ConfigError("MISC.CKPT and --on: the results go to <storage>/<name>/run; choose with --storage and --name")


def _config_of(words: Sequence[str]) -> tuple[int, str]:
    """Return where the path of the config is in a command line, and the path."""
    for place, word in enumerate(words):
        if word == "--cfg" and place + 1 < len(words):
            return place + 1, words[place + 1]
        if word.startswith("--cfg="):
            return place, word.removeprefix("--cfg=")
    raise ConfigError("--cfg PATH is missing: which config file?")


def _name_of(words: Sequence[str]) -> str:
    path = find_config(Path(_config_of(words)[1]), PACKAGE).with_suffix("")
    parts = path.parts[path.parts.index("cfgs") + 1 :] if "cfgs" in path.parts else path.parts[-1:]
    return "-".join("".join(character if character.isalnum() or character in "._-" else "_" for character in part) for part in parts)


def _relative_config(words: Sequence[str]) -> list[str]:
    """Return the command line with the config's path as it is in the copy of the current folder.

    Raises:
        ConfigError: the config lies somewhere else.
    """
    place, text = _config_of(words)
    path = Path(text)
    if not path.exists():
        # it comes with Pet
        return list(words)
    if not path.resolve().is_relative_to(Path.cwd().resolve()):
        raise ConfigError(
            f"--cfg {text}: what is sent is the folder {Path.cwd()}, which the config lies outside of; start the command in its project"
        )
    relative = str(path.resolve().relative_to(Path.cwd().resolve()))
    return [*words[:place], f"--cfg={relative}" if text != words[place] else relative, *words[place + 1 :]]
