"""Training and testing of land cover with data that a program brings; ``tools/projects/landcover/train_net.py`` shows the steps."""

from pet import segmentation
from pet.data.targets.dataset import Dataset
from pet.models.analysis import analyse
from pet.projects.landcover.model import load_students
from pet.projects.landcover.mutual_distillation import MutualDistillation, TeacherHook
from pet.projects.landcover.task import TASK, LandcoverTask
from pet.segmentation.model import Segmenter
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
    if cfg.SEMI.ENABLED:
        task, hook = LandcoverTask(unlabelled_dataset), TeacherHook(momentum=cfg.SEMI.MOMENTUM)
        segmentation.train(cfg, task=task, train_dataset=train_dataset, test_dataset=test_dataset, begin=_begin_students, hooks=[hook])
        return
    if unlabelled_dataset is not None:
        raise ConfigError("SEMI.ENABLED: False, but unlabelled data are given; set it to True to learn from them")
    segmentation.train(cfg, task=TASK, train_dataset=train_dataset, test_dataset=test_dataset)


def test(cfg: CfgNode, *, test_dataset: Dataset | None = None) -> dict[str, float]:
    """Measure the model of ``MISC.CKPT`` or ``TEST.WEIGHTS``, see :func:`pet.segmentation.test`; of two students the first."""
    return segmentation.test(cfg, task=TASK, test_dataset=test_dataset)


def _begin_students(model: Segmenter, cfg: CfgNode) -> None:
    assert isinstance(model, MutualDistillation), f"SEMI.ENABLED built a {type(model).__name__}"
    analyse(model.student(0), cfg, name=f"each student, {cfg.MODEL.NETWORK}", channels=cfg.MODEL.IN_CHANNELS)
    load_students(model, cfg)
