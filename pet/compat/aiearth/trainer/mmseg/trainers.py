"""Trainers: a preset, its changes, and the run that they describe."""

import logging
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pet import segmentation
from pet.compat.aiearth.datasets.non_geo import NonGeoDataset
from pet.compat.aiearth.model_zoo.model import PretrainedModel
from pet.compat.aiearth.trainer.mmseg.config import PLACE, MMSegConfig
from pet.compat.aiearth.trainer.mmseg.data import PARTS, TrainerData, check_dataset
from pet.compat.aiearth.trainer.mmseg.translation import LATEST, TABLE
from pet.compat.shared.running import begin_script, start_log
from pet.compat.shared.translation import process_count, words_of
from pet.data.targets.dataset import Dataset
from pet.models.pretrained import load_test_weights, origin_of_test_weights
from pet.projects import changedet, landcover, target_extraction
from pet.segmentation.model import Segmenter
from petlib.checkpoint.checkpointer import Checkpointer
from petlib.config import CfgNode, ConfigError, TaskConfig, load_cfg, read_layers
from petlib.config.layers import Entry, Layer
from petlib.distributed.process_group import choose_device
from petlib.engine.hook import Hook
from petlib.errors import name_in_errors
from petlib.suggest import did_you_mean

logger = logging.getLogger(__name__)


class Runs(Protocol):
    """What a project does with a config, see :mod:`pet.segmentation`."""

    def build_model(self, cfg: CfgNode) -> Segmenter:
        """Return the model with random weights."""

    def train(
        self, cfg: CfgNode, *, train_dataset: Dataset | None = None, test_dataset: Dataset | None = None, hooks: Sequence[Hook] = ()
    ) -> None:
        """Train."""

    def test(self, cfg: CfgNode, *, test_dataset: Dataset | None = None, folder: Path | None = None) -> dict[str, float]:
        """Return the metrics."""


