"""What a job on Ray runs: one worker a node, each of which starts Pet's launcher, and all of them again after a failure."""

import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pet.cluster.job import ClusterJob
from pet.cluster.node import STOPPED, NodeProcess, forget_ending, free_port, is_failure, write_ending
from pet.cluster.package import JOB_FILE
from petlib.errors import USER_ERROR_EXIT_CODE
from petlib.suggest import counted

if TYPE_CHECKING:
    from ray.util.placement_group import PlacementGroup

LOST = 128 + signal.SIGKILL
"""Exit code of a node that is gone with all its processes."""
POLL_SECONDS = 0.5
START_SECONDS = 300.0
FIRST_WAIT_SECONDS = 30.0
"""How long the largest number of nodes is waited for before fewer are taken: one that was lost comes back, or another is started."""
NEXT_WAIT_SECONDS = 5.0
GRACE_SECONDS = 40.0
"""How long the other nodes may take to end when one has failed; longer than a rank that lost its launcher takes to save."""
END_SECONDS = 5.0


class NodeWorker:
    """The worker of one node, an actor of Ray: it has a place in the cluster's accounts and keeps the node's launcher."""

    def __init__(self) -> None:
        self._process: NodeProcess | None = None
        self._stopped = False

    def endpoint(self) -> str:
        """Return where the nodes can meet, a free port of this one."""
        import ray

        return f"{ray.util.get_node_ip_address()}:{free_port()}"

    def run(self, nodes: int, node_rank: int, endpoint: str) -> int:
        """Run the launcher and return its exit code."""
        if self._stopped:
            return 128 + signal.SIGTERM
        self._process = NodeProcess(read_job(), code=Path.cwd(), nodes=nodes, node_rank=node_rank, endpoint=endpoint)
        return self._process.wait()

    def stop(self) -> None:
        """Have the launcher save and end."""
        self._stopped = True
        if self._process is not None:
            self._process.send(signal.SIGTERM)


@dataclass(frozen=True)
class Outcome:
    """How one start of a job ended.

    Attributes:
        code: the exit code that decides: of a mistake, else of a failure, else of a stop, else 0.
        preempted: whether the cluster took a node away.
    """

    code: int
    preempted: bool = False

    @classmethod
    def of_nodes(cls, ended: Sequence["Outcome"]) -> "Outcome":
        """Return the outcome of a start whose nodes ended so, the first one first."""

        def weight(outcome: Outcome) -> int:
            if outcome.code == USER_ERROR_EXIT_CODE:
                return 3
            return 2 if is_failure(outcome.code) else 1 if outcome.code in STOPPED else 0

        return cls(max(ended, key=weight).code, any(outcome.preempted for outcome in ended))


