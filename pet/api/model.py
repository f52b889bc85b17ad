"""A trained model in a program: predictions of images in memory, files and videos."""

import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, overload

import numpy as np
from PIL import Image as PilImage

from pet import exporting, models
from pet.api.prediction import Prediction
from pet.api.runs import Source, as_path, evaluate_run, export_run, load_run_config, settings_of
from pet.data.files.videos import VIDEO_SUFFIXES
from pet.data.loading.build import prepare_readers
from pet.data.targets.kinds import find_kind
from pet.prediction.inputs import ImageSource
from pet.prediction.run import InMemoryPredictor
from pet.prediction.videos import Video
from pet.prediction.whole_clips import WholeClips
from pet.visual.names import TargetNames
from petlib.config import keys_in_errors
from petlib.distributed.process_group import choose_device
from petlib.errors import ConfigError, DataError, name_in_errors
from petlib.registry import import_user_modules
from petlib.suggest import counted


class HasArrayInterface(Protocol):
    """What numpy makes an array of, such as an image of PIL."""

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """Shape, type and memory."""


Image = np.ndarray | str | Path | HasArrayInterface
"""An image: uint8 (H, W, 3) in RGB, (H, W) in grey, a file, or an image of PIL."""

MODES_OF_COLOURS = ("1", "L", "LA", "La", "P", "PA", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
"""Of images of PIL that are seen as RGB."""
KEPT_TYPES, READ_AS_FLOATS = ("uint8", "uint16", "float32"), ("int16", "float16", "float64")
"""Types of arrays, as files have them too."""
MOST_COLOURS = 4

FRAMES_AT_ONCE = 8

logger = logging.getLogger(__name__)
NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})


class Model:
    """A trained model, ready to predict; :func:`load` makes one. Predictions may be asked for by several threads.

    Args:
        source: the folder of the run that trained it, or its weights; see :func:`load`.
        device: ``auto``, ``cpu`` or ``cuda``.
        settings: keys of the config -> values that replace those of the run.

    Attributes:
        cfg: its settings.
    """

    def __init__(self, source: Source, *, device: str = "auto", settings: Mapping[str, Any] = NO_SETTINGS) -> None:
        self._source = source
        self._settings = dict(settings)
        # one image at a time is read faster without another process
        own = {"MISC.DEVICE": device, "TEST.NUM_WORKERS": 0, **self._settings}
        self._task, self.cfg = load_run_config(source, own)
        import_user_modules(self.cfg.MISC.IMPORTS)
        with keys_in_errors(self.cfg):
            prepare_readers(self.cfg)
            predictor = self._task.build_predictor(self.cfg, choose_device(self.cfg.MISC.DEVICE))
        if not isinstance(predictor, InMemoryPredictor):
            raise ConfigError(f"{source.path}: {type(predictor).__name__}, which its task predicts with, has no predict_in_memory")
        self._predictor = predictor
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"pet.load({str(self._source.path)!r})"

    @property
    def names(self) -> TargetNames:
        """What the numbers of its predictions mean."""
        return self._predictor.names

    @property
    def licence(self) -> str:
        """That of the weights which its training, or the first one of a chain, began with, in small letters, e.g. ``apache-2.0``.

        Empty where it began with random weights; ``unknown`` where it is not recorded.
        """
        exported = exporting.find_onnx_weights(self.cfg)
        if exported is not None:
            return exporting.ModelDescription.from_metadata(exported.metadata, name=str(exported.path)).licence
        return models.origin_of_test_weights(self.cfg).licence

    @overload
    def predict(self, image: Image, image2: Image | None = None) -> Prediction: ...

    @overload
    def predict(self, image: list[Any] | tuple[Any, ...], image2: Sequence[Any] | None = None) -> list[Prediction]: ...

    def predict(self, image: Any, image2: Any = None) -> Any:
        """Return what is found in an image, or in each of several.

        Args:
            image: an image, or a list of them, which are computed in batches of ``TEST.IMS_PER_GPU``. Of a video the frames make up the
                list; :meth:`predict_video` does not keep them in memory. A model of actions looks at a video file as a whole.
            image2: the later date of each image, for change detection.

        Raises:
            DataError: a file cannot be read, or an array is no image.
        """
        if isinstance(image, list | tuple):
            partners = list(image2) if image2 is not None else [None] * len(image)
            if len(partners) != len(image):
                raise DataError(f"Model.predict: {len(image)} images and {len(partners)} of the later date given, as many expected")
            return self._predict([self._pair(first, second) for first, second in zip(image, partners, strict=True)])
        if isinstance(image, str | Path) and _is_video(image) and not self._looks_at_clips:
            return list(self.predict_video(image))
        return self._predict([self._pair(image, image2)])[0]

    def predict_video(self, path: str | Path) -> Iterator[Prediction]:
        """Yield what is found in each frame of a video.

        Raises:
            DataError: the file cannot be read.
        """
        if self._looks_at_clips:
            raise ConfigError("Model.predict_video: this model looks at a video as a whole: call predict")
        number = 0
        for frames in Video(as_path(path, "Model.predict_video", "the path of a video")).chunks(FRAMES_AT_ONCE):
            yield from self._predict([(frame,) for frame in frames], source=f"{path}, frame {{}}", first=number)
            number += len(frames)

    def evaluate(self, **settings: Any) -> dict[str, float]:
        """Return the metrics on ``TEST.DATASETS``, as ``pet-test`` does; files go to the folder ``test`` of the run.

        Args:
            settings: keys of the config with ``__`` for each dot, e.g. ``TEST__DATASETS=["shapes_test"]``.
        """
        return evaluate_run(self._source, {**self._settings, **settings_of(settings, self.evaluate)})

    def export(self, path: str | Path, **settings: Any) -> Path:
        """Write the model as ``.onnx`` or ``.pt2``, compared with PyTorch, as ``pet-export`` does, and return the path.

        Args:
            path: the file.
            settings: keys of the config with ``__`` for each dot, e.g. ``EXPORT__DYNAMIC=True``.
        """
        return export_run(self._source, as_path(path, "path", "a file to write"), {**self._settings, **settings_of(settings, self.export)})

    @property
    def _looks_at_clips(self) -> bool:
        return isinstance(self._predictor, WholeClips)

    @property
    def _takes_any_image(self) -> bool:
        """Whether it may have learned from images of floats."""
        try:
            kinds = self._task.expected_data(self.cfg).kinds
        except ConfigError:
            # a task with data of its own
            return True
        return all(find_kind(kind).takes_any_image for kind in kinds)

    @property
    def _divides_by_255(self) -> bool:
        """Whether floats are divided by 255: the config normalizes, and says no other greatest value."""
        steps = [{"name": step} if isinstance(step, str) else step for step in self.cfg.TEST.TRANSFORMS]
        return any(step["name"] == "Normalize" and step.get("maximum") is None for step in steps)

    def _pair(self, image: Any, image2: Any) -> tuple[ImageSource, ...]:
        """Return an input of the model."""
        given = [image] if image2 is None else [image, image2]
        if len(given) != self._predictor.num_images:
            raise DataError(
                f"Model.predict: {counted(len(given), 'image')} given, the model takes {self._predictor.num_images} at once; see image2"
            )
        return tuple(self._in_range(_as_source(one)) for one in given)

    def _in_range(self, image: ImageSource) -> ImageSource:
        """Return an image whose floats, where it has some, are from 0 to 255, as networks expect them that see pixels divided by that.

        Networks of pixels also learn from files of floats, which may be from 0 to 1: there it is a warning.

        Raises:
            DataError: they are from 0 to 1.
        """
        if isinstance(image, np.ndarray) and image.dtype.kind == "f" and self._divides_by_255:
            least, greatest = float(image.min()), float(image.max())
            if least >= 0 and 0 < greatest <= 1:
                text = (
                    f"Model.predict: floats from {least:.3g} to {greatest:.3g} given, and the model divides them by 255, as in its "
                    "training; of pictures give (255 * image).astype(np.uint8)"
                )
                if not self._takes_any_image:
                    raise DataError(text)
                logger.warning(text)
        return image

    def _predict(self, inputs: Sequence[tuple[ImageSource, ...]], *, source: str = "", first: int = 0) -> list[Prediction]:
        with self._lock, keys_in_errors(self.cfg), name_in_errors({"predict_in_memory.inputs": "Model.predict"}):
            found = list(self._predictor.predict_in_memory(inputs))
        return [
            Prediction(self._predictor.picture_of(images), fields, self.names, source.format(first + place) or _file_of(images[0]))
            for place, (images, fields) in enumerate(zip(inputs, found, strict=True))
        ]


