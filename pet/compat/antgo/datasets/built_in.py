"""What the built-in data sets have in common."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pet.compat.antgo.dataflow.dataset.dataset import Dataset
from pet.data.targets import dataset as data_sets
from petlib.data.protocols import Sample
from petlib.errors import ConfigError, DataError
from petlib.suggest import did_you_mean

FIELDS = {
    "image": "image",
    "semseg": "segments",
    "boxes": "bboxes",
    "labels": "labels",
    "keypoints": "joints2d",
    "label": "label",
}
"""Field of Pet's samples -> antgo's."""


WORDS = {"Source.classes": "ext_params.classes"}
"""Settings of Pet's data sets in messages -> what they are called here."""


class BuiltIn(Dataset):
    """A data set of Pet in antgo's words. It checks what it is given; what :meth:`read` gives is renamed by :data:`FIELDS`.

    Args:
        train_or_test: the part of the data.
        dir: where the files are.
        ext_params: further settings.

    Attributes:
        params: the settings that there are, each with its default.
        layout: what lies in ``dir``, for messages.
        folder: ``dir`` as a path.
        data: the data set of Pet.

    Raises:
        ConfigError: there is no ``dir``, or an unknown setting.
        DataError: the folder is missing.
    """

    params: Mapping[str, Any] = {}
    layout: str = ""
    data: data_sets.Dataset

    def __init__(self, train_or_test: str = "train", dir: str | None = None, ext_params: Mapping[str, Any] | None = None) -> None:  # noqa: A002 -- antgo's name
        super().__init__(train_or_test, dir, ext_params)
        name = type(self).__name__
        if not dir:
            raise ConfigError(f"{name}: dir: {dir!r} given; a folder with {self.layout} expected")
        for key in self.ext_params:
            if key not in self.params:
                takes = ", ".join(self.params) or "nothing"
                raise ConfigError(f"{name}: ext_params: unknown entry {key!r}{did_you_mean(key, self.params)} (it takes {takes})")
        self.ext_params = {**self.params, **self.ext_params}
        self.folder = Path(dir)
        if not self.folder.is_dir():
            raise self.absent(self.folder)

    def sample(self, id: int) -> dict[str, Any]:  # noqa: A002 -- antgo's name
        """Return the fields of sample ``id``, and ``image_meta`` with ``image_file`` and ``image_shape`` (height, width) of the file."""
        sample = self.read(id)
        height, width = sample["image"].shape[:2]
        named = {FIELDS.get(name, name): value for name, value in sample.items() if name != "meta"}
        return {**named, "image_meta": {"image_file": sample["meta"]["file"], "image_shape": (height, width)}}

    @property
    def size(self) -> int:
        """Number of images."""
        return len(self.data)

    @property
    def classes(self) -> list[str]:
        """Names of the classes in the order of their labels."""
        info = self.data.info
        return list(info.classes or info.semseg_classes)

    def read(self, index: int) -> Sample:
        """Return a sample in Pet's words."""
        return self.data[index]

    def absent(self, path: Path) -> DataError:
        """Return the error that says what is missing and what to put where."""
        return DataError(f"{path}: there is no such folder; {type(self).__name__} needs dir to be a folder with {self.layout}")

    def choice(self, key: str, values: Mapping[str, str]) -> str:
        """Return what a setting of ``ext_params`` means.

        Raises:
            ConfigError: it is none of ``values``.
        """
        given = self.ext_params[key]
        if given not in values:
            raise ConfigError(
                f"{type(self).__name__}: ext_params.{key}: {given!r} given, one of {', '.join(values)} expected"
                f"{did_you_mean(str(given), values)}"
            )
        return values[given]

    def part(self, parts: Collection[str]) -> str:
        """Return ``train_or_test``.

        Raises:
            ConfigError: it is none of ``parts``.
        """
        if self.train_or_test not in parts:
            raise ConfigError(
                f"{type(self).__name__}: train_or_test: {self.train_or_test!r} given, one of {', '.join(parts)} expected"
                f"{did_you_mean(str(self.train_or_test), parts)}"
            )
        return self.train_or_test

    def class_names(self) -> list[str] | None:
        """Return ``ext_params.classes``; None where it is not given.

        Raises:
            ConfigError: it is no list of names.
        """
        classes = self.ext_params["classes"]
        if classes is None:
            return None
        if not isinstance(classes, list | tuple) or not classes or not all(isinstance(name, str) for name in classes):
            raise ConfigError(f"{type(self).__name__}: ext_params.classes: {classes!r} given; a list of names expected")
        return list(classes)
