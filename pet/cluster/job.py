"""What is sent to a cluster: one command of Pet, its code, its nodes, and where the results go."""

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from petlib.addresses import ANY_STORE, address_of, check_address
from petlib.errors import ConfigError, DataError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
NODES = re.compile(r"(\d+)(?:-(\d+))?")
ENGINES = ("slurm", "ray", "local")
RAY_ADDRESSES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""Environment variables in which ``--on ray`` looks for the address."""
STORAGE = "PET_STORAGE"
DEFAULT_STORAGE = Path("ckpts/jobs")


@dataclass(frozen=True)
class Target:
    """An engine, and which of its clusters: ``slurm``, ``slurm:gpu``, ``ray:http://HOST:8265``, ``local``.

    Attributes:
        engine: ``slurm``, ``ray``, or ``local`` for this machine.
        place: a partition, empty: the default one; or the address of Ray's job server.
    """

    engine: str
    place: str = ""

    @classmethod
    def parse(cls, text: str, *, place: str = "--on") -> "Target":
        """Read what ``--on`` says.

        Args:
            text: what was given; the address of ``ray`` alone is that of the environment.
            place: where, for messages.

        Raises:
            ConfigError: there is no such engine, or Ray's address is missing or something else.
        """
        engine, _, where = text.partition(":")
        if engine not in ENGINES or engine == "local" and where:
            raise ConfigError(f"{place} {text}: slurm, slurm:PARTITION, ray:http://HOST:8265 or local expected")
        return cls(engine, _ray_address(where, place=f"{place} {text}") if engine == "ray" else where)

    def __str__(self) -> str:
        return f"{self.engine}:{self.place}" if self.place else self.engine


@dataclass(frozen=True)
class ClusterJob:
    """One command of Pet on the nodes of a cluster.

    The results are in ``<storage>/<name>/run``, whichever job of that name made them: a test finds what the training left, and a training
    goes on. What belongs to one job alone (log, copy of the code) is in ``<storage>/<name>/jobs/<id>``; where the storage is a store of
    objects, below ``ckpts/jobs`` of ``code_dir`` instead, and each node works in a folder of its own.

    Attributes:
        id: distinguishes it from all others.
        name: of the run.
        program: ``train``, ``test``, ``export``, or ``script`` for a script of the user's that trains by itself.
        words: the command line of the program; that of a script begins with its path in ``code_dir``.
        code_dir: the folder that is sent, absolute.
        storage: a folder that the nodes and this machine share, absolute, or an address in a store of objects.
        nodes: smallest and largest number of machines.
        gpus_per_node: GPUs that each node has to have; 0: the processes compute on what a node has, a CPU where there is no GPU.
        processes: processes on each node; 0: one for each GPU, or one.
        cpus_per_node: cores that each node has to have.
        max_failures: how often the job goes on after a failure.
        description: of the model that comes out, for the engine's list of jobs.
        output: the output folder of the run where it is another one than ``<storage>/<name>/run``, absolute and shared, too.
    """

    id: str
    name: str
    program: str
    words: tuple[str, ...]
    code_dir: str
    storage: str
    nodes: tuple[int, int] = (1, 1)
    gpus_per_node: int = 0
    processes: int = 0
    cpus_per_node: int = 1
    max_failures: int = 3
    description: str = ""
    output: str = ""

    @property
    def is_in_store(self) -> bool:
        """Whether the results go to a store of objects."""
        return address_of(self.storage) is not None

    @property
    def results(self) -> str:
        """Where the results are when it has ended: a folder, or an address in a store."""
        return self.output or f"{self.storage}/{self.name}/run"

    @property
    def run_folder(self) -> Path:
        """The output folder of the run, on the machine that asks where the results go to a store."""
        return node_folder() / _digest(self.storage) / self.name / "run" if self.is_in_store else Path(self.results)

    @property
    def folder(self) -> Path:
        """What belongs to this job alone, in a folder that the nodes and this machine share."""
        shared = Path(self.code_dir) / DEFAULT_STORAGE if self.is_in_store else Path(self.storage)
        return shared / self.name / "jobs" / self.id

    @property
    def ranks_per_node(self) -> int:
        """Processes on each node."""
        return self.processes or self.gpus_per_node or 1

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "ClusterJob":
        """Read what :meth:`to_json` wrote.

        Raises:
            DataError: it is something else.
        """
        try:
            values = json.loads(text)
            known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
            return cls(**{**known, "words": tuple(known["words"]), "nodes": tuple(known["nodes"])})
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"this is no record of a job: {type(error).__name__}: {error}") from error


def _ray_address(given: str, *, place: str) -> str:
    """Return the address of a job server, the one of the environment where none was given.

    Raises:
        ConfigError: there is none, or it is not one.
    """
    variable = next((name for name in RAY_ADDRESSES if os.environ.get(name)), "")
    address = given or os.environ.get(variable, "")
    if not address:
        raise ConfigError(
            f"{place}: which cluster? --on ray:http://HOST:8265 with the machine on which `ray start --head` was called, or its address in "
            f"{RAY_ADDRESSES[0]}; who has no cluster takes --on local"
        )
    if not address.startswith(("http://", "https://")):
        said = "" if given else f" ({variable}={address})"
        raise ConfigError(f"{place}{said}: the address of Ray's dashboard, which takes jobs, expected, e.g. ray:http://HOST:8265")
    return address.rstrip("/")


def new_id(name: str, program: str) -> str:
    """Return the id of a job that begins now."""
    return f"{name}-{program}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{time.time_ns() // 1000 % 1000:03d}"


def check_name(name: str, *, place: str) -> str:
    """Return a name of a run or a model that is a name of a folder, too.

    Args:
        name: the name.
        place: where it was given, for the message.

    Raises:
        ConfigError: it is not one.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"{place}: {name!r} given, a name of letters, digits, '.', '_' and '-' expected, e.g. landcover_0.1")
    return name


