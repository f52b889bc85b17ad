"""Data sets by PaddleSeg's arguments."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pet.compat.paddleseg.pipeline import Pipeline, build_pipeline
from pet.compat.paddleseg.transforms import Compose
from pet.compat.shared.absent import refuse_absent
from pet.compat.shared.running import begin_script
from pet.data.catalog.source import Reading
from pet.data.datasets.label_list import LabelList
from pet.data.files.allowed_paths import Reach
from pet.data.files.images import silence_opencv
from pet.data.targets.dataset import IGNORE
from petlib.data.seeding import generator_of_global_state
from petlib.errors import ConfigError

ABSENT = {
    name: "make a list of its images and label images and give it to Dataset(transforms, dataset_root, num_classes, train_path=...); "
    f"a config of Pet reads it by itself{by}"
    for name, by in {
        "OpticDiscSeg": "",
        "Cityscapes": " (type label_list of DATA.CATALOG)",
        "PascalVOC": " (type voc of DATA.CATALOG)",
        "ADE20K": " (type ade20k of DATA.CATALOG)",
        "CocoStuff": "",
        "PascalContext": "",
        "SUPERVISELY": "",
        "MiniDeepGlobeRoadExtraction": "",
    }.items()
}
__getattr__ = refuse_absent(__name__, ABSENT)

MODES = ("train", "val", "test")
CHANNELS = 3


class Dataset:
    """Images and label images that a list file names, one pair in a line: ``img/1.jpg gt/1.png``.

    ``len(dataset)``, ``dataset[i]`` and loops give ``(image, label)``: float32 (3, H, W) and uint8 (H, W), with all transforms
    applied, their random numbers drawn from the global generators. :func:`pet.compat.paddleseg.core.train` and ``evaluate`` read the
    files with random numbers of their own. Transforms treat labels in every mode; see :mod:`pet.compat.paddleseg.pipeline` for what
    transforms of the user get.

    Args:
        transforms: of :mod:`pet.compat.paddleseg.transforms` and of the user, in order, a list or a ``Compose``, whose ``to_rgb`` is True.
        dataset_root: folder that the paths in the list start from.
        num_classes: number of classes with the background.
        mode: which of the lists is read: ``train``, ``val`` or ``test``.
        train_path: list file of ``train``, a path of its own.
        val_path: list file of ``val``.
        test_path: list file of ``test``; its lines have labels too.
        separator: what separates the fields of a line.
        ignore_index: label of pixels that do not count, after the transforms. It becomes 255, and 255 never counts.
        allow_outside: the paths in the list may lead out of ``dataset_root``; not PaddleSeg's.

    Raises:
        ConfigError: an argument is wrong, or there is no list for the mode.
        DataError: the list is missing, empty, or a line is wrong (with its number).

    Attributes:
        files: images and raw labels, before all transforms.
    """

    def __init__(  # noqa: PLR0917 -- PaddleSeg's order
        self,
        transforms: Sequence[Any] | Compose,
        dataset_root: str | Path,
        num_classes: int,
        mode: str = "train",
        train_path: str | Path | None = None,
        val_path: str | Path | None = None,
        test_path: str | Path | None = None,
        separator: str = " ",
        ignore_index: int = IGNORE,
        *,
        allow_outside: bool = False,
    ) -> None:
        begin_script()
        if mode not in MODES:
            raise ConfigError(f"Dataset: mode: {mode!r} given, one of {', '.join(MODES)} expected")
        if not 1 <= num_classes <= IGNORE:
            raise ConfigError(f"Dataset: num_classes: {num_classes} given, 1 to {IGNORE} expected")
        path = {"train": train_path, "val": val_path, "test": test_path}[mode]
        if path is None:
            raise ConfigError(f"Dataset: {mode}_path: nothing given; mode {mode!r} needs its list file, lines like img/1.jpg gt/1.png")
        silence_opencv()
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.mode = mode
        self._pipeline = build_pipeline(transforms, num_classes=num_classes, ignore_index=ignore_index)
        self.files = LabelList(
            path=Path(path),
            root=Path(dataset_root),
            separator=separator,
            classes=[str(number) for number in range(num_classes)],
            reading=Reading(raw_labels=True),
            channels=CHANNELS,
            reach=Reach(anywhere=allow_outside),
        )

    @property
    def pipeline(self) -> Pipeline:
        """What is done to the files' images and labels."""
        return self._pipeline

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rng = generator_of_global_state()
        sample = self._pipeline.transforms(self.files[index], rng)
        if self._pipeline.normalize is not None:
            sample = self._pipeline.normalize(sample, rng)
        return np.ascontiguousarray(sample["image"].transpose(2, 0, 1)), sample["semseg"]
