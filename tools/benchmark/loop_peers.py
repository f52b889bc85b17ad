"""The training loops of Lightning, mmengine and accelerate on the work of ``loop_overhead.py``.

Each library trains the same model with SGD, a cosine schedule stepped every iteration, the callbacks or hooks that it has
by default, and the loss written to a file every 20 iterations. The batches are handed over ready made, so no data loader is
timed; checkpoints are written after the timed iterations. The libraries are optional: install those to be compared with
``pip install lightning mmengine accelerate``.
"""

import contextlib
import importlib.util
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor, nn

Batch = dict[str, Tensor]
Loop = Callable[[int], float]
LOG_PERIOD = 20


class ReadyBatches:
    """A loader that hands out prepared batches over and over, ``length`` times; ``dataset`` is asked for by mmengine."""

    def __init__(self, batches: list[Batch], length: int) -> None:
        self.dataset = batches
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Batch]:
        return itertools.islice(itertools.cycle(self.dataset), self.length)


class Stopwatch:
    """Times the iterations after ``warm_up``, without the last one: that one may write a checkpoint."""

    def __init__(self, warm_up: int, iterations: int) -> None:
        assert iterations - 1 > warm_up, f"{iterations} iterations leave none to time after a warm-up of {warm_up}"
        self.first, self.last = warm_up, iterations - 1
        self.begin = self.end = 0.0

    def note(self, completed: int) -> None:
        """Report how many iterations are completed; called at the end of each."""
        if completed == self.first:
            self.begin = time.process_time()
        if completed == self.last:
            self.end = time.process_time()

    def seconds_per_iteration(self) -> float:
        """Return the mean over the timed iterations."""
        assert 0.0 < self.begin < self.end, "the loop ended before the last timed iteration"
        return (self.end - self.begin) / (self.last - self.first)


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer that every loop uses."""
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def cosine(optimizer: torch.optim.Optimizer, iterations: int) -> torch.optim.lr_scheduler.LRScheduler:
    """Return the schedule of the loops that take one of PyTorch's."""
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=iterations)


@contextlib.contextmanager
def run_folder() -> Iterator[Path]:
    """Give a folder for what a run writes; seed it and send what it prints to the standard error."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        yield Path(folder)


def lightning_module(network: nn.Module, iterations: int) -> Any:
    """Return the LightningModule that trains the network."""
    from lightning import pytorch  # optional, and slow to import

    class Module(pytorch.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
            loss: Tensor = self.network(batch)["losses"]["loss"]
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> dict[str, Any]:
            optimizer = sgd(self)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine(optimizer, iterations), "interval": "step"}}

    return Module()


def lightning_callback(stopwatch: Stopwatch) -> Any:
    """Return the Lightning callback that informs the stopwatch of each iteration."""
    from lightning import pytorch  # optional, and slow to import

    class Probe(pytorch.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int) -> None:
            stopwatch.note(batch_idx + 1)

    return Probe()


def lightning_loop(model_class: type[nn.Module], batches: list[Batch], warm_up: int) -> Loop:
    """Return Lightning's loop: ``Trainer.fit`` with its default callbacks, of these the checkpoint at the end of the epoch."""
    from lightning import pytorch  # optional, and slow to import
    from lightning.pytorch.loggers import CSVLogger

    def loop(iterations: int) -> float:
        stopwatch = Stopwatch(warm_up, iterations)
        with run_folder() as folder:
            trainer = pytorch.Trainer(
                accelerator="cpu",
                devices=1,
                max_steps=iterations,
                logger=CSVLogger(folder),
                log_every_n_steps=LOG_PERIOD,
                callbacks=[lightning_callback(stopwatch)],
                enable_progress_bar=False,
                default_root_dir=folder,
            )
            trainer.fit(lightning_module(model_class(), iterations), ReadyBatches(batches, iterations))
        return stopwatch.seconds_per_iteration()

    return loop


def mmengine_model(network: nn.Module) -> Any:
    """Return the mmengine model around the network."""
    from mmengine.model import BaseModel  # optional, and slow to import

    class Model(BaseModel):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor, y: Tensor, mode: str = "tensor") -> dict[str, Tensor]:
            losses: dict[str, Tensor] = self.network({"x": x, "y": y})["losses"]
            return losses

    return Model()


