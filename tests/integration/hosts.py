"""Two hosts on this machine: namespaces with addresses and names of their own, joined by a cable that leads nowhere else."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

NAMES = {"pet-host0": "10.77.0.1", "pet-host1": "10.77.0.2"}
CABLE = "pet-cable"


def why_not() -> str:
    """Return why there can be no hosts here; empty: there can."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    absent = [name for name in ("unshare", "nsenter", "ip") if shutil.which(name, path=path) is None]
    if absent:
        return f"no {', '.join(absent)} here, which make hosts (Debian: util-linux, iproute2)"
    cable = f"ip link add {CABLE} type veth peer name {CABLE}-b"
    tried = subprocess.run(["unshare", "--net", "--uts", "--mount", "sh", "-c", cable], capture_output=True, check=False)
    return "" if tried.returncode == 0 else f"no hosts here: {tried.stderr.decode().strip()}"


@dataclass
class Hosts:
    """Makes the hosts, and ends them with everything they run.

    Attributes:
        folder: of their file of names.
        processes: the first process of each host.
    """

    folder: Path
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self) -> None:
        for name, address in NAMES.items():
            # as between containers, no host knows another one by its name
            names = self.folder / name
            names.write_text(f"127.0.0.1 localhost\n{address} {name}\n")
            begin = f"hostname {name} && mount --bind {names} /etc/hosts && ip link set lo up && echo up && exec sleep infinity"
            words = ["unshare", "--net", "--uts", "--mount", "sh", "-c", begin]
            self.processes[name] = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)
            out = self.processes[name].stdout
            assert out is not None and out.readline() == b"up\n", f"no host {name}"
        first, second = NAMES
        self.run(first, "ip", "link", "add", CABLE, "type", "veth", "peer", "name", CABLE, "netns", str(self.processes[second].pid))
        for name, address in NAMES.items():
            self.run(name, "ip", "address", "add", f"{address}/24", "dev", CABLE)
            self.run(name, "ip", "link", "set", CABLE, "up")

    def prefix(self, name: str) -> list[str]:
        """Return the words with which a command begins that runs on a host."""
        return ["nsenter", f"--target={self.processes[name].pid}", "--net", "--uts", "--mount", f"--wd={Path.cwd()}"]

    def run(self, name: str, *words: str) -> None:
        subprocess.run([*self.prefix(name), *words], check=True, capture_output=True, timeout=60)

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
