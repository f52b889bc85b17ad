"""Training and testing with data that a program brings, for layers without scripts; ``tools/projects`` show the same steps."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pet.data.targets.dataset import Dataset
from pet.models.analysis import analyse
from pet.models.pretrained import load_pretrained, load_test_weights
from pet.report.hook import write_test_report
from pet.segmentation.model import Segmenter
from pet.segmentation.task import TASK, SegmentationTask
from pet.typed import SegmentationConfig
from pet.visual.curves import draw_run
from petlib import distributed, engine, solver
from petlib.checkpoint.origin import Origin


def load_first_weights(model: Segmenter, cfg: SegmentationConfig) -> Origin:
    """Log the cost of a model, and load what ``TRAIN.WEIGHTS`` names; return what it begins with."""
    analyse(model, cfg, name=cfg.MODEL.NETWORK, num_images=cfg.DATA.NUM_IMAGES, channels=cfg.MODEL.IN_CHANNELS)
    return load_pretrained(model, cfg, backbone=model.network.encoder_name)


def train(
    cfg: SegmentationConfig,
    *,
    task: SegmentationTask = TASK,
    train_dataset: Dataset | None = None,
    test_dataset: Dataset | None = None,
    begin: Callable[[Segmenter, SegmentationConfig], Origin] = load_first_weights,
    hooks: Sequence[engine.Hook] = (),
) -> None:
    """Train the model that ``cfg`` describes; what comes out lies in ``MISC.CKPT``.

    Args:
        cfg: the config.
        task: whose model, data and hooks they are.
        train_dataset: the data to learn from; None: ``TRAIN.DATASETS``.
        test_dataset: the data of the evaluations; None: ``TEST.DATASETS``.
        begin: gives a new model its first weights, and returns what these began with.
        hooks: further ones than those of the task.
    """
    with engine.open_run(cfg) as device:
        loader = task.build_training_data(cfg, device, train_dataset)
        has_test_data = test_dataset is not None or cfg.TEST.DATASETS
        evaluation = task.build_evaluation(cfg, device, test_dataset, names=loader.names) if has_test_data else None

        segmenter = task.build_model(cfg)
        origin = begin(segmenter, cfg)
        rules = task.build_rules(cfg, segmenter)
        model = engine.parallelize(engine.prepare_model(segmenter, cfg, device, rules), cfg, device)
        optimizer = solver.build_optimizer(distributed.unwrap(model), cfg, rules)

        step = engine.build_step(cfg, device)
        state = engine.build_state(
            cfg,
            model=model,
            optimizer=optimizer,
            step=step,
            iterations_per_epoch=loader.iterations_per_epoch,
            names=loader.names,
            origin=origin,
        )
        all_hooks = engine.build_train_hooks(cfg, state, batches=loader.batches, evaluate=evaluation)
        all_hooks += [*task.build_hooks(cfg, state.network), *hooks]

        engine.resume(state, all_hooks, cfg)
        engine.train(state, loader, step, all_hooks)
        draw_run(cfg.MISC.CKPT)


def test(
    cfg: SegmentationConfig, *, task: SegmentationTask = TASK, test_dataset: Dataset | None = None, folder: Path | None = None
) -> dict[str, float]:
    """Measure the model of ``MISC.CKPT`` or ``TEST.WEIGHTS`` and return the metrics.

    Args:
        cfg: the config.
        task: whose model and metrics they are.
        test_dataset: the data; None: ``TEST.DATASETS``.
        folder: of the results; None: ``MISC.CKPT/test``.
    """
    with engine.open_run(cfg, record=engine.TEST_RECORD) as device:
        model = task.build_model(cfg)
        names = load_test_weights(model, cfg)
        evaluation = task.build_evaluation(cfg, device, test_dataset, names=names)
        engine.write_record(cfg, engine.TEST_RECORD)
        prepared = task.build_test_model(cfg, engine.prepare_model(model, cfg, device))
        metrics = evaluation.test(prepared, folder or Path(cfg.MISC.CKPT) / "test")
        write_test_report(cfg)
        return metrics