class MMSegTrainer:
    """A preset of a project, and what is changed in it.

    Args:
        work_dir: folder of the run.
        config_name: a preset, see :meth:`list_config`; empty: that of ``default_config``.

    Attributes:
        default_config: the preset that is taken where none is named.
        cfg: the settings under the names of mmseg's configs; ``cfg.pet`` are Pet's own.

    Raises:
        ConfigError: there is no such preset.
    """

    project: ClassVar[str]
    task: ClassVar[TaskConfig]
    runs: ClassVar[Runs] = segmentation
    default_config: ClassVar[str]

    def __init__(self, work_dir: str | Path = "./workspace", config_name: str = "") -> None:
        begin_script()
        self._preset = find_preset(self.project, config_name or self.default_config)
        pet = self._read_preset()
        pet.set("MISC.CKPT", str(work_dir))
        # the batch of a preset is that of one device
        pet.set("TRAIN.BATCH_SIZE", pet.TRAIN.BATCH_SIZE * process_count())
        self._cfg = MMSegConfig(pet)
        self._datasets: dict[str, list[NonGeoDataset]] = {part: [] for part in PARTS}
        self._classes: list[str] | None = None

    @property
    def cfg(self) -> MMSegConfig:
        """The settings, to be read and changed until the run begins."""
        return self._cfg

    @classmethod
    def list_config(cls) -> list[str]:
        """Return the names of the presets."""
        return list_presets(cls.project)

    @property
    def num_images(self) -> int:
        """Images of a sample that the network takes: 2 for pairs of dates."""
        count: int = self._cfg.pet.DATA.NUM_IMAGES
        return count

    def load_from(self, pretrained_model: str | Path | PretrainedModel) -> None:
        """Begin the training with the weights of a file; those that do not fit, such as a head of other classes, are random."""
        path = pretrained_model.local_path if isinstance(pretrained_model, PretrainedModel) else pretrained_model
        self._cfg.load_from = str(path)

    def settings(self, classes: Sequence[str], changes: dict[str, Any] | None = None) -> CfgNode:
        """Return the frozen config of a run.

        Args:
            classes: names of the classes, which decide on the size of the head too.
            changes: further keys of Pet and their values.

        Raises:
            ConfigError: settings are wrong or do not go together.
        """
        preset = self._read_preset()
        default = preset.flat()
        own = {key: value for key, value in self._cfg.pet.flat().items() if key not in default or value != default[key]}
        preset.merge_layers([Layer(source=f"{PLACE}.pet", entries=[Entry(key, value, "") for key, value in own.items()])])
        # the data come from the program
        given = {"TRAIN.DATASETS": [], "TEST.DATASETS": [], "DATA.CATALOG": {}, "DATA.CLASSES": list(classes), "MODEL.NUM_CLASSES": 0}
        if "MODEL.NUM_CLASSES" in own:
            del given["MODEL.NUM_CLASSES"]
        if self._lacks_half_precision():
            given["SOLVER.AMP.ENABLED"] = False
        values = {**own, **given, **(changes or {})}
        return load_cfg(self.task, self._preset, [f"{key}={value!r}" for key, value in values.items()])

    def set_classes(self, classes_list: Sequence[str]) -> None:
        """Name the classes in the order of their labels; without it they are those of the first data set."""
        self._classes = list(classes_list)

    def setup_datasets(self, datasets: NonGeoDataset | Sequence[NonGeoDataset], data_type: str = "train") -> None:
        """Add data sets to learn from, or with ``data_type`` ``val`` or ``test`` to measure on.

        Raises:
            ConfigError: ``data_type`` is something else.
            DataError: something is no data set, or has another number of images than the network takes.
        """
        if data_type not in PARTS:
            raise ConfigError(f"setup_datasets: data_type: {data_type!r} given, one of {', '.join(PARTS)} expected")
        given = [datasets] if isinstance(datasets, NonGeoDataset) else list(datasets)
        for dataset in given:
            check_dataset(dataset, "setup_datasets", type(self).__name__, self.num_images)
        self._datasets[data_type] += given

    def train(self, validate: bool = True, distributed: bool | None = None, *, hooks: Sequence[Hook] = ()) -> None:
        """Train on the data of :meth:`setup_datasets`; what comes out lies in ``work_dir``.

        A run that was interrupted there is continued, and one that is finished stays as it is.

        Args:
            validate: evaluate on the validation data where there are any, and keep the best model.
            distributed: whether there are several processes; None: whatever there are.
            hooks: of one's own, see :class:`petlib.engine.Hook`.

        Raises:
            ConfigError: settings are wrong, or the classes do not fit.
            DataError: there are no training data, or they do not fit.
        """
        if distributed is not None and distributed != (process_count() > 1):
            raise ConfigError(f"train: distributed: {distributed} given, but the number of processes is {process_count()}; leave it out")
        self.train_on(self._data, validate=validate, hooks=hooks)

    def test(self, checkpoint: str | Path | None = None, output_dir: str | Path | None = None) -> dict[str, float]:
        """Measure a trained model on the test data, or where there are none on the validation data; return the metrics.

        Args:
            checkpoint: a file; ``latest.pth`` of ``work_dir`` is the latest; None: the best model of the run, else the latest.
            output_dir: folder of the results, with the label images in ``semseg``; None: ``work_dir/test``.

        Raises:
            CheckpointError: there is no such model, or it does not fit.
            ConfigError: settings are wrong, or the classes do not fit.
            DataError: there are no data, or they do not fit.
        """
        return self.test_on(self._data, checkpoint, output_dir)

    def export_onnx(
        self,
        output_file: str | Path | None = None,
        checkpoint_path: str | Path | None = None,
        shape: Sequence[int] | None = None,
        *,
        dynamic: bool = False,
    ) -> Path | None:
        """Write a trained model as ONNX after onnxruntime gave what PyTorch gives, and return the file; only the first process does it.

        Args:
            output_file: the file; None: ``model.onnx`` in the folder of the run.
            checkpoint_path: as ``checkpoint`` in :meth:`test`.
            shape: height and width of the images, pixels; None: those of the preset.
            dynamic: take batches and images of any size.

        Raises:
            CheckpointError: there is no such model, or it does not fit.
            ConfigError: a package is missing (``pip install 'pet-vision[export]'``), or the results differ.
        """
        return self.export_for(self._data, output_file, checkpoint_path, shape, dynamic=dynamic)

    @property
    def _data(self) -> TrainerData:
        return TrainerData(self._datasets, self._classes, type(self).__name__, 'call setup_datasets(dataset, data_type="{part}") before')

    def train_on(self, data: TrainerData, *, validate: bool, hooks: Sequence[Hook]) -> None:
        """Train on the data of a job; see :meth:`train`."""
        cfg = self.settings(data.class_names)
        train_dataset = data.required("train", purpose="training")
        val_dataset = data.joined("val") if validate else None
        self._start_log(cfg, "train")
        if val_dataset is None:
            reason = "there are no validation data" if validate else "validate is False"
            logger.info("%s: the model is not evaluated while it is trained, and there is no model_best.pth", reason)
        if cfg.TRAIN.AUTO_RESUME and Checkpointer(cfg.MISC.CKPT).can_resume():
            logger.info(
                "%s holds a run, which is continued up to iteration %d; a new one needs another work_dir, or %s.auto_resume = False",
                *(cfg.MISC.CKPT, cfg.SOLVER.SCHEDULER.TOTAL_ITERS, PLACE),
            )
        with name_in_errors(_words(cfg)):
            self.runs.train(cfg, train_dataset=train_dataset, test_dataset=val_dataset, hooks=hooks)

    def test_on(self, data: TrainerData, checkpoint: str | Path | None, output_dir: str | Path | None) -> dict[str, float]:
        """Measure the trained model on the data of a job; see :meth:`test`."""
        cfg = self.settings(data.class_names, _weights(checkpoint))
        dataset = data.required("test", "val", purpose="test")
        self._start_log(cfg, "test")
        with name_in_errors(_words(cfg)):
            return self.runs.test(cfg, test_dataset=dataset, folder=None if output_dir is None else Path(output_dir))

    def export_for(
        self,
        data: TrainerData,
        output_file: str | Path | None,
        checkpoint_path: str | Path | None,
        shape: Sequence[int] | None,
        *,
        dynamic: bool,
    ) -> Path | None:
        """Write the trained model of a job; see :meth:`export_onnx`."""
        changes = {"EXPORT.DYNAMIC": dynamic, **({} if shape is None else {"EXPORT.SIZE": list(shape)}), **_weights(checkpoint_path)}
        cfg = self.settings(data.class_names, changes)
        if os.environ.get("RANK", "0") != "0":
            return None
        self._start_log(cfg, "export")
        with name_in_errors(_words(cfg)):
            model = self.runs.build_model(cfg)
            names = load_test_weights(model, cfg)
            file = Path(cfg.MISC.CKPT) / "model.onnx" if output_file is None else Path(output_file)
            report = segmentation.TASK.export(cfg, model, file, names=names, origin=origin_of_test_weights(cfg))
        logger.info("%s", report.summary())
        return report.path

    def _read_preset(self) -> CfgNode:
        cfg = self.task.get_base_cfg()
        cfg.merge_layers(read_layers(self._preset))
        return cfg

    def _lacks_half_precision(self) -> bool:
        precision = self._cfg.pet.SOLVER.AMP
        return precision.ENABLED is True and precision.DTYPE == "fp16" and choose_device(self._cfg.pet.MISC.DEVICE).type == "cpu"

    def _start_log(self, cfg: CfgNode, purpose: str) -> None:
        start_log(cfg.MISC.CKPT, purpose)
        logger.info("%s of %s, with these settings:\n%s", self._preset.stem, self.project, cfg.dump().rstrip())
        if self._lacks_half_precision() and purpose == "train":
            logger.info("fp16 is off: it needs a GPU, and this run is on the CPU")