def storage_of(given: str | None) -> str:
    """Return where results go: an address of a store, or the absolute path of a folder; given, of ``PET_STORAGE``, or ``ckpts/jobs``.

    Raises:
        ConfigError: it is an address of something else, or has no bucket.
    """
    text = given or os.environ.get(STORAGE) or str(DEFAULT_STORAGE)
    expected = f"a folder that all nodes and this machine see, or {ANY_STORE}"
    address = check_address(text, place=option_of_storage(given), expected=expected)
    return str(Path(text).expanduser().absolute()) if address is None else address.rstrip("/")


def option_of_storage(given: str | None) -> str:
    """Return what says where results go, for messages: the option, the variable, or what would change the default."""
    if given:
        return "--storage"
    return STORAGE if os.environ.get(STORAGE) else f"the default of {STORAGE}"


def node_folder() -> Path:
    """Return the folder of this user for runs on this machine alone, below ``TMPDIR``."""
    return Path(tempfile.gettempdir()) / f"pet-runs-{os.getuid()}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def parse_nodes(text: str) -> tuple[int, int]:
    """Return the smallest and the largest number of nodes of ``N`` or ``MIN-MAX``.

    Raises:
        ConfigError: it is neither.
    """
    found = NODES.fullmatch(text)
    if found is None or int(found[1]) == 0 or (found[2] is not None and int(found[2]) < int(found[1])):
        raise ConfigError(f"--nodes {text}: a number from 1 on, or MIN-MAX expected, e.g. 2 or 1-4")
    return int(found[1]), int(found[2] or found[1])


def check_batch(batch_size: int, nodes: tuple[int, int], ranks_per_node: int) -> None:
    """Check that the batch can be divided by the processes of every possible number of nodes.

    Raises:
        ConfigError: it cannot, which would only show when that many nodes are there.
    """
    sizes = range(nodes[0], nodes[1] + 1)
    wrong = [count for count in sizes if batch_size % (count * ranks_per_node)]
    if wrong:
        fitting = [count for count in sizes if count not in wrong]
        advice = f"with {_listed(fitting)} nodes it can" if fitting else f"choose a multiple of {sizes[-1] * ranks_per_node}"
        raise ConfigError(
            f"check_batch.batch_size: {batch_size} cannot be divided by {wrong[0]} nodes x {ranks_per_node} processes; {advice} (--nodes)"
        )


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
