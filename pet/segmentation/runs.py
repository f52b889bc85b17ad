"""Training and testing of the segmentation projects, the steps of a run from top to bottom."""

from pathlib import Path

from pet.data.targets.dataset import Dataset
from pet.models.analysis import analyse
from pet.models.pretrained import load_pretrained, load_test_weights
from pet.segmentation.data import build_evaluation, build_training_data
from pet.segmentation.model import build_model, build_test_model
from pet.visual.curves import draw_run
from petlib import distributed, engine, solver
from petlib.config import CfgNode


def train(cfg: CfgNode, *, train_dataset: Dataset | None = None, test_dataset: Dataset | None = None) -> None:
    """Train the model that ``cfg`` describes; what comes out lies in ``MISC.CKPT``.

    Args:
        cfg: the config.
        train_dataset: the data to learn from; None: ``TRAIN.DATASETS``.
        test_dataset: the data of the evaluations; None: ``TEST.DATASETS``.
    """
    with engine.open_run(cfg) as device:
        segmenter = build_model(cfg)
        analyse(segmenter, cfg, name=cfg.MODEL.NETWORK, num_images=cfg.DATA.NUM_IMAGES, channels=cfg.MODEL.IN_CHANNELS)
        load_pretrained(segmenter, cfg, backbone=segmenter.network.encoder_name)

        model = engine.prepare_model(segmenter, cfg, device)
        model = engine.parallelize(model, cfg, device)
        optimizer = solver.build_optimizer(distributed.unwrap(model), cfg)

        loader = build_training_data(cfg, device, train_dataset)
        has_test_data = test_dataset is not None or cfg.TEST.DATASETS
        evaluation = build_evaluation(cfg, device, test_dataset) if has_test_data else None

        step = engine.build_step(cfg, device)
        state = engine.build_state(cfg, model=model, optimizer=optimizer, step=step, iterations_per_epoch=loader.iterations_per_epoch)
        hooks = engine.build_train_hooks(cfg, state, batches=loader.batches, evaluate=evaluation)

        engine.resume(state, hooks, cfg)
        engine.train(state, loader, step, hooks)
        draw_run(cfg.MISC.CKPT)


def test(cfg: CfgNode, *, test_dataset: Dataset | None = None) -> dict[str, float]:
    """Measure the model of ``MISC.CKPT`` or ``TEST.WEIGHTS`` and return the metrics; results go to ``MISC.CKPT/test``.

    Args:
        cfg: the config.
        test_dataset: the data; None: ``TEST.DATASETS``.
    """
    with engine.open_run(cfg, record="test/config.yaml") as device:
        model = build_model(cfg)
        load_test_weights(model, cfg)
        evaluation = build_evaluation(cfg, device, test_dataset)
        engine.prepare_model(model, cfg, device)
        return evaluation.test(build_test_model(model, cfg), Path(cfg.MISC.CKPT) / "test")
