"""A training as a class: its trainer, its data, and what is done with them."""

import abc
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from pet.compat.aiearth.datasets.non_geo import NonGeoDataset
from pet.compat.aiearth.trainer.mmseg.data import PARTS, TrainerData
from pet.compat.aiearth.trainer.mmseg.trainers import MMSegTrainer
from pet.compat.shared.running import begin_script
from petlib.engine.hook import Hook
from petlib.errors import ConfigError


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

    def run(self, validate: bool = True, *, hooks: Sequence[Hook] = ()) -> None:
        """Train, as :meth:`train` does."""
        self.train(validate, hooks=hooks)

    def train(self, validate: bool = True, *, hooks: Sequence[Hook] = ()) -> None:
        """Train; see :meth:`pet.compat.aiearth.trainer.mmseg.MMSegTrainer.train`."""
        trainer = self._prepare()
        trainer.train_on(self._data, validate=validate, hooks=hooks)

    def test(self, checkpoint: str | Path | None = None, output_dir: str | Path | None = None) -> dict[str, float]:
        """Measure the trained model; see :meth:`pet.compat.aiearth.trainer.mmseg.MMSegTrainer.test`."""
        trainer = self._prepare()
        return trainer.test_on(self._data, checkpoint, output_dir)

    def export_onnx(
        self,
        output_file: str | Path | None = None,
        shape: Sequence[int] | None = None,
        dynamic: bool = False,
        checkpoint_path: str | Path | None = None,
    ) -> Path | None:
        """Write the trained model as ONNX; see :meth:`pet.compat.aiearth.trainer.mmseg.MMSegTrainer.export_onnx`."""
        trainer = self._prepare()
        return trainer.export_for(self._data, output_file, checkpoint_path, shape, dynamic=dynamic)

    def check(self) -> None:
        """Check everything that a training needs, and write nothing.

        Raises:
            UserError: settings, classes or data are wrong, or there are no training data.
        """
        trainer = self._prepare()
        trainer.settings(self._data.class_names)
        self._data.required("train", purpose="training")

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, in the order of their labels."""
        self._prepare()
        return self._data.class_names

    @property
    def has_test_data(self) -> bool:
        """Whether there is anything that :meth:`test` could measure on."""
        self._prepare()
        return any(self._data.joined(part) is not None for part in ("test", "val"))

    @property
    def _data(self) -> TrainerData:
        advice = 'append a data set to self.datasets["{part}"] in set_datasets'
        return TrainerData(self.datasets, self.classes, type(self).__name__, advice)

    def _prepare(self) -> MMSegTrainer:
        """Call the methods of the user once, and check what they gave."""
        begin_script()
        trainer = self.trainer
        self._fill_datasets()
        self._data.check(type(trainer).__name__, trainer.num_images)
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
