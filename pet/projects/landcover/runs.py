"""Training and testing of land cover, the steps of a run from top to bottom."""

from pathlib import Path

from pet import segmentation
from pet.data.targets.dataset import Dataset
from pet.models.analysis import analyse
from pet.models.pretrained import load_test_weights
from pet.projects.landcover.data import build_training_data
from pet.projects.landcover.model import build_model, load_students
from pet.projects.landcover.mutual_distillation import MutualDistillation
from pet.projects.landcover.teachers import TeacherHook
from pet.visual.curves import draw_run
from petlib import distributed, engine, solver
from petlib.config import CfgNode, ConfigError
from petlib.data.protocols import Dataset as Samples


def train(
    cfg: CfgNode,
    *,
    train_dataset: Dataset | None = None,
    test_dataset: Dataset | None = None,
    unlabelled_dataset: Samples | None = None,
) -> None:
    """Train the model that ``cfg`` describes; what comes out lies in ``MISC.CKPT``.

    Args:
        cfg: the config.
        train_dataset: the data to learn from; None: ``TRAIN.DATASETS``.
        test_dataset: the data of the evaluations; None: ``TEST.DATASETS``.
        unlabelled_dataset: with ``SEMI.ENABLED`` samples with an ``image``; None: ``SEMI.DATASETS``.

    Raises:
        ConfigError: there are unlabelled data, but ``SEMI.ENABLED`` is off.
    """
    if not cfg.SEMI.ENABLED:
        if unlabelled_dataset is not None:
            raise ConfigError("SEMI.ENABLED: False, but unlabelled data are given; set it to True to learn from them")
        segmentation.train(cfg, train_dataset=train_dataset, test_dataset=test_dataset)
        return
    with engine.open_run(cfg) as device:
        students = build_model(cfg)
        assert isinstance(students, MutualDistillation), f"SEMI.ENABLED built a {type(students).__name__}"
        analyse(students.student(0), cfg, name=f"each student, {cfg.MODEL.NETWORK}", channels=cfg.MODEL.IN_CHANNELS)
        load_students(students, cfg)

        model = engine.prepare_model(students, cfg, device)
        model = engine.parallelize(model, cfg, device)
        optimizer = solver.build_optimizer(distributed.unwrap(model), cfg)

        loader = build_training_data(cfg, device, train_dataset, unlabelled_dataset)
        has_test_data = test_dataset is not None or cfg.TEST.DATASETS
        evaluation = segmentation.build_evaluation(cfg, device, test_dataset) if has_test_data else None

        step = engine.build_step(cfg, device)
        state = engine.build_state(cfg, model=model, optimizer=optimizer, step=step, iterations_per_epoch=loader.iterations_per_epoch)
        hooks = engine.build_train_hooks(cfg, state, batches=loader.batches, evaluate=evaluation)
        hooks.append(TeacherHook(momentum=cfg.SEMI.MOMENTUM))

        engine.resume(state, hooks, cfg)
        engine.train(state, loader, step, hooks)
        draw_run(cfg.MISC.CKPT)


def test(cfg: CfgNode, *, test_dataset: Dataset | None = None) -> dict[str, float]:
    """Measure the model of ``MISC.CKPT`` or ``TEST.WEIGHTS`` and return the metrics; results go to ``MISC.CKPT/test``.

    Of a model that learned with ``SEMI.ENABLED`` the first student is measured.

    Args:
        cfg: the config.
        test_dataset: the data; None: ``TEST.DATASETS``.
    """
    with engine.open_run(cfg, record="test/config.yaml") as device:
        model = build_model(cfg)
        load_test_weights(model, cfg)
        evaluation = segmentation.build_evaluation(cfg, device, test_dataset)
        return evaluation.test(engine.prepare_model(model, cfg, device), Path(cfg.MISC.CKPT) / "test")