def load(source: str | Path, *, config: str | Path | None = None, device: str = "auto", **settings: Any) -> Model:
    """Return a trained model.

    Args:
        source: the folder of a training, e.g. ``ckpts/vision/shapes/fcos_R-18-FPN``, whose best checkpoint counts, else the latest; or a
            checkpoint or an exported ``.onnx`` file in such a folder; or a config file, for the folder that it names.
        config: where weights lie elsewhere, the folder of the training or its config, which says how images are prepared.
        device: ``auto``, ``cpu`` or ``cuda``; exported files run on the CPU.
        settings: keys of the config with ``__`` for each dot, e.g. ``TEST__SCORE_THRESHOLD=0.3``.

    Raises:
        CheckpointError: there are no weights, or they do not fit.
        ConfigError: there is no record of the run, or a key is wrong.
    """
    return Model(Source(source, config), device=device, settings=settings_of(settings, load))


def _is_video(path: str | Path) -> bool:
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def _file_of(image: ImageSource) -> str:
    return "" if isinstance(image, np.ndarray) else str(image)


def _as_source(image: Any) -> ImageSource:
    """Return a file, or an image as an array of three axes."""
    if isinstance(image, str | os.PathLike):
        return Path(image)
    if isinstance(image, PilImage.Image) and image.mode in MODES_OF_COLOURS:
        # an array of a palette has the numbers of its colours
        image = image.convert("RGB")
    array = np.asarray(image)
    if array.ndim == 2 and array.dtype == np.uint8:
        array = np.repeat(array[:, :, None], 3, axis=2)
    if array.ndim != 3 or 0 in array.shape or array.dtype.name not in (*KEPT_TYPES, *READ_AS_FLOATS):
        given = f"an array of {array.dtype} {array.shape}" if isinstance(image, np.ndarray) or array.ndim else type(image).__name__
        raise DataError(
            f"Model.predict: {given} given; uint8 (H, W, 3) in RGB expected, or (H, W) in grey, a path, or "
            "an image of PIL; for several images give a list"
        )
    if array.shape[0] <= MOST_COLOURS < min(array.shape[1:]):
        raise DataError(f"Model.predict: an array {array.shape} given, channels last expected, (H, W, 3): image.transpose(1, 2, 0)")
    if array.dtype.name in READ_AS_FLOATS:
        array = array.astype(np.float32)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(f"Model.predict: {(~np.isfinite(array)).sum():,} of {array.size:,} values are NaN or infinite; give numbers")
    return np.ascontiguousarray(array)
