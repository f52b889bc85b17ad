"""A training as a class: its trainer, its data, and what is done with them."""

import abc
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pet.compat.aiearth.datasets.non_geo import NonGeoDataset
from pet.compat.aiearth.trainer.mmseg.trainers import MMSegTrainer
from pet.compat.shared.running import begin_script
from pet.data.loading.joined import JoinedDataset
from pet.data.targets.dataset import Dataset
from petlib.config import CfgNode
from petlib.errors import ConfigError, DataError
from petlib.suggest import did_you_mean

PARTS = ("train", "val", "test")


class TrainJob(abc.ABC):
    """A training. A subclass says ``work_dir`` and ``classes`` and has the methods ``set_trainer`` and ``set_datasets``.

    Everything is checked before a file is written. With ``torchrun`` the same script runs in several processes.

    Attributes:
        work_dir: folder of the run, for ``set_trainer``; what comes out lies where the trainer says.
        classes: names of the classes in the order of their labels; None: those of the first data set.
    """

    work_dir: str = "./work_dir"
    classes: Sequence[str] | None = None

    @cached_property
    def datasets(self) -> dict[str, list[NonGeoDataset]]:
        """The data of this job: lists under ``train``, ``val`` and ``test``, to which ``set_datasets`` appends."""
        return {part: [] for part in PARTS}

    @cached_property
    def trainer(self) -> MMSegTrainer:
        """What ``set_trainer`` returned; it is called once.

        Raises:
            ConfigError: that is no trainer.
        """
        trainer = self.set_trainer()
        if not isinstance(trainer, MMSegTrainer):
            raise ConfigError(f"{type(self).__name__}.set_trainer: {trainer!r} returned, a trainer expected, e.g. LandcoverTrainer(...)")
        return trainer

    @abc.abstractmethod
    def set_trainer(self) -> MMSegTrainer:
        """Return the trainer."""

    @abc.abstractmethod
    def set_datasets(self) -> None:
        """Append data sets to ``self.datasets["train"]``, ``["val"]`` and ``["test"]``; only ``train`` has to have one."""

    def run(self) -> None:
        """Train, as :meth:`train` does."""
        self.train()

    def train(self) -> None:
        """Train, evaluating the validation data and keeping the best model; what comes out lies in the trainer's ``work_dir``.

        A run that was interrupted there is continued, and one that is finished stays as it is.

        Raises:
            ConfigError: settings are wrong, or the classes do not fit.
            DataError: there are no training data, or they do not fit.
        """
        trainer = self._prepare()
        cfg = trainer.settings(self._class_names)
        train, val = self._joined("train"), self._joined("val")
        if train is None:
            raise DataError(
                f'{type(self).__name__}: there are no training data; append a data set to self.datasets["train"] in set_datasets'
            )
        trainer.train(cfg, train, val)

    def test(self, checkpoint: str | Path | None = None) -> dict[str, float]:
        """Measure the trained model on the test data, or where there are none on the validation data; return the metrics.

        Args:
            checkpoint: a file; None: the best model of the run, or where there is none the latest.

        Raises:
            CheckpointError: there is no such model, or it does not fit.
            ConfigError: settings are wrong, or the classes do not fit.
            DataError: there are no data, or they do not fit.
        """
        trainer = self._prepare()
        cfg = trainer.settings(self._class_names, _weights(checkpoint))
        data = self._joined("test" if self.datasets.get("test") else "val")
        if data is None:
            raise DataError(f'{type(self).__name__}: there are no test data; append a data set to self.datasets["test"] or ["val"]')
        return trainer.test(cfg, data)

    def export_onnx(
        self,
        path: str | Path | None = None,
        shape: Sequence[int] | None = None,
        dynamic: bool = False,
        checkpoint: str | Path | None = None,
    ) -> Path | None:
        """Write the trained model as ONNX after onnxruntime gave what PyTorch gives, and return the file; only the first process does it.

        Args:
            path: the file; None: ``model.onnx`` in the folder of the run.
            shape: height and width of the images, pixels; None: those of the preset.
            dynamic: take batches and images of any size.
            checkpoint: as in :meth:`test`.

        Raises:
            CheckpointError: there is no such model, or it does not fit.
            ConfigError: a package is missing (``pip install 'pet-vision[export]'``), or the results differ.
        """
        trainer = self._prepare()
        changes = {"EXPORT.DYNAMIC": dynamic, **({} if shape is None else {"EXPORT.SIZE": list(shape)}), **_weights(checkpoint)}
        cfg: CfgNode = trainer.settings(self._class_names, changes)
        return trainer.export_onnx(cfg, path) if os.environ.get("RANK", "0") == "0" else None

    def _prepare(self) -> MMSegTrainer:
        """Call the methods of the user once, and check what they gave."""
        begin_script()
        trainer = self.trainer
        self._fill_datasets()
        unknown = [part for part in self.datasets if part not in PARTS]
        if unknown:
            raise ConfigError(f"{type(self).__name__}.datasets: unknown part {unknown[0]!r}{did_you_mean(unknown[0], PARTS)}")
        for part in PARTS:
            for dataset in self.datasets.get(part, []):
                self._check(dataset, part, trainer)
        return trainer

    def _fill_datasets(self) -> None:
        if self.__dict__.get("_is_filled"):
            return
        before = {part: list(datasets) for part, datasets in self.datasets.items()}
        try:
            self.set_datasets()
        except BaseException:
            # a second try, as in a notebook, begins where the first one did
            self.datasets = before
            raise
        self.__dict__["_is_filled"] = True

    def _check(self, dataset: Any, part: str, trainer: MMSegTrainer) -> None:
        place = f'{type(self).__name__}.datasets["{part}"]'
        if not isinstance(dataset, NonGeoDataset):
            raise DataError(
                f"{place}: {dataset!r} given, a data set of pet.compat.aiearth.datasets or pet.compat.aiearth.cloud.datasets expected"
            )
        if dataset.num_images != trainer.num_images:
            kinds = {1: "single images", 2: "pairs of dates"}
            wanted = f"{type(trainer).__name__} learns from {kinds[trainer.num_images]}"
            raise DataError(f"{place}: {dataset.name} has {kinds[dataset.num_images]}, but {wanted}")

    @property
    def _class_names(self) -> list[str]:
        if self.classes is not None:
            return list(self.classes)
        first = next((dataset for part in PARTS for dataset in self.datasets.get(part, [])), None)
        if first is None:
            raise DataError(f"{type(self).__name__}: neither classes nor data are given; set classes, and append data sets in set_datasets")
        return first.classes

    def _joined(self, part: str) -> Dataset | None:
        """Return the data of a part as one data set; None: there are none."""
        datasets = self.datasets.get(part, [])
        samples = [dataset.samples(self._class_names) for dataset in datasets]
        if len(samples) > 1:
            return JoinedDataset([dataset.name for dataset in datasets], samples, ("semseg",))
        return samples[0] if samples else None


def _weights(checkpoint: str | Path | None) -> dict[str, Any]:
    return {} if checkpoint is None else {"TEST.WEIGHTS": str(checkpoint)}
