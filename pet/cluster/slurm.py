"""Jobs on Slurm, submitted by submitit: one task a node, each of which starts Pet's launcher."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from pet.cluster.job import ClusterJob, Target
from pet.cluster.node import STOPPED, NodeProcess, ending_state, forget_ending, free_port, is_failure, read_ending, write_ending
from pet.cluster.package import Package
from pet.cluster.records import Record
from petlib.errors import ConfigError, OutputError
from petlib.files import write_text_atomically

SIGNAL_SECONDS = 120
"""How long before the end of its time a job is asked to save."""
MOST_REQUEUES = 10**6
"""submitit counts how often a job ran out of time; going on then is what a training is for."""
MEETING_SECONDS = 300.0
MINUTES_OF_A_YEAR = 365 * 24 * 60
STATES = {"PENDING": "pending", "CONFIGURING": "pending", "REQUEUED": "pending", "RUNNING": "running", "COMPLETING": "running"}
POLL_SECONDS = 0.5
WAIT_FOR_LOG_SECONDS = 2.0


class SlurmTask:
    """What submitit calls in each task of a job: it runs the launcher of its node, and has Slurm queue the job again where it has to go on.

    Args:
        job: what to run.
        code: the copy of the code, which all nodes see.
    """

    def __init__(self, job: ClusterJob, code: Path) -> None:
        self.job = job
        self.code = code
        self._process: NodeProcess | None = None

    def __call__(self) -> int:
        """Run this node's launcher; return 0, or the exit code of a run that was asked to stop.

        Raises:
            RuntimeError: it failed, and is not tried again.
        """
        import submitit

        environment = submitit.JobEnvironment()
        nodes = environment.num_nodes
        if environment.node == 0:
            forget_ending(self.job)
        endpoint = self._meet(environment.node, environment.hostnames[0]) if nodes > 1 else ""
        self._process = NodeProcess(self.job, code=self.code, nodes=nodes, node_rank=environment.node, endpoint=endpoint)
        code = self._process.wait()
        if code in STOPPED and _is_preempted(environment.raw_job_id):
            _requeue(environment.raw_job_id)
        if is_failure(code) and self._may_go_on():
            print(f"exit code {code}: Slurm starts the job again, and it goes on from its last checkpoint", flush=True)
            _requeue(environment.raw_job_id)
        if environment.node == 0 or is_failure(code):
            write_ending(self.job, code)
        if code not in (0, *STOPPED):
            raise RuntimeError(f"exit code {code}; its reason is above")
        return code

    def checkpoint(self) -> object:
        """Save and end; called by submitit when Slurm announces the end of the job, which it then queues again."""
        import submitit

        if self._process is not None:
            self._process.stop()
        return submitit.helpers.DelayedSubmission(SlurmTask(self.job, self.code))

    def _meet(self, node: int, first_host: str) -> str:
        """Return where the nodes of this start meet: the first one chooses a free port and notes it in the job's folder.

        Raises:
            RuntimeError: it noted none.
        """
        note = self.job.folder / f"endpoint_start{_start()}"
        if node == 0:
            write_text_atomically(note, f"{_address(first_host)}:{free_port()}")
        deadline = time.monotonic() + MEETING_SECONDS
        while not note.exists():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{note}: the first node has not noted where to meet; do all nodes see this folder?")
            time.sleep(POLL_SECONDS)
        return note.read_text(encoding="utf-8")

    def _may_go_on(self) -> bool:
        """Note a failure, once for all nodes of this start, and return whether there were few enough."""
        (self.job.folder / f"failed_start{_start()}").touch()
        return len(list(self.job.folder.glob("failed_start*"))) <= self.job.max_failures


def check(job: ClusterJob, target: Target) -> None:
    """Refuse what cannot be submitted from here.

    Raises:
        ConfigError: submitit or Slurm's commands are missing, or there is no such partition.
    """
    try:
        import submitit  # noqa: F401 -- present or not
    except ImportError as error:
        raise ConfigError("--on slurm needs submitit: pip install 'pet-vision[slurm]'") from error
    if shutil.which("sbatch") is None:
        raise ConfigError(
            "--on slurm: there is no sbatch on this machine; start it where jobs are submitted, e.g. the cluster's login node"
        )
    cores = _partition(target)[1]
    if job.cpus_per_node > cores:
        raise ConfigError(f"--cpus_per_node {job.cpus_per_node}: the nodes of this partition have {cores} cores")


def submit(job: ClusterJob, target: Target, package: Package) -> str:
    """Submit a job and return Slurm's number of it.

    Raises:
        ConfigError: Slurm refuses it.
    """
    import submitit

    code = job.folder / "code"
    package.write_code(job, code)
    minutes, _ = _partition(target)
    executor = submitit.AutoExecutor(folder=job.folder, cluster="slurm", slurm_max_num_timeout=MOST_REQUEUES)
    nodes = str(job.nodes[0]) if job.nodes[0] == job.nodes[1] else f"{job.nodes[0]}-{job.nodes[1]}"
    gpus = {"gpus_per_node": job.gpus_per_node} if job.gpus_per_node else {}
    executor.update_parameters(
        name=job.name,
        tasks_per_node=1,
        cpus_per_task=job.cpus_per_node,
        timeout_min=minutes,
        stderr_to_stdout=True,
        slurm_signal_delay_s=SIGNAL_SECONDS,
        # a node that loses its processes must not take the others with it before they have asked for another start
        slurm_srun_args=["--kill-on-bad-exit=0"],
        slurm_teardown=_after_a_kill(job),
        slurm_additional_parameters={"nodes": nodes, "requeue": True, **({"partition": target.place} if target.place else {})},
        **gpus,
    )
    try:
        return str(executor.submit(SlurmTask(job, code)).job_id)
    except subprocess.CalledProcessError as error:
        raise ConfigError(f"Slurm refuses the job: {(error.stderr or error.output or str(error)).strip()}") from error
    except submitit.core.utils.FailedJobError as error:
        raise ConfigError(f"Slurm refuses the job: {error}") from error


def state(record: Record) -> str:
    """Return pending, running, done, stopped, failed, or lost where neither Slurm nor the job says how it ended."""
    values = _describe(record.number)
    known = STATES.get(values.get("JobState", ""))
    if known is not None:
        return known
    code = read_ending(record.job)
    if code is not None:
        return ending_state(code)
    return {"": "lost", "CANCELLED": "stopped"}.get(values.get("JobState", ""), "failed")


def follow(record: Record) -> Iterator[str]:
    """Yield what the tasks of a job print, until it has ended."""
    read: dict[Path, int] = {}
    while True:
        ended = state(record) not in ("pending", "running")
        if ended:
            # what a node has written last may come late over a network
            time.sleep(WAIT_FOR_LOG_SECONDS if not read else POLL_SECONDS)
        for path in sorted(record.job.folder.glob(f"{record.number}_*_log.out")):
            with path.open("rb") as file:
                file.seek(read.get(path, 0))
                text = file.read()
            read[path] = read.get(path, 0) + len(text)
            if text:
                yield text.decode(errors="replace")
        if ended:
            return
        time.sleep(POLL_SECONDS)


def stop(record: Record) -> None:
    """Have a running job save and end; take one that waits out of the queue.

    Raises:
        OutputError: Slurm refuses it.
    """
    words = ["scancel", record.number] if state(record) == "pending" else ["scancel", "--signal=TERM", record.number]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OutputError(f"{record.job.id}: {done.stderr.strip() or 'scancel failed'}")


def _after_a_kill(job: ClusterJob) -> list[str]:
    """Return what the job's script ends with: where tasks were killed, none of them could ask for another start."""
    failures = shlex.quote(str(job.folder / "failed_start"))
    return [
        "code=$?",
        'if [ "$code" -gt 128 ]; then',
        f'    touch {failures}"${{SLURM_RESTART_COUNT:-0}}"',
        f'    if [ "$(ls {failures}* | wc -l)" -le {job.max_failures} ]; then scontrol requeue "$SLURM_JOB_ID"; fi',
        "fi",
        'exit "$code"',
    ]