def mmengine_hook(stopwatch: Stopwatch) -> Any:
    """Return the mmengine hook that informs the stopwatch of each iteration, after all other hooks."""
    from mmengine.hooks import Hook  # optional, and slow to import

    class Probe(Hook):  # type: ignore[misc]
        priority = "LOWEST"

        def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
            stopwatch.note(batch_idx + 1)

    return Probe()


def mmengine_runner(network: nn.Module, loader: ReadyBatches, stopwatch: Stopwatch, folder: Path) -> Any:
    """Return a Runner with all default hooks, set to count iterations instead of epochs; it writes JSON lines and a text log."""
    from mmengine.runner import Runner  # optional, and slow to import

    model = mmengine_model(network)
    return Runner(
        model=model,
        work_dir=str(folder),
        train_dataloader=loader,
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": len(loader)},
        optim_wrapper={"type": "OptimWrapper", "optimizer": sgd(model)},
        param_scheduler={"type": "CosineAnnealingLR", "T_max": len(loader), "by_epoch": False},
        default_hooks={
            "logger": {"type": "LoggerHook", "interval": LOG_PERIOD, "log_metric_by_epoch": False},
            "checkpoint": {"type": "CheckpointHook", "by_epoch": False, "interval": len(loader)},
        },
        custom_hooks=[mmengine_hook(stopwatch)],
        log_processor={"by_epoch": False},
        # Runs of the same second would share their loggers if they had the same name.
        experiment_name=folder.name,
    )


def mmengine_loop(model_class: type[nn.Module], batches: list[Batch], warm_up: int) -> Loop:
    """Return mmengine's loop: ``Runner.train`` with its iteration-based loop."""

    def loop(iterations: int) -> float:
        stopwatch = Stopwatch(warm_up, iterations)
        with run_folder() as folder:
            runner = mmengine_runner(model_class(), ReadyBatches(batches, iterations), stopwatch, folder)
            runner.model.cpu()  # mmengine puts it on a GPU wherever there is one
            runner.train()
            for handler in runner.logger.handlers:
                handler.close()
        return stopwatch.seconds_per_iteration()

    return loop


def accelerate_tracker(file: IO[str]) -> Any:
    """Return a tracker that writes JSON lines: those that accelerate brings along need further packages."""
    from accelerate.tracking import GeneralTracker  # optional, and slow to import

    class JsonTracker(GeneralTracker):  # type: ignore[misc]
        name = "json"
        requires_logging_directory = False
        tracker = file

        def log(self, values: dict[str, float], step: int | None = None) -> None:
            file.write(json.dumps({"step": step, **values}) + "\n")

    return JsonTracker()


def accelerate_loop(model_class: type[nn.Module], batches: list[Batch], warm_up: int) -> Loop:
    """Return the loop of accelerate's documentation. The loader is not prepared: accelerate takes only a ``DataLoader``."""
    from accelerate import Accelerator  # optional, and slow to import

    def loop(iterations: int) -> float:
        stopwatch = Stopwatch(warm_up, iterations)
        with run_folder() as folder, (folder / "log.jsonl").open("w") as file:
            accelerator = Accelerator(cpu=True, log_with=accelerate_tracker(file))
            accelerator.init_trackers("loop_overhead")
            network = model_class().train()
            optimizer = sgd(network)
            model, optimizer, scheduler = accelerator.prepare(network, optimizer, cosine(optimizer, iterations))
            for step, batch in enumerate(ReadyBatches(batches, iterations), start=1):
                optimizer.zero_grad()
                loss = model(batch)["losses"]["loss"]
                accelerator.backward(loss)
                optimizer.step()
                scheduler.step()
                if step % LOG_PERIOD == 0:
                    accelerator.log({"loss": loss.item()}, step=step)
                stopwatch.note(step)
            accelerator.end_training()
        return stopwatch.seconds_per_iteration()

    return loop


PEERS: dict[str, Callable[[type[nn.Module], list[Batch], int], Loop]] = {
    "lightning": lightning_loop,
    "mmengine": mmengine_loop,
    "accelerate": accelerate_loop,
}


def missing_peers() -> list[str]:
    """Return the names of the libraries that are not installed."""
    return [name for name in PEERS if importlib.util.find_spec(name) is None]
