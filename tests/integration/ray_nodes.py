"""A real Ray of two nodes on this machine, in a network namespace of its own: no other machine reaches what it listens at."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ADDRESSES = {"n1": "127.0.0.1", "n2": "127.0.0.2"}
"""The first one is the head, with the job server."""
SERVER, PORT = 8265, 6379
JOB_SERVER = f"http://127.0.0.1:{SERVER}"
STORE = "http://127.0.0.1:5000"
START_SECONDS = 240.0
STORE_VARIABLES = {"AWS_ENDPOINT_URL": STORE, "AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
# a node is a namespace of processes, with the first one all end, as with the power of a machine; and it has files of Ray of its own
NODE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def why_not() -> str:
    """Return why there can be no Ray here; empty: there can."""
    absent = [
        name for name in ("unshare", "nsenter", "ip") if shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None
    ]
    if absent:
        return f"no {', '.join(absent)} here, with which Ray stays in a network of its own (Debian: util-linux, iproute2)"
    tried = subprocess.run(["unshare", "--net", *NODE, "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else f"no namespaces for Ray here: {tried.stderr.decode().strip()}"


@dataclass
class RayCluster:
    """Starts the nodes, and ends them with everything they started.

    Attributes:
        folder: of Ray's files; a short path.
        environment: of the nodes.
        processes: the first process of the network, and of each node.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def prefix(self) -> tuple[str, ...]:
        """The words with which a command begins that runs in the network of the cluster."""
        return ("nsenter", f"--net=/proc/{self.processes['network'].pid}/ns/net")

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # as where Ray is started in the environment that has Pet
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
        quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_enable_worker_prestart": "0", "RAY_prestart_worker_first_driver": "0"}
        self.environment = {**{key: text for key, text in os.environ.items() if not key.startswith("RAY_")}, **quiet, "PATH": path}
        self.environment |= {"OMP_NUM_THREADS": "1", "PET_MODELS": "store", **STORE_VARIABLES}
        network = ("unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep infinity")
        self.processes["network"] = subprocess.Popen(network, stdout=subprocess.PIPE, env=self.environment, start_new_session=True)
        out = self.processes["network"].stdout
        assert out is not None and out.readline() == b"up\n", "no network namespace"
        for name in ADDRESSES:
            self.start_node(name)

    def start_node(self, name: str) -> None:
        """Start a node, again where Ray gives up on it, which it does after half a minute on a machine that is busy."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._start_node(name)
            while self.processes[name].poll() is None:
                if "Ray runtime started" in self._out(name).read_text(errors="replace"):
                    return
                assert time.monotonic() < deadline, f"no node {name} within {START_SECONDS} s:\n{self.log()}"
                time.sleep(0.1)

    def _start_node(self, name: str) -> None:
        head = ["--head", f"--port={PORT}", "--dashboard-host=127.0.0.1", f"--dashboard-port={SERVER}", f"--temp-dir={self.folder}/ray"]
        place = head if name == "n1" else [f"--address={ADDRESSES['n1']}:{PORT}"]
        # the head says that it has a GPU, for a job that asks for one; where none is seen it computes on the CPU
        limits = ["--num-cpus=1", f"--num-gpus={int(name == 'n1')}", "--object-store-memory=80000000", "--disable-usage-stats"]
        start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", f"--node-ip-address={ADDRESSES[name]}", *place, *limits]
        for folder in (self.folder / name, self.folder / "ray", self.folder_of(name)):
            folder.mkdir(exist_ok=True)
        own_files = ("sh", "-c", f'mount --bind {self.folder}/{name} {self.folder}/ray && exec "$@"', "sh")
        with self._out(name).open("wb") as out:
            self.processes[name] = subprocess.Popen(
                [*self.prefix, *NODE, *own_files, *start],
                env={**self.environment, "TMPDIR": str(self.folder_of(name))},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill_node(self, name: str) -> None:
        """Kill all processes of a node, as a loss of its power would."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def folder_of(self, name: str) -> Path:
        """Return the folder of a node's temporary files."""
        return self.folder / f"tmp-{name}"

    def start_store(self, bucket: str) -> None:
        """Start a store of objects in the network of the cluster, unless it runs, with a bucket."""
        if "store" not in self.processes:
            server = [*self.prefix, sys.executable, "-m", "moto.server", "--host=127.0.0.1", f"--port={STORE.rpartition(':')[2]}"]
            self.processes["store"] = subprocess.Popen(
                server, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
        make = f"import urllib.request as r; r.urlopen(r.Request('{STORE}/{bucket}', method='PUT'))"
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run([*self.prefix, sys.executable, "-c", make], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, f"no store within {START_SECONDS} s"
            time.sleep(0.5)

    def stop(self) -> None:
        """End the nodes and all that they started."""
        for name in list(self.processes):
            self.kill_node(name)

    def log(self) -> str:
        paths = [*sorted(self.folder.glob("*.out")), *sorted(self.folder.glob("n1/session_2*/logs/job-driver-*.log"))]
        return "\n".join(f"{path}:\n{path.read_text(errors='replace')[-4000:]}" for path in paths)

    def _out(self, name: str) -> Path:
        return self.folder / f"{name}.out"