class Driver:
    """Runs a job on the nodes of the cluster that this process is connected to.

    Args:
        job: what to run.
        stop: is set when the job is to save and end.
    """

    def __init__(self, job: ClusterJob, stop: threading.Event) -> None:
        self.job = job
        self.stop = stop
        self._resources = {"CPU": job.cpus_per_node, **({"GPU": job.gpus_per_node} if job.gpus_per_node else {})}

    def run(self) -> int:
        """Run the job, again after failures, and return its exit code."""
        from ray.util import remove_placement_group

        failures = 0
        while (group := self._place()) is not None:
            try:
                outcome = self._start(group)
            finally:
                remove_placement_group(group)
            if self.stop.is_set() or not is_failure(outcome.code):
                return outcome.code
            failures += not outcome.preempted
            if failures > self.job.max_failures:
                return outcome.code
            print(f"exit code {outcome.code}: the job is started again, and goes on from its last checkpoint", flush=True)
        return 128 + signal.SIGTERM

    def _place(self) -> "PlacementGroup | None":
        """Return a place on as many nodes as there are; None: the job was stopped while it waited."""
        from ray.util import placement_group, remove_placement_group

        while True:
            for count in self._sizes():
                group = placement_group([self._resources] * count, strategy="STRICT_SPREAD")
                largest = count == self.job.nodes[1]
                if self._is_ready(group, FIRST_WAIT_SECONDS if largest else NEXT_WAIT_SECONDS):
                    return group
                remove_placement_group(group)
                if self.stop.is_set():
                    return None
            needs = " and ".join(f"{amount} {name}" for name, amount in self._resources.items())
            print(f"waiting for {counted(self.job.nodes[0], 'node')} with {needs} free on each", flush=True)

    def _sizes(self) -> Iterator[int]:
        """Yield how many nodes to ask for, one number after another; a cluster that grows by itself does so for the largest."""
        import ray

        smallest, largest = self.job.nodes
        yield largest
        fitting = [
            node
            for node in ray.nodes()
            if node["Alive"] and all(node["Resources"].get(name, 0) >= amount for name, amount in self._resources.items())
        ]
        yield from range(min(largest - 1, len(fitting)), smallest - 1, -1)

    def _is_ready(self, group: "PlacementGroup", seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not self.stop.is_set() and time.monotonic() < deadline:
            # whole seconds: it does not wait for a part of one
            if group.wait(timeout_seconds=1):
                return True
        return False

    def _start(self, group: "PlacementGroup") -> Outcome:
        """Run the launchers of all nodes once."""
        import ray
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        actor = ray.remote(NodeWorker)
        # the method that waits leaves room for the one that stops
        options = {"num_cpus": self.job.cpus_per_node, "num_gpus": self.job.gpus_per_node, "max_concurrency": 2}
        places = [PlacementGroupSchedulingStrategy(group, rank) for rank in range(group.bundle_count)]
        workers = [actor.options(**options, scheduling_strategy=place).remote() for place in places]
        try:
            return self._run_to_end(workers)
        except (ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError) as error:
            print(f"the first node is not there: {error}", flush=True)
            return Outcome(LOST, _is_preempted(error))
        finally:
            # those that have nothing more to do end by themselves; whoever has not is killed with its launcher, whose ranks save
            ray.wait([worker.__ray_terminate__.remote() for worker in workers], num_returns=len(workers), timeout=END_SECONDS)
            for worker in workers:
                ray.kill(worker)

    def _run_to_end(self, workers: Sequence[Any]) -> Outcome:
        """Start the launchers and return the outcome when all have ended; when one has failed, the others are asked to."""
        import ray

        nodes = len(workers)
        endpoint = ray.get(workers[0].endpoint.remote(), timeout=START_SECONDS) if nodes > 1 else ""
        running = [worker.run.remote(nodes, rank, endpoint) for rank, worker in enumerate(workers)]
        ended: list[Outcome] = []
        deadline: float | None = None
        while running and (deadline is None or time.monotonic() < deadline):
            ready, running = ray.wait(running, timeout=POLL_SECONDS)
            ended += [_outcome(reference) for reference in ready]
            if deadline is None and (self.stop.is_set() or any(outcome.code for outcome in ended)):
                for worker in workers:
                    worker.stop.remote()
                # a whole run takes the time that it needs to save; Ray itself ends it when that is too long
                deadline = float("inf") if self.stop.is_set() else time.monotonic() + GRACE_SECONDS
        return Outcome.of_nodes(ended)


def read_job() -> ClusterJob:
    """Return the job that the code in the current folder was sent for."""
    return ClusterJob.from_json(Path(JOB_FILE).read_text(encoding="utf-8"))


def main() -> int:
    """Run the job of this folder and return its exit code."""
    import ray

    job = read_job()
    forget_ending(job)
    ray.init()
    stop = threading.Event()
    # after ray.init, which has a handler of its own
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    code = Driver(job, stop).run()
    write_ending(job, code)
    return code


def _outcome(reference: Any) -> Outcome:
    """Return how the launcher of a node ended, or that it is gone with its node."""
    import ray

    try:
        return Outcome(ray.get(reference))
    except ray.exceptions.RayActorError as error:
        print(f"a node is lost: {error}", flush=True)
        return Outcome(LOST, _is_preempted(error))
    except ray.exceptions.RayTaskError as error:
        print(f"a node cannot start its launcher: {error}", flush=True)
        return Outcome(1)


def _is_preempted(error: Exception) -> bool:
    return bool(getattr(error, "preempted", False))


if __name__ == "__main__":
    sys.exit(main())
