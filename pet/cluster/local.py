"""Jobs on this machine, each as a process that ends with the command that submitted it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from pet.cluster.job import ClusterJob, Target
from pet.cluster.node import NodeProcess, ending_state, forget_ending, is_failure, read_ending, write_ending
from pet.cluster.package import JOB_FILE, Package
from pet.cluster.records import Record, remember_ending
from petlib.errors import ConfigError, OutputError

MODULE = "pet.cluster.local"

_running: dict[str, "subprocess.Popen[bytes]"] = {}


def check(job: ClusterJob, target: Target) -> None:
    """Refuse what this machine alone cannot do.

    Raises:
        ConfigError: the job is for several machines.
    """
    if job.nodes[0] > 1:
        raise ConfigError(f"--on {target} is this machine alone; --nodes 1, or --on slurm or ray")


def submit(job: ClusterJob, target: Target, package: Package) -> str:  # noqa: ARG001 -- there is one machine
    """Start a job in a copy of its code and return the number of its process."""
    code = job.folder / "code"
    package.write_code(job, code)
    # the end of its standard input, whatever the reason, is the request to save and end
    process = subprocess.Popen(
        [sys.executable, "-m", MODULE],
        cwd=code,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    _running[str(process.pid)] = process
    return str(process.pid)


def state(record: Record) -> str:
    """Return running, done, stopped, failed, or lost where the job does not say how it ended."""
    process = _running.get(record.number)
    if process.poll() is None if process is not None else _is_alive(record.number):
        return "running"
    code = read_ending(record.job)
    code = record.ended if code is None else code
    return "lost" if code is None else ending_state(code)


def follow(record: Record) -> Iterator[str]:
    """Yield what a job prints until it has ended; Ctrl-C has it save and end.

    Raises:
        ConfigError: another command started it.
    """
    process = _running.get(record.number)
    if process is None or process.stdout is None:
        raise ConfigError(f"{record.job.id}: it prints where it was started; the log is in {record.job.run_folder / 'logs'}")
    try:
        for line in process.stdout:
            yield line.decode(errors="replace")
    except KeyboardInterrupt:
        print("stopping: the job saves a checkpoint", file=sys.stderr)
        _ask_to_stop(process)
        for line in process.stdout:
            yield line.decode(errors="replace")
        raise
    finally:
        _ask_to_stop(process)
        process.wait()
        if (code := read_ending(record.job)) is not None:
            # where it cannot be noted, the folder of the job still says it
            with contextlib.suppress(OSError):
                remember_ending(record, code)


def stop(record: Record) -> None:
    """Refuse: a job of this machine ends with the command that started it.

    Raises:
        OutputError: always.
    """
    raise OutputError(f"{record.job.id}: it ends with the command that started it: Ctrl-C there")


def main() -> int:
    """Run the job of this folder, again after failures, and return its exit code."""
    job = ClusterJob.from_json(Path(JOB_FILE).read_text(encoding="utf-8"))
    forget_ending(job)
    started: list[NodeProcess] = []
    _when_input_ends(lambda: started[-1].send(signal.SIGTERM))
    code = 1
    for _ in range(job.max_failures + 1):
        started.append(NodeProcess(job, code=Path.cwd()))
        code = started[-1].wait()
        if not is_failure(code):
            break
    write_ending(job, code)
    return code


def _ask_to_stop(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None and not process.stdin.closed:
        process.stdin.close()


def _when_input_ends(stop: Callable[[], object]) -> None:
    def wait() -> None:
        # past python's own buffer, whose lock a thread that still waits would hold when python ends
        while os.read(sys.stdin.fileno(), 1024):
            pass
        stop()

    threading.Thread(target=wait, name="stop-request", daemon=True).start()


def _is_alive(number: str) -> bool:
    try:
        return MODULE.encode() in Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
