"""Training of a network on data sets of the PaddleSeg layer, the steps of a run from top to bottom."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Unpack

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from pet.compat.paddleseg.core.evaluating import SEED, build_evaluation
from pet.compat.paddleseg.core.settings import (
    WORDS,
    Switches,
    build_run_config,
    choose_schedule,
    read_switches,
    warm_up_length,
)
from pet.compat.paddleseg.datasets import Dataset
from pet.compat.paddleseg.paddle.files import write_classes
from pet.compat.paddleseg.samples import LabelledTiles, OpenedData, open_data
from pet.compat.paddleseg.segmenter import build_segmenter
from pet.compat.paddleseg.views import Views
from pet.compat.shared.class_names import check_same_classes, remember_classes, remembered_classes
from pet.compat.shared.running import begin_script, open_run
from pet.data.loading.batch_transforms import NormalizeImages
from pet.data.loading.build import start_worker
from petlib import engine
from petlib.checkpoint.state_file import write_file
from petlib.config import CfgNode
from petlib.data.build import build_train_loader
from petlib.data.train_loader import TrainLoader
from petlib.distributed.process_group import is_main_process
from petlib.engine.hook import Hook
from petlib.engine.hooks.evaluation import EvaluationHook
from petlib.engine.state import TrainState
from petlib.errors import CheckpointError
from petlib.solver.schedules import report_long_warm_up

BEST_MODEL = Path("best_model", "model.pdparams")
"""Where the file lies below the folder of a training."""


class BestModelHook(Hook):
    """Writes ``best_model/model.pdparams`` after every evaluation that was the best one.

    The file is a state dict of torch, names and tensors on the CPU, which ``torch.load(path, weights_only=True)`` reads; only its name
    is Paddle's. Where the data name their classes, ``classes.json`` next to it has the names. It is written before the checkpoint of the
    same iteration.

    Args:
        network: whose weights are written.
        folder: of the training.
        evaluation: knows when a model was the best one.
    """

    order = 85
    key = "best_model"

    def __init__(self, *, network: nn.Module, folder: Path, evaluation: EvaluationHook) -> None:
        self._network = network
        self._path = folder / BEST_MODEL
        self._evaluation = evaluation
        self.intervals = (evaluation.every,)

    def after_step(self, state: TrainState) -> None:
        """Write the file when it is time.

        Raises:
            CheckpointError: it could not be written; the one before is as it was.
        """
        if self._evaluation.improved_at != state.iteration or not is_main_process():
            return
        weights = {name: tensor.detach().cpu() for name, tensor in self._network.state_dict().items()}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_file(self._path, weights)
            write_classes(self._path, remembered_classes(self._network))
        except (OSError, RuntimeError) as error:
            raise CheckpointError(f"{self._path}: the weights of the best model could not be saved: {error}") from error


logger = logging.getLogger(__name__)


def train(  # noqa: PLR0917 -- PaddleSeg's order
    model: nn.Module,
    train_dataset: Dataset | LabelledTiles,
    val_dataset: Dataset | LabelledTiles | None = None,
    optimizer: Optimizer | None = None,
    save_dir: str | Path = "output",
    iters: int = 10000,
    batch_size: int = 2,
    resume_model: str | Path | None = None,
    save_interval: int = 1000,
    log_iters: int = 10,
    num_workers: int = 0,
    use_vdl: bool = False,
    losses: Mapping[str, Any] | None = None,
    keep_checkpoint_max: int = 5,
    *,
    lr_scheduler: LRScheduler | None = None,
    seed: int | None = None,
    nonfinite: Literal["stop", "skip", "rollback", "ignore"] = "stop",
    on_error: Literal["raise", "skip"] = "raise",
    pet: Mapping[str, Any] = MappingProxyType({}),
    hooks: Sequence[Hook] = (),
    **switches: Unpack[Switches],
) -> None:
    """Train a network on Pet's engine, on the GPU where there is one; what comes out lies in ``save_dir``.

    There are ``best_model/model.pdparams`` (:class:`BestModelHook`), ``model_iter<N>.pth``, ``model_latest.pth``, ``metrics.jsonl`` and
    ``logs``. The same script gives the same numbers again, with ``torch.manual_seed`` before the model is made.

    Args:
        model: takes images (B, 3, H, W) and gives logits (B, K, H, W), or a list of them, the main ones first.
        train_dataset, val_dataset: the data to learn from, and those of the evaluations; None: there are none, and no best model.
        optimizer: of the network's parameters, torch's or :class:`pet.compat.paddleseg.paddle.optimizer`.
        save_dir: folder of the run.
        iters, batch_size: steps of the optimizer, at least 1, and samples of each, over all processes.
        resume_model: ``save_dir`` of an interrupted run, or its ``model_latest.pth``: it goes on, with the same result; None: a new run.
        save_interval, log_iters: how many iterations lie between checkpoints and evaluations (0: only at the end), and between log lines.
        num_workers: processes that read images; 0: this one. It has no effect on the results.
        use_vdl: write TensorBoard events.
        losses: ``{"types": [...], "coef": [...]}``, a loss and its weight for each output that the network has in training.
        keep_checkpoint_max: how many ``model_iter<N>.pth`` stay, the newest; 0: all.
        lr_scheduler: a schedule of torch for ``optimizer``, stepped after every iteration; None: that of the layer's optimizer, or none.
        seed: of the order and the augmentation of the samples, and of what the model draws in training; None: 3.
        nonfinite, on_error: what happens when a loss is not finite or a sample cannot be read: ``SOLVER.NONFINITE``, ``DATA.ON_ERROR``.
        pet, hooks: settings under Pet's names, e.g. ``{"SOLVER.AMP.ENABLED": True}``, and hooks of one's own (:class:`petlib.engine.Hook`).
        switches: ``fp16``, ``to_static_training``, ``test_config`` and others of PaddleSeg, see :class:`Switches`.

    Raises:
        UserError: an argument is wrong, an image or a label cannot be used, or there is nothing to go on from.
    """
    begin_script()
    own, views = read_switches(**switches)
    seed = SEED if seed is None else seed
    data = open_data(train_dataset, seed=seed, for_evaluation=False, name="train_dataset", on_error=on_error)
    val_data = None if val_dataset is None else open_data(val_dataset, seed=seed, for_evaluation=True, name="val_dataset")
    length = {"iters": iters, "batch_size": batch_size, "save_interval": save_interval, "log_iters": log_iters, "save_dir": save_dir}
    other = {"use_vdl": use_vdl, "keep_checkpoint_max": keep_checkpoint_max, "seed": seed, "num_workers": num_workers}
    faults = {"on_error": on_error, "nonfinite": nonfinite}
    cfg = build_run_config({**length, **other, **faults}, num_samples=len(data.samples), resume_model=resume_model, pet={**own, **pet})
    _run(cfg, data, val_data, views=views, network=model, losses=losses, optimizer=optimizer, lr_scheduler=lr_scheduler, own_hooks=hooks)


def _run(
    cfg: CfgNode,
    data: OpenedData,
    val_data: OpenedData | None,
    *,
    views: Views,
    network: nn.Module,
    losses: Mapping[str, Any] | None,
    optimizer: Optimizer | None,
    lr_scheduler: LRScheduler | None,
    own_hooks: Sequence[Hook],
) -> None:
    """Train the user's ``network`` with its losses, from the latest checkpoint where the config says so."""
    if val_data is not None:
        check_same_classes("val_dataset", val_data.names, data.names)
    optimizer, schedule = choose_schedule(network, optimizer, lr_scheduler)
    segmenter = build_segmenter(network, losses, num_classes=data.num_classes, views=views)
    with open_run(cfg, purpose="train", words=WORDS) as device:
        report_long_warm_up(warm_up_length(optimizer), cfg.SOLVER.SCHEDULER.TOTAL_ITERS)
        loader = build_training_loader(cfg, data, device)
        evaluation = None if val_data is None else build_evaluation(cfg, val_data, device)
        wrapped = engine.parallelize(engine.prepare_model(segmenter, cfg, device), cfg, device)
        step = engine.build_step(cfg, device)
        length = loader.iterations_per_epoch
        state = engine.build_state(
            cfg,
            model=wrapped,
            optimizer=optimizer,
            step=step,
            iterations_per_epoch=length,
            scheduler=schedule,
            names={"semseg": data.names} if data.names else {},
        )
        hooks = engine.build_train_hooks(cfg, state, batches=loader.batches, evaluate=evaluation)
        judges = [hook for hook in hooks if isinstance(hook, EvaluationHook)]
        hooks += [BestModelHook(network=network, folder=Path(cfg.MISC.CKPT), evaluation=judge) for judge in judges]
        hooks += own_hooks
        engine.resume(state, hooks, cfg)
        remember_classes(network, data.names)
        engine.train(state, loader, step, hooks)


def build_training_loader(cfg: CfgNode, data: OpenedData, device: torch.device) -> TrainLoader:
    """Return the batches of a training, one long stream in a new order in every epoch."""
    return build_train_loader(
        cfg,
        data.samples,
        device,
        transforms=data.transforms,
        batch_transforms=[NormalizeImages.from_transform(data.normalize, channels_last=cfg.MISC.CHANNELS_LAST)],
        worker_init=start_worker,
        seed_global_generators=data.draws_globally,
    )