def _weights(checkpoint: str | Path | None) -> dict[str, Any]:
    """Return which weights are tested; a file that mmcv calls ``latest.pth`` is the latest of a run."""
    if checkpoint is None:
        return {}
    latest = Path(checkpoint).with_name(LATEST)
    is_mmcvs = Path(checkpoint).name == "latest.pth" and not Path(checkpoint).exists() and latest.exists()
    return {"TEST.WEIGHTS": str(latest if is_mmcvs else checkpoint)}


def _words(cfg: CfgNode) -> dict[str, str]:
    """Return Pet's keys -> what a user of a trainer calls them, for messages."""
    return {
        **{key: f"{PLACE}.pet.{key}" for key in cfg.flat()},
        **{key: f"{PLACE}.{name}" for key, name in words_of(TABLE).items()},
        "DATA.CLASSES": "classes",
    }


class LandcoverTrainer(MMSegTrainer):
    """Land cover: a class for each pixel."""

    project: ClassVar[str] = "landcover"
    task: ClassVar[TaskConfig] = landcover.config
    runs: ClassVar[Runs] = landcover
    default_config: ClassVar[str] = "fcn_hr18_1024x1024_16k_landcover"


class ChangeDetTrainer(MMSegTrainer):
    """Change detection in pairs of dates."""

    project: ClassVar[str] = "changedet"
    task: ClassVar[TaskConfig] = changedet.config
    default_config: ClassVar[str] = "hrnet_w18_base_150k_new512_cosine_lr_batch_48"


class TargetExtractionTrainer(MMSegTrainer):
    """Target extraction: one kind of object against the rest."""

    project: ClassVar[str] = "target_extraction"
    task: ClassVar[TaskConfig] = target_extraction.config
    default_config: ClassVar[str] = "fcn_hr18_1024x1024_40k4_bceious1w1.0"


SUFFIX = ".yaml"


def list_presets(project: str) -> list[str]:
    """Return the names of the presets of a project, sorted."""
    return sorted(path.stem for path in _folder(project).glob(f"*{SUFFIX}"))


def find_preset(project: str, name: str) -> Path:
    """Return the file of a preset.

    Raises:
        ConfigError: there is none of that name.
    """
    names = list_presets(project)
    if name not in names:
        raise ConfigError(
            f"config_name: there is no preset {name!r} for {project}{did_you_mean(name, names)}; there are {', '.join(names)}"
        )
    return _folder(project) / f"{name}{SUFFIX}"


def _folder(project: str) -> Path:
    return Path(str(resources.files("pet.projects"))) / project / "presets"
