"""Measures the time from the command to the end of the first training iteration, Pet's launcher compared with torchrun.

Both start the same small script (gloo group, small model, DistributedDataParallel, one step) on the CPU, turn by turn.
The last line is one JSON object: ``pet_s`` and ``torchrun_s`` (medians in seconds) and ``ratio`` (Pet over torchrun).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from counts import count

MARK = "first iteration ended at"
LIMIT_SECONDS = 300

CONFIG = "MISC: {DEVICE: cpu}\nSOLVER: {SCHEDULER: {TOTAL_ITERS: 1}}\n"

SCRIPT = f"""
import time

from petlib import distributed
from petlib.config import PETLIB_SCHEMA, CfgNode
from petlib.launch import run_script


class Task:
    def get_base_cfg(self):
        return CfgNode(PETLIB_SCHEMA)

    def infer_cfg(self, cfg):
        pass


def main(cfg):
    # after the config is checked, as Pet's scripts do it
    import torch
    from torch import nn

    device = distributed.choose_device(cfg.MISC.DEVICE)
    distributed.init_process_group(device, timeout_seconds=cfg.MISC.DIST_TIMEOUT)
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
    model = distributed.parallelize(model, "ddp", device=device, find_unused_parameters=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.randn(32, 64)).square().mean().backward()
    optimizer.step()
    print("{MARK}", time.monotonic(), flush=True)
    distributed.destroy_process_group()


run_script(main, Task())
"""


def main() -> None:
    """Measure, print a table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=count, default=2, help="processes to start (default: 2)")
    parser.add_argument("--repeats", type=count, default=7, help="launches of each kind (default: 7)")
    parser.add_argument("--warm_up", type=int, default=1, help="launches before these that are not counted: they read torch from the disk")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pet-benchmark-") as folder:
        root = Path(folder)
        commands = write_project(root, arguments.ranks)
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for repeat in range(arguments.warm_up + arguments.repeats):
            for name, command in commands.items() if repeat % 2 else reversed(commands.items()):
                measured = first_iteration(command, root)
                if repeat >= arguments.warm_up:
                    seconds[name].append(measured)
    print_table(seconds)


def write_project(root: Path, ranks: int) -> dict[str, list[str]]:
    """Write config and script below ``root`` and return the two commands."""
    config, script = root / "cfgs/bench/tiny.yaml", root / "tools/bench/train_net.py"
    for path, text in ((config, CONFIG), (script, SCRIPT)):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    launcher = Path(__file__).resolve().parents[1] / "train_net_all.py"
    return {
        "pet": [sys.executable, str(launcher), "--cfg", str(config), "--nproc", str(ranks)],
        "torchrun": [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={ranks}"),
            *(str(script), "--cfg", str(config)),
        ],
    }


def first_iteration(command: list[str], folder: Path) -> float:
    """Run a command and return the seconds until its first iteration had ended."""
    # torchrun leaves its logs in the folder for temporary files; python keeps what it compiled, as it does where nothing else is asked for
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment: Mapping[str, str] = {**kept, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "TMPDIR": str(folder)}
    started = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    marks = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode != 0 or not marks:
        sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return float(marks[0].removeprefix(MARK)) - started


def print_table(seconds: dict[str, list[float]]) -> None:
    """Print medians and ranges, and the JSON line."""
    print(f"{'launcher':<10} {'median':>8} {'fastest':>8} {'slowest':>8}   seconds to the end of the first iteration")
    for name, values in seconds.items():
        print(f"{name:<10} {statistics.median(values):>8.2f} {min(values):>8.2f} {max(values):>8.2f}")
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    figures = {"pet_s": medians["pet"], "torchrun_s": medians["torchrun"], "ratio": medians["pet"] / medians["torchrun"]}
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
