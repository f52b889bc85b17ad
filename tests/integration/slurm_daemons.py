"""A real Slurm of two nodes on this machine, as ordinary processes that listen on the loopback address."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "sinfo")
NODES = ("n1", "n2")
START_SECONDS = 60.0
# no process listens on an address that other machines reach; queued again, a job waits 12 seconds instead of two minutes, longer than the
# srun of its earlier start lives
CONFIG = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=12
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdTimeout=10
KillWait=5
TaskProlog={folder}/task_prolog.sh
MinJobAge=300
JobRequeue=1
SlurmdParameters=config_overrides
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
{nodes}
PartitionName=usual Nodes=n[1-2] Default=YES MaxTime=60 State=UP PriorityTier=1 GraceTime=30
PartitionName=urgent Nodes=n[1-2] MaxTime=60 State=UP PriorityTier=2
"""
# each node has a folder for temporary files that no other one sees
TASK_PROLOG = """#!/bin/sh
mkdir -p {folder}/tmp-$SLURMD_NODENAME
echo export TMPDIR={folder}/tmp-$SLURMD_NODENAME
"""


def why_not() -> str:
    """Return why there can be no Slurm here; empty: there can."""
    absent = [name for name in COMMANDS if shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None]
    if absent:
        return f"no {', '.join(absent)} here (Debian: apt-get install slurmctld slurmd slurm-client munge)"
    return "" if os.geteuid() == 0 else "Slurm's daemons start as root only"


@dataclass
class Slurm:
    """Starts the daemons, and ends them with everything they started.

    Attributes:
        folder: of their files; a short path.
        environment: with which commands of Slurm reach them.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self) -> None:
        ports = free_ports(1 + len(NODES))
        nodes = [
            f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=500 State=UNKNOWN"
            for name, port in zip(NODES, ports[1:], strict=True)
        ]
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "state").mkdir()
        config = self.folder / "slurm.conf"
        config.write_text(CONFIG.format(folder=self.folder, controller=ports[0], nodes="\n".join(nodes)))
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        prolog = self.folder / "task_prolog.sh"
        prolog.write_text(TASK_PROLOG.format(folder=self.folder))
        prolog.chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        self.environment = {**os.environ, "PATH": path, "SLURM_CONF": str(config)}
        files = {"key-file": key, **{f"{kind}-file": self.folder / f"munge.{kind}" for kind in ("pid", "log", "seed")}}
        munge = [f"--{name}={file}" for name, file in files.items()]
        self._start("munged", "munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket", *munge)
        self._wait_for((self.folder / "munge.socket").exists, "munged")
        self._start("slurmctld", "slurmctld", "-D", "-c")
        for name in NODES:
            self.start_node(name)
        self._wait_for(lambda: self.idle_nodes() == len(NODES), "two idle nodes")

    def start_node(self, name: str) -> None:
        self._start(name, "slurmd", "-D", "-N", name)

    def kill_node(self, name: str) -> None:
        """Kill all processes of a node, as a loss of its power would."""
        slurmd = self.processes.pop(name)
        slurmd.kill()
        slurmd.wait()
        for directory in Path("/proc").iterdir():
            if directory.name.isdigit() and self._is_of_node(directory, name):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(directory.name), signal.SIGKILL)

    def folder_of(self, name: str) -> Path:
        """Return the folder of a node's temporary files."""
        return self.folder / f"tmp-{name}"

    def idle_nodes(self) -> int:
        done = self.run("sinfo", "--noheader", "--Node", "--partition=usual", "--format=%N %t")
        return sum(line.split()[1] == "idle" for line in done.splitlines() if len(line.split()) == 2)

    def run(self, *words: str) -> str:
        return subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=60).stdout

    def job(self, number: str) -> dict[str, str]:
        return dict(word.partition("=")[::2] for word in self.run("scontrol", "--oneliner", "show", "job", number).split())

    def stop(self) -> None:
        """End the daemons and all that they started."""
        for name in [name for name in NODES if name in self.processes]:
            self.kill_node(name)
        for process in self.processes.values():
            process.kill()
            process.wait()

    def log(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.folder.glob("*.log")))

    def _is_of_node(self, directory: Path, name: str) -> bool:
        try:
            variables = (directory / "environ").read_bytes().split(b"\0")
            command = (directory / "cmdline").read_bytes()
        except OSError:
            return False
        mine = f"SLURM_CONF={self.folder}/slurm.conf".encode() in variables or str(self.folder).encode() in command
        return mine and (
            f"SLURMD_NODENAME={name}".encode() in variables or (b"slurmstepd" in command and self._stepd_node(directory) == name)
        )

    def _stepd_node(self, directory: Path) -> str:
        """Return the node of a slurmstepd: that of the socket it serves."""
        for descriptor in (directory / "fd").iterdir():
            try:
                target = str(descriptor.readlink())
            except OSError:
                continue
            for name in NODES:
                if f"spool-{name}" in target or f"slurmd-{name}.log" in target:
                    return name
        return ""

    def _start(self, key: str, *words: str) -> None:
        with (self.folder / f"{key}.out").open("ab") as out:
            self.processes[key] = subprocess.Popen(
                words, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )

    def _wait_for(self, is_there: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_there():
            assert time.monotonic() < deadline, f"no {what} within {START_SECONDS} s:\n{self.log()}"
            time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    listeners = [socket.socket() for _ in range(count)]
    for listener in listeners:
        listener.bind(("127.0.0.1", 0))
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
