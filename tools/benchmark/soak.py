"""Trains for long with two ranks and watches the memory, open files and threads of every process.

A ResNet-20 learns digits for 20,000 iterations on the CPU, with loader workers, evaluations, checkpoints, TensorBoard and JSON logs. Every
process is looked at twice a second. What grows after the first tenth of the run leaks: a table shows it for each kind of process, a
picture does too, and the exit code is 1. The last line is one JSON object.

    python tools/benchmark/soak.py --out soak          about ten minutes on two cores; soak/soak.png is the picture
    python tools/benchmark/soak.py --iterations 600    a short look
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from counts import count

from pet.visual.figure import make_figure, save_figure

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "cfgs" / "vision" / "digits" / "resnet20_digits.yaml"
SETTINGS = [
    "SOLVER.SCHEDULER.TOTAL_EPOCHS=0",
    "SOLVER.SCHEDULER.WARM_UP_EPOCHS=None",
    "EVAL.PERIOD_EPOCH=0",
    "TRAIN.BATCH_SIZE=4",
    "TRAIN.RESIZE.SCALES=[8]",
    "TEST.RESIZE.SCALES=[8]",
    "ANALYSER.ENABLED=False",
]
SECONDS = 0.5
FIRST_TENTH, LAST_TENTH = 1, 9
"""What is compared. A run may grow in the tenth before: caches fill, libraries load what they need first."""
QUANTITIES = {"memory_mb": "resident memory (MB)", "files": "open files", "threads": "threads"}
MOST_GROWTH = {"memory_mb": 0.02, "files": 0.0, "threads": 0.0}
"""What counts as flat, as a share of the value after the first tenth."""
LEAST_GROWTH = {"memory_mb": 8.0, "files": 1.0, "threads": 1.0}
"""What counts as flat whatever the share: below one file and one thread, and noise of the allocator."""


@dataclass(frozen=True)
class Look:
    """What the processes of one kind had at one moment, the greatest where there are several.

    Attributes:
        iteration: how far the run was.
        process: their kind: ``launcher``, ``rank 0``, ``worker of rank 0``.
        values: by the names of ``QUANTITIES``.
    """

    iteration: int
    process: str
    values: dict[str, float]


def main() -> int:
    """Run, print the table and the JSON line; return 1 where something grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=count, default=20000, help="length of the run (default: 20000)")
    parser.add_argument("--ranks", type=count, default=2, help="processes that train (default: 2)")
    parser.add_argument("--workers", type=count, default=2, help="loader workers of each (default: 2)")
    parser.add_argument("--out", type=Path, default=Path("soak"), help="folder of the run and of the picture (default: soak)")
    arguments = parser.parse_args()
    if (arguments.out / "run").exists():
        print(f"error: {arguments.out / 'run'} is there already: remove it, or name another folder with --out", file=sys.stderr)
        return 2
    arguments.out.mkdir(parents=True, exist_ok=True)
    code, looks, seconds = watch(arguments)
    if code:
        print(f"error: the training ended with {code}; its output is in {arguments.out / 'screen.txt'}", file=sys.stderr)
        return code
    if not all(tenth(looks, arguments.iterations, number) for number in (FIRST_TENTH, LAST_TENTH)):
        print(f"error: {arguments.iterations} iterations were over too soon to be looked at: take more", file=sys.stderr)
        return 2
    growths = judge(looks, arguments.iterations)
    draw(looks, arguments.out / "soak.png")
    grew = [growth for growth in growths if growth["grew"]]
    print(f"{arguments.iterations} iterations in {seconds:.0f} s, {len(looks)} looks; picture: {arguments.out / 'soak.png'}")
    print(json.dumps({"iterations": arguments.iterations, "seconds": round(seconds), "grew": len(grew), "growths": growths}))
    return 1 if grew else 0