def _partition(target: Target) -> tuple[int, int]:
    """Return the longest time of a job in minutes, and the cores that every node of the partition has.

    Raises:
        ConfigError: there is no such partition, or Slurm does not answer.
    """
    done = subprocess.run(["sinfo", "--noheader", "--format=%P %l %c"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"--on slurm: Slurm does not answer: {done.stderr.strip()}")
    rows = [line.split() for line in done.stdout.splitlines() if len(line.split()) == 3]
    chosen = [row for row in rows if (row[0].rstrip("*") == target.place if target.place else row[0].endswith("*"))]
    if not chosen:
        names = sorted({row[0].rstrip("*") for row in rows})
        raise ConfigError(f"--on {target}: no such partition; there are {', '.join(names) or 'none'}: --on slurm:PARTITION")
    cores = min(int(found[0]) for row in chosen if (found := re.match(r"\d+", row[2])))
    return min(_minutes(row[1]) for row in chosen), cores


def _minutes(text: str) -> int:
    """Return the minutes of Slurm's ``days-hours:minutes:seconds``; a year where there is no limit."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text)
    if found is None:
        return MINUTES_OF_A_YEAR
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return max(1, (days * 24 + hours) * 60 + minutes + (seconds > 0))


def _describe(number: str) -> dict[str, str]:
    """Return what Slurm knows about a job; nothing where it has forgotten it."""
    done = subprocess.run(["scontrol", "--oneliner", "show", "job", number], capture_output=True, text=True, check=False)
    return dict(word.partition("=")[::2] for word in done.stdout.split()) if done.returncode == 0 else {}


def _is_preempted(number: str) -> bool:
    """Return whether Slurm ends a job in favour of another one: it is to go on later, unlike one that a person stops."""
    return _describe(number).get("PreemptTime", "None") not in ("None", "N/A", "Unknown")


def _requeue(number: str) -> NoReturn:
    """Have Slurm queue this job again, which ends its processes, and end this one."""
    done = subprocess.run(["scontrol", "requeue", number], capture_output=True, text=True, check=False)
    if done.returncode:
        # another node was faster, or the cluster does not allow it
        print(f"scontrol requeue: {done.stderr.strip()}", flush=True)
    sys.exit(1)


def _address(node: str) -> str:
    """Return where a node is reached; its name where Slurm does not say it."""
    done = subprocess.run(["scontrol", "--oneliner", "show", "node", node], capture_output=True, text=True, check=False)
    found = re.search(r"\bNodeAddr=(\S+)", done.stdout)
    return found[1] if found else node


def _start() -> str:
    """Return how often Slurm has started this job before."""
    return os.environ.get("SLURM_RESTART_COUNT", "0")
