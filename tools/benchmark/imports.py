"""How long the imports of a training run take, compared with those of torch, torchvision and timm, and the first word of the launcher.

Each measurement is the processor time of a fresh python, whatever else the machine does; they take turns, medians count. The last line
is one JSON object.

    python tools/benchmark/imports.py [--repeats 7]
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from counts import count

ROOT = Path(__file__).parents[2]
LAUNCHER = [sys.executable, str(ROOT / "tools" / "train_net_all.py")]

# what tools/vision/train_net.py touches until the first iteration, with a network of Pet's own
RUN = "from pet import data, models, vision; from petlib import distributed, engine, solver; " + "; ".join(
    [
        "vision.GeneralizedCNN, models.analyse, models.load_pretrained, distributed.parallelize",
        "engine.open_run, engine.build_checkpointer, engine.build_train_hooks, engine.train, engine.resume",
        "solver.build_optimizer, solver.build_scheduler, data.build_dataset, data.build_train_loader, vision.TASK",
    ]
)
COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "torch": [sys.executable, "-c", "import torch"],
    "torch_torchvision_timm": [sys.executable, "-c", "import torch, torchvision, timm"],
    "training_run": [sys.executable, "-c", RUN],
    "help": [*LAUNCHER, "--help"],
    "config_error": [*LAUNCHER, "--cfg", str(ROOT / "cfgs" / "vision" / "digits" / "resnet20_digits.yaml"), "MISC.SEDE", "1"],
}


def seconds(command: list[str]) -> float:
    """Return the processor time of a command."""
    # python keeps what it compiled, as it does where nothing else is asked for
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=count, default=7)
    repeats = parser.parse_args().repeats
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(repeats):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    figures = {name: round(statistics.median(values), 3) for name, values in times.items()}
    for name, value in figures.items():
        print(f"{name:<26}{value:>8.3f} s")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