def watch(arguments: argparse.Namespace) -> tuple[int, list[Look], float]:
    """Train to the end; return the exit code, what was seen, and the seconds."""
    run = arguments.out / "run"
    every = max(1, arguments.iterations // 20)
    own = [f"SOLVER.SCHEDULER.TOTAL_ITERS={arguments.iterations}", f"SOLVER.SNAPSHOT_ITER={every}", f"EVAL.PERIOD_ITER={every}"]
    own += [f"TRAIN.NUM_WORKERS={arguments.workers}", "TEST.NUM_WORKERS=1", f"MISC.CKPT={run}"]
    command = [sys.executable, str(ROOT / "tools" / "train_net_all.py"), "--cfg", str(CONFIG), "--nproc", str(arguments.ranks)]
    looks: list[Look] = []
    started = time.monotonic()
    with (arguments.out / "screen.txt").open("wb") as screen:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen([*command, *SETTINGS, *own], stdout=screen, stderr=subprocess.STDOUT, env=environment)
        while process.poll() is None:
            iteration = last_iteration(run / "metrics.jsonl")
            # at the end the processes put away what they have
            if 0 < iteration < arguments.iterations:
                looks += look_at_all(process.pid, iteration)
            time.sleep(SECONDS)
    return process.returncode, looks, time.monotonic() - started


def last_iteration(path: Path) -> int:
    """Return the iteration of the last whole line of the log of metrics; 0 where there is none."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        lines = file.read().split(b"\n")[:-1]
    return int(json.loads(lines[-1])["iteration"]) if lines else 0


def look_at_all(launcher: int, iteration: int) -> list[Look]:
    """Return a look at each kind of process of a run."""
    found: dict[str, dict[str, float]] = {}
    for pid, name in family(launcher):
        greatest = found.setdefault(name, {})
        for quantity, value in look_at(pid).items():
            greatest[quantity] = max(value, greatest.get(quantity, 0.0))
    return [Look(iteration, name, values) for name, values in found.items() if values]


def family(launcher: int) -> Iterator[tuple[int, str]]:
    """Yield the processes of a run and what they are. A worker is what a rank started."""
    yield launcher, "launcher"
    for rank, pid in enumerate(children(launcher)):
        yield pid, f"rank {rank}"
        yield from ((worker, f"worker of rank {rank}") for worker in children(pid))


def children(pid: int) -> list[int]:
    """Return the processes that a process started, oldest first; none where it has ended."""
    try:
        tasks = [task / "children" for task in Path(f"/proc/{pid}/task").iterdir()]
        return sorted(int(child) for task in tasks for child in task.read_text().split())
    except OSError:
        return []


def look_at(pid: int) -> dict[str, float]:
    """Return what a process has now; nothing where it has ended, or is about to."""
    folder = Path(f"/proc/{pid}")
    try:
        fields = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        if "VmRSS" not in fields:
            return {}
        files = len(list((folder / "fd").iterdir()))
    except OSError:
        return {}
    return {"memory_mb": int(fields["VmRSS"].split()[0]) / 1024, "files": files, "threads": int(fields["Threads"])}


def judge(looks: Sequence[Look], iterations: int) -> list[dict[str, object]]:
    """Print how each kind of process grew from the second tenth of the run to its last; return the rows.

    The median of a tenth is compared: evaluations and saves come and go in between.
    """
    rows: list[dict[str, object]] = []
    print(f"{'process':18} {'':24} {'after 10 %':>12} {'at the end':>12} {'growth':>9}")
    for process in sorted({look.process for look in looks}):
        own = [look for look in looks if look.process == process]
        parts = [tenth(own, iterations, number) for number in (FIRST_TENTH, LAST_TENTH)]
        if not all(parts):
            print(f"{process:18} was not there in both tenths")
            continue
        for quantity, title in QUANTITIES.items():
            before, after = (statistics.median(look.values[quantity] for look in part) for part in parts)
            grew = after - before > max(MOST_GROWTH[quantity] * before, LEAST_GROWTH[quantity] * 0.999)
            verdict = "GROWS" if grew else "flat"
            print(f"{process:18} {title:24} {before:12.1f} {after:12.1f} {after - before:+9.1f}  {verdict}")
            rows.append({"process": process, "quantity": quantity, "before": round(before, 1), "after": round(after, 1), "grew": grew})
    return rows


def tenth(looks: Sequence[Look], iterations: int, number: int) -> list[Look]:
    """Return the looks in a tenth of the run, from 0."""
    return [look for look in looks if 10 * look.iteration // iterations == number]


def draw(looks: Sequence[Look], path: Path) -> None:
    """Draw every quantity over the iterations, a line for each kind of process."""
    figure = make_figure(9.0, 8.0)
    figure.suptitle("Processes of a long training")
    all_axes = figure.subplots(len(QUANTITIES), 1, sharex=True)
    for axes, (quantity, title) in zip(all_axes, QUANTITIES.items(), strict=True):
        for process in sorted({look.process for look in looks}):
            own = [look for look in looks if look.process == process]
            axes.plot([look.iteration for look in own], [look.values[quantity] for look in own], ".", markersize=2, label=process)
        axes.set_ylabel(title)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    all_axes[0].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=4, frameon=False)
    all_axes[-1].set_xlabel("iteration")
    save_figure(figure, path)


if __name__ == "__main__":
    sys.exit(main())
