"""What the guards against bad numbers, bad data and signals cost an iteration.

Pet's loop runs a tiny model with the guards of the defaults on and off, in turn: the look at losses and weights, the agreement on
signals and, in addition, reading samples with ``DATA.ON_ERROR: skip`` and without any guard at all. The CPU time of the loop's
thread counts, in the fastest block of iterations, so that other programs on the machine do not; with several processes the
threads that carry messages work next to it, and ``--threads`` counts them too. Of several processes a step sleeps for 5 ms, in which
messages travel as during the work of a real one. Shares are those of a step of 5 ms, a short one. The last line is one JSON object.

    python tools/benchmark/guards.py [--iterations 1600] [--repeats 5] [--threads]
    torchrun --nproc-per-node 2 tools/benchmark/guards.py          with the agreement of two processes
"""

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from counts import count
from prepared_batches import PreparedBatches
from torch import Tensor, nn

from petlib import config, data, distributed, engine

STEP_MS = 5.0
BLOCK = 50
Clock = Callable[[], float]
GUARDS = ("nan_guard", "interrupt")
"""Hooks that are there for the sake of safety alone."""
SAMPLES = 32


class TinyMLP(nn.Module):
    """The work of an iteration."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        self.criterion = nn.CrossEntropyLoss()

    def forward(self, batch: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """Return the loss as Pet's models do, after a while."""
        if distributed.world_size() > 1:
            time.sleep(STEP_MS / 1000)
        return {"losses": {"loss": self.criterion(self.layers(batch["x"]), batch["y"])}, "metrics": {}}


class Blocks(engine.Hook):
    """Notes the CPU time of every block of iterations."""

    order = 95
    key = "blocks"
    intervals = (BLOCK,)

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.times: list[float] = []

    def after_step(self, state: engine.TrainState) -> None:
        """Note the time."""
        if state.iteration % BLOCK == 0:
            self.times.append(self.clock())

    def least(self) -> float:
        """Return the microseconds of an iteration in the fastest block."""
        return float(np.diff(self.times)[1:].min()) / BLOCK * 1e6


class Numbers:
    """Samples that cost next to nothing."""

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, index: int) -> data.Sample:
        return {"value": index, "meta": {"file": "a.png"}}


def run_loop(iterations: int, clock: Clock, *, guarded: bool) -> float:
    """Return the microseconds of an iteration with or without the guards."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlp.yaml"
        path.write_text(f"MISC: {{CKPT: {folder}/out}}\nSOLVER: {{SCHEDULER: {{TOTAL_ITERS: {iterations}, NAME: cosine}}}}\n")
        task = SimpleNamespace(get_base_cfg=lambda: config.CfgNode(config.PETLIB_SCHEMA), infer_cfg=lambda cfg: None)
        cfg = config.load_cfg(task, path)
        model = TinyMLP()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        loader, step = PreparedBatches(), engine.build_step(cfg, torch.device("cpu"))
        state = engine.build_state(cfg, model=model, optimizer=optimizer, step=step, iterations_per_epoch=iterations)
        blocks = Blocks(clock)
        hooks = [hook for hook in engine.build_train_hooks(cfg, state, batches=loader.batches) if guarded or hook.key not in GUARDS]
        engine.train(state, loader, step, [*hooks, blocks])
    return blocks.least()


def run_reader(iterations: int, clock: Clock, *, guarded: bool) -> float:
    """Return the microseconds that reading a batch takes beyond the data set, with all guards of the reader or with none."""
    dataset, keys = Numbers(), [data.SampleKey(0, place, place) for place in range(SAMPLES)]
    generators = data.KeyedGenerators(0, "sample")
    reader = data.SampleReader(dataset, lambda sample, rng: sample, seed=0, on_error="skip")

    def read_bare() -> list[Any]:
        samples = []
        for key in keys:
            generators.at(key.epoch, key.position)
            given = dataset[key.index]
            samples.append({**given, "meta": {**given["meta"], "index": key.index}})
        return samples

    def read_guarded() -> list[Any]:
        samples = reader.read(keys)
        # as the loader looks for notes
        assert not [note for sample in samples for note in sample["meta"].get("replaces", ())]
        return samples

    read: Callable[[], list[Any]] = read_guarded if guarded else read_bare
    least = float("inf")
    for _ in range(max(iterations // BLOCK, 2)):
        begin = clock()
        for _ in range(BLOCK):
            read()
        least = min(least, clock() - begin)
    return least / BLOCK * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--iterations", type=count, default=1600)
    parser.add_argument("--repeats", type=count, default=5)
    parser.add_argument("--threads", action="store_true", help="count the time of all threads of a process")
    arguments = parser.parse_args()
    clock = time.process_time if arguments.threads else time.thread_time
    if arguments.iterations < 4 * BLOCK:
        parser.error(f"--iterations: at least {4 * BLOCK} expected")
    torch.set_num_threads(1)
    distributed.init_process_group(torch.device("cpu"), timeout_seconds=300)
    parts = {"loop": run_loop, f"reading {SAMPLES} samples": run_reader}
    least = {name: {True: float("inf"), False: float("inf")} for name in parts}
    for _, (name, run), guarded in itertools.product(range(arguments.repeats), parts.items(), (False, True)):
        least[name][guarded] = min(least[name][guarded], run(arguments.iterations, clock, guarded=guarded))
    if distributed.is_main_process():
        report(least)
    distributed.destroy_process_group()


def report(least: dict[str, dict[bool, float]]) -> None:
    """Print the table."""
    print(f"{distributed.world_size()} process(es)\n{'':<22}{'off, us':>10}{'on, us':>10}{'guards, us':>12}{f'of {STEP_MS:g} ms':>10}")
    cost = {name: max(times[True] - times[False], 0.0) for name, times in least.items()}
    for name, times in least.items():
        print(f"{name:<22}{times[False]:>10.1f}{times[True]:>10.1f}{cost[name]:>12.1f}{cost[name] / STEP_MS / 1000:>10.2%}")
    total = sum(cost.values())
    print(f"{'all guards':<22}{'':>10}{'':>10}{total:>12.1f}{total / STEP_MS / 1000:>10.2%}")
    print(json.dumps({"guards_us": round(total, 1), "share_of_5_ms": round(total / STEP_MS / 1000, 4)}))


if __name__ == "__main__":
    main()
