"""One node's part of a job: Pet's own launcher, started in the copy of the code, and what its exit code means."""

import json
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

from pet.cluster.job import ClusterJob, node_folder
from pet.cluster.package import LINKS_FILE
from petlib.errors import USER_ERROR_EXIT_CODE, OutputError, UserError
from petlib.files import write_text_atomically

INSIDE = "PET_CLUSTER_JOB"
"""Environment variable of a job's processes: the folder of the job. A script that submits itself sees by it that it is on the cluster."""
ENDED_FILE = "ended.json"
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGHUP)
"""Exit codes of a run that was asked to stop and saved: no failures."""
POLL_SECONDS = 0.1
# SIGUSR2 is Slurm's announcement of an end, which it sends to every process; only the one that requeues the job acts on it
BEGINNING = (
    "import signal, sys; from petlib.launch.watch.processes import request_death_signal; "
    "signal.signal(signal.SIGUSR2, signal.SIG_IGN); request_death_signal(signal.SIGTERM); "
)

logger = logging.getLogger(__name__)


class JobMistakeError(UserError):
    """A job ended because of a mistake of the user in its settings or data; what it printed says which."""


class NodeProcess:
    """The launcher of a job on this node, as a process of its own, so that signals reach it as on a terminal.

    It ends with a checkpoint when the process that made it dies, and prints where that one prints.

    Args:
        job: what to run.
        code: the copy of the code on this node.
        nodes: number of machines that run it.
        node_rank: which of them this one is.
        endpoint: where the machines meet, ``HOST:PORT``; not used for one machine.
    """

    def __init__(self, job: ClusterJob, *, code: Path, nodes: int = 1, node_rank: int = 0, endpoint: str = "") -> None:
        link_left_out(code)
        job.folder.mkdir(parents=True, exist_ok=True)
        if job.is_in_store:
            make_private(node_folder())
        words = launcher_words(job, nodes=nodes, node_rank=node_rank, endpoint=endpoint)
        self._process = subprocess.Popen(words, cwd=code, env=_environment(job, code), stdin=subprocess.DEVNULL)

    def poll(self) -> int | None:
        """Return the exit code, 128 + n after signal n; None: it runs."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def wait(self) -> int:
        """Return the exit code when it has ended; a signal handler of this thread may ask in between."""
        while (code := self.poll()) is None:
            time.sleep(POLL_SECONDS)
        return code

    def send(self, number: signal.Signals) -> None:
        """Send a signal: SIGTERM saves and ends, SIGUSR1 saves."""
        if self.poll() is None:
            self._process.send_signal(number)

    def stop(self) -> None:
        """Have it save and end, and return when it has; may be called by a signal handler in the middle of :meth:`wait`."""
        self.send(signal.SIGTERM)
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)


def launcher_words(job: ClusterJob, *, nodes: int, node_rank: int, endpoint: str) -> list[str]:
    """Return the command of one node: ``pet-train`` and the other commands as the user would give them there."""
    if job.program == "script":
        script = f"from pet.cluster.script import main; sys.exit(main({job.ranks_per_node}, sys.argv[1:]))"
        return [sys.executable, "-c", BEGINNING + script, *job.words]
    words = [sys.executable, "-c", f"{BEGINNING}from pet import cli; sys.exit(cli.{job.program}())"]
    if job.program != "export":
        if job.gpus_per_node or job.processes:
            words += ["--nproc", str(job.ranks_per_node)]
        if nodes > 1:
            words += ["--nnodes", str(nodes), "--node_rank", str(node_rank), "--rdzv_endpoint", endpoint]
    return [*words, *job.words, f"MISC.CKPT={job.run_folder}", *([f"MISC.STORAGE={job.results}"] if job.is_in_store else [])]


def make_private(folder: Path) -> None:
    """Make the folder of this user's runs on this node, which no other user may look into.

    Raises:
        OutputError: it is another user's, or cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise OutputError(f"{folder}: the folder of this node's runs cannot be made: {error}; name another place with TMPDIR") from error
    if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):
        raise OutputError(f"{folder}: it is no folder of this user; name another place for this node's runs with TMPDIR")


def link_left_out(code: Path) -> None:
    """Link data and checkpoints of the original folder into its copy, where this node sees that folder."""
    try:
        links = json.loads((code / LINKS_FILE).read_text(encoding="utf-8"))
    except OSError:
        return
    root = Path(links["root"])
    for path in links["paths"]:
        if (root / path).exists():
            _link(root / path, code / path)
        else:
            print(f"{root / path}: left out of what was sent, and not seen on this node", file=sys.stderr)


def free_port() -> int:
    """Return a port of this machine that nothing listens at."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        return int(listener.getsockname()[1])


def is_failure(code: int) -> bool:
    """Return whether a job with this exit code should go on by itself: neither done, nor stopped, nor a mistake of the user."""
    return code not in (0, USER_ERROR_EXIT_CODE, *STOPPED)


def ending_state(code: int) -> str:
    """Return done, stopped or failed for the exit code of a job."""
    return "done" if code == 0 else "stopped" if code in STOPPED else "failed"


def write_ending(job: ClusterJob, code: int) -> None:
    """Note how a job ended, for whoever asks when the engine has forgotten it."""
    write_text_atomically(job.folder / ENDED_FILE, json.dumps({"code": code, "time": time.strftime("%Y-%m-%d %H:%M:%S %z")}))


def forget_ending(job: ClusterJob) -> None:
    """Remove the note of an earlier start."""
    (job.folder / ENDED_FILE).unlink(missing_ok=True)


def read_ending(job: ClusterJob) -> int | None:
    """Return the exit code of a job; None: it has not ended, or not in order."""
    try:
        code: int = json.loads((job.folder / ENDED_FILE).read_text(encoding="utf-8"))["code"]
    except (OSError, ValueError, KeyError):
        return None
    return code


def _link(source: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink() and source.is_dir():
        # modules between the data went along
        for child in source.iterdir():
            _link(child, target / child.name)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if not os.path.lexists(target):
        try:
            target.symlink_to(source)
        except FileExistsError:
            logger.debug("%s: linked by another process of this node", target)


def _environment(job: ClusterJob, code: Path) -> dict[str, str]:
    """Return the variables of the launcher: the modules of the copy come first, Pet's own too where a checkout of it was sent."""
    own = [code, code / "lib"] if (code / "lib" / "petlib").is_dir() else [code]
    before = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([*map(str, own), *([before] if before else [])])
    return {**os.environ, "PYTHONPATH": path, INSIDE: str(job.folder), "PYTHONUNBUFFERED": "1"}
