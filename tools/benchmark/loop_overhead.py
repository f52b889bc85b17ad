"""What an iteration costs beyond a bare PyTorch loop that does the same work.

A tiny MLP is trained on the CPU by a bare loop and by Pet's loop with all default hooks and writers, a line every 20
iterations. The two take turns; the medians of their repeats are compared, in processor time, whatever else the machine does.
``--peers`` adds Lightning, mmengine and accelerate where they are installed (see ``loop_peers.py``). The last line is one JSON
object.

    python tools/benchmark/loop_overhead.py [--iterations 2000] [--repeats 7] [--peers]
"""

import argparse
import itertools
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from counts import count
from loop_peers import PEERS, missing_peers
from prepared_batches import BATCHES, PreparedBatches
from torch import Tensor, nn

from petlib import config, engine

WARM_UP = 100


class TinyMLP(nn.Module):
    """The work of an iteration: about 250 microseconds."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        self.criterion = nn.CrossEntropyLoss()

    def forward(self, batch: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """Return the loss as Pet's models do."""
        return {"losses": {"loss": self.criterion(self.layers(batch["x"]), batch["y"])}, "metrics": {}}


class Probe(engine.Hook):
    """Notes when the warm-up ended and when the last but one iteration did: the last one writes the checkpoint."""

    order = 95
    key = "probe"

    def __init__(self) -> None:
        self.begin = self.end = 0.0

    def after_step(self, state: engine.TrainState) -> None:
        """Note the time."""
        if state.iteration == WARM_UP:
            self.begin = time.process_time()
        if state.iteration == state.max_iter - 1:
            self.end = time.process_time()


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    """Return the same optimizer for every loop."""
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def bare(iterations: int) -> float:
    """Return seconds an iteration of a bare loop."""
    torch.manual_seed(0)
    model = TinyMLP().train()
    optimizer = optimizer_of(model)
    begin = end = 0.0
    for index, batch in enumerate(itertools.islice(itertools.cycle(BATCHES), iterations)):
        optimizer.zero_grad(set_to_none=True)
        model(batch)["losses"]["loss"].backward()
        optimizer.step()
        if index + 1 == WARM_UP:
            begin = time.process_time()
        if index + 1 == iterations - 1:
            end = time.process_time()
    return (end - begin) / (iterations - 1 - WARM_UP)


def pet(iterations: int) -> float:
    """Return seconds an iteration of Pet's loop with default hooks, writers, clipping off, schedule on."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlp.yaml"
        path.write_text(f"MISC: {{CKPT: {folder}/out}}\nSOLVER: {{SCHEDULER: {{TOTAL_ITERS: {iterations}, NAME: cosine}}}}\n")
        task = SimpleNamespace(get_base_cfg=lambda: config.CfgNode(config.PETLIB_SCHEMA), infer_cfg=lambda cfg: None)
        cfg = config.load_cfg(task, path)
        model = TinyMLP()
        optimizer = optimizer_of(model)
        loader, step = PreparedBatches(), engine.build_step(cfg, torch.device("cpu"))
        state = engine.build_state(cfg, model=model, optimizer=optimizer, step=step, iterations_per_epoch=iterations)
        probe = Probe()
        hooks = [*engine.build_train_hooks(cfg, state, batches=loader.batches, evaluate=lambda network: {"cls/acc1": 0.0}), probe]
        engine.train(state, loader, step, hooks)
    return (probe.end - probe.begin) / (iterations - 1 - WARM_UP)


def measure(loops: dict[str, Callable[[int], float]], *, iterations: int, repeats: int) -> dict[str, float]:
    """Run the loops in turn; return the medians in microseconds, and of ``name - bare`` the median of the pairs."""
    times: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(repeats):
        for name, loop in loops.items():
            times[name].append(loop(iterations) * 1e6)
    figures = {name: statistics.median(values) for name, values in times.items()}
    for name in loops:
        figures[f"{name}_overhead"] = statistics.median(a - b for a, b in zip(times[name], times["bare"], strict=True))
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--repeats", type=count, default=7)
    parser.add_argument("--peers", action="store_true", help="also Lightning, mmengine and accelerate where installed")
    arguments = parser.parse_args()
    if arguments.iterations < WARM_UP + 2:
        parser.error(f"--iterations: at least {WARM_UP + 2} expected, the first {WARM_UP} are not timed")
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="[%(asctime)s] %(message)s")
    loops: dict[str, Callable[[int], float]] = {"bare": bare, "pet": pet}
    if arguments.peers:
        loops.update({name: peer(TinyMLP, BATCHES, WARM_UP) for name, peer in PEERS.items() if name not in missing_peers()})
    figures = measure(loops, iterations=arguments.iterations, repeats=arguments.repeats)
    print(f"{'loop':<12}{'us an iteration':>16}{'beyond bare':>14}")
    for name in loops:
        print(f"{name:<12}{figures[name]:>16.1f}{figures[name + '_overhead']:>14.1f}")
    for name in missing_peers() if arguments.peers else []:
        print(f"{name:<12}{'not installed':>16}")
    peers: dict[str, Any] = {name: round(figures[f"{name}_overhead"], 1) for name in loops if name not in ("bare", "pet")}
    print(json.dumps({"bare_us": round(figures["bare"], 1), "overhead_us": round(figures["pet_overhead"], 1), "peers": peers}))


if __name__ == "__main__":
    main()
