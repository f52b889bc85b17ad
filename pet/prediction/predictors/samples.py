"""From samples to predictions, by a model of PyTorch or an exported file."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pet.data.loading.batch_transforms import predict_by_size
from pet.data.loading.build import TEST_TRANSFORMS, build_sample_transforms, build_test_loader
from pet.data.targets.kinds import kinds_in, to_original
from pet.data.targets.pixel_types import EIGHT_BITS
from pet.data.transforms.geometry import Resize
from pet.data.transforms.normalize import scale_and_shift
from pet.exporting.description import ModelDescription
from pet.exporting.runtime import ExportedFile
from pet.exporting.samples import fitting_size, pad_to
from pet.models.segmentation.pixels import labels_of, to_file
from pet.prediction.output import Predictions
from pet.prediction.predictors.pixels import to_probabilities
from pet.typed import PetConfig
from petlib.data.protocols import Batch, Dataset, Sample, SampleKey, SampleTransform
from petlib.data.reader import SampleReader
from petlib.errors import CheckpointError, DataError
from petlib.solver.precision import build_mixed_precision

LOGITS, CLASS_SCORES, EMBEDDING = "logits", "class_scores", "embedding"
Place = Callable[[Mapping[str, Tensor], Mapping[str, Any], tuple[int, int]], Mapping[str, Any]]
"""From the outputs of a file, ``meta`` of the sample and (height, width) of what the file saw to predictions in its image."""

OF_AN_IMAGE = (CLASS_SCORES, EMBEDDING, "count", "density", "density_cell", "dots", "dot_scores")
"""Outputs of a file whose first axis is the batch."""


class ModelSamples:
    """A model and how images are prepared for it; a :class:`pet.prediction.SamplePredictor`.

    Args:
        model: ``model(batch)`` gives a dictionary of predictions for each sample; it is put into evaluation.
        load: gives the batches of a data set, prepared as for a test.
        batch_size: samples of a batch.
        autocast: gives the context of each forward pass, for mixed precision.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        load: Callable[[Dataset], Iterable[Batch]],
        batch_size: int,
        autocast: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.batch_size = batch_size
        self._model = model.eval()
        self._load = load
        self._autocast = autocast

    def predict(self, dataset: Dataset) -> Iterator[tuple[dict[str, Any], Predictions]]:
        """Yield ``meta`` and the predictions of each sample, in their order, in the coordinates of its image."""
        for batch in self._load(dataset):
            with torch.inference_mode(), self._autocast():
                predictions = predict_by_size(self._model, batch)
            for meta, prediction in zip(batch["meta"], predictions, strict=True):
                yield meta, {name: _as_array(value) for name, value in prediction.items() if isinstance(value, Tensor | np.ndarray)}


class OnnxSamples:
    """An exported classifier, detector or segmentation network; a :class:`pet.prediction.SamplePredictor`.

    Args:
        model: the file; its description says what the outputs are: ``logits`` of the image, (1, K), or of its pixels, (1, K, H, W);
            ``boxes``, ``scores``, ``labels`` and further fields of the objects.
        transforms: what is done to a sample before normalisation; a file of a fixed size gets images of that, resized, or padded where
            it takes their size too.
        seed: of random transforms.
        place: what becomes of the outputs; None: as they are called.
        exact_size: refuse images that do not have the size of the file after the transforms, instead of resizing them.

    A file that takes a batch of several gets the image as often.

    Raises:
        CheckpointError: the file has no description, or takes something else than one kind of images.
    """

    batch_size = 1

    def __init__(
        self, model: ExportedFile, *, transforms: SampleTransform, seed: int, place: Place | None = None, exact_size: bool = False
    ) -> None:
        self.description = ModelDescription.from_metadata(model.metadata, name=str(model.path))
        self._input, *further = model.inputs
        shape = model.inputs[self._input]
        # detectors of a fixed size take that of the image without padding too
        self._size_input = further[0] if further and model.inputs[further[0]] == (2,) else ""
        if len(shape) not in (4, 5) or len(further) > bool(self._size_input):
            raise CheckpointError(
                f"{model.path}: one input (B, C, H, W), or (B, C, T, H, W), expected, {model.inputs} found; export a network of one "
                "image or clip"
            )
        self._batch = shape[0] if isinstance(shape[0], int) else 1
        height, width = shape[-2:]
        self._canvas = (height, width) if isinstance(height, int) and isinstance(width, int) else None
        self._model = model
        self._transforms = transforms
        self._seed = seed
        self._place = place or self._placed
        self._exact_size = exact_size
        self._scale, self._shift = scale_and_shift(self.description.mean, self.description.std, self.description.maximum or EIGHT_BITS)

    def predict(self, dataset: Dataset) -> Iterator[tuple[dict[str, Any], Predictions]]:
        """Yield ``meta`` and the predictions of each sample, in their order, in the coordinates of its image.

        Raises:
            DataError: an image has another size than the file takes, and must not be resized.
        """
        reader = SampleReader(dataset, self._transforms, seed=self._seed)
        for place in range(len(dataset)):
            (sample,) = reader.read([SampleKey(0, place, place)])
            fitted = self._fitted(sample)
            yield fitted["meta"], self._predict(fitted)

    def predict_sample(self, sample: Sample) -> Predictions:
        """Return what the file finds in a sample after the transforms, in the coordinates of its image.

        Raises:
            DataError: the image has another size than the file takes, and must not be resized.
        """
        return self._predict(self._fitted(sample))

    def _fitted(self, sample: Sample) -> Sample:
        """Return a sample in the size of the file, with the matrix of that."""
        if self._canvas is None:
            return sample
        given = sample[kinds_in(sample).pixels[0].name].shape[-3:-1]
        if self._exact_size and given != self._canvas:
            raise DataError(self._wrong_size(sample["meta"], given, self._canvas))
        size = fitting_size(given, self._canvas) if self._size_input else self._canvas
        return Resize(size=size)(sample, np.random.default_rng(self._seed))

    def _predict(self, sample: Sample) -> Predictions:
        images = kinds_in(sample).pixels[0].name
        names = self.description.outputs or self._model.outputs
        outputs = dict(zip(names, self._model(self._arrays(sample[images])), strict=True))
        tensors = {name: torch.from_numpy(value) for name, value in outputs.items()}
        found = self._place(tensors, sample["meta"], sample[images].shape[-3:-1])
        return {name: _as_array(value) for name, value in found.items()}

    def _wrong_size(self, meta: Mapping[str, Any], given: tuple[int, int], expected: tuple[int, int]) -> str:
        return (
            f"{meta.get('file', 'an image')}: {given[0]} x {given[1]} (height x width) after the transforms of a test, but "
            f"{self._model.path} takes {expected[0]} x {expected[1]}, and a distorted image has another embedding; end the transforms "
            "with CenterCrop, or export a network that takes any size"
        )

    def _arrays(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Return the inputs of the file for an image (H, W, C) or a clip (T, H, W, C)."""
        pixels = image if self.description.normalizes else image * self._scale + self._shift
        sizes = {}
        if self._size_input and self._canvas is not None:
            pixels, sizes = pad_to(pixels, self._canvas), {self._size_input: np.array(image.shape[:2])}
        planes = np.ascontiguousarray(np.moveaxis(pixels, -1, 0)[None], dtype=self._model.dtypes[self._input])
        return {self._input: np.repeat(planes, self._batch, axis=0) if self._batch > 1 else planes, **sizes}

    def _placed(self, outputs: Mapping[str, Tensor], meta: Mapping[str, Any], size: tuple[int, int]) -> Mapping[str, Any]:
        """Return the outputs of an image in the coordinates of its file."""
        found: dict[str, Any] = {name: value for name, value in outputs.items() if name != LOGITS}
        found |= {name: found[name][0] for name in OF_AN_IMAGE if name in found}
        if "dot_scores" in found:
            # as many as were counted, the most probable ones
            chosen = found["dot_scores"].topk(int(found["count"])).indices
            found |= {name: found[name][chosen] for name in ("dots", "dot_scores")}
        if LOGITS in outputs:
            logits = outputs[LOGITS][0].float()
            found |= {LOGITS: logits} if logits.ndim == 1 else {"semseg": self._labels(logits, meta)}
        (placed,) = to_original([found], [dict(meta)])
        return placed

    def _labels(self, logits: Tensor, meta: Mapping[str, Any]) -> Tensor:
        probabilities = to_probabilities(to_file(logits, tuple(meta["size"]), meta.get("matrix"))[None])[0]
        return labels_of(probabilities, threshold=self.description.threshold, class_axis=0)


def _as_array(value: Tensor | np.ndarray) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    array: np.ndarray = (value.float() if value.is_floating_point() else value).cpu().numpy()
    return array


def build_model_samples(
    cfg: PetConfig, model: nn.Module, device: torch.device, kinds: Sequence[str], *, batch_size: int | None = None
) -> ModelSamples:
    """Return a model with trained weights, prepared as for a test.

    Args:
        cfg: the config.
        model: on ``device``.
        device: where batches go.
        kinds: the kinds of targets that it predicts.
        batch_size: images of a batch; None: ``TEST.IMS_PER_GPU``. 1 where images of any shape come and are not padded.
    """
    return ModelSamples(
        model=model,
        load=lambda dataset: build_test_loader(cfg, dataset, device, kinds, batch_size=batch_size),
        batch_size=cfg.TEST.IMS_PER_GPU if batch_size is None else batch_size,
        autocast=build_mixed_precision(cfg, device).autocast,
    )


def build_onnx_samples(cfg: PetConfig, model: ExportedFile, *, place: Place | None = None, exact_size: bool = False) -> OnnxSamples:
    """Return an exported file that sees images after ``TEST.TRANSFORMS``; ``place`` and ``exact_size`` as in :class:`OnnxSamples`.

    Raises:
        CheckpointError: the file has no description, or takes something else than one kind of images.
        ConfigError: a transform is wrong.
    """
    transforms, _ = build_sample_transforms(cfg.TEST.TRANSFORMS, cfg.TEST.RESIZE.SCALES, [], place=TEST_TRANSFORMS)
    return OnnxSamples(model, transforms=transforms, seed=cfg.MISC.SEED, place=place, exact_size=exact_size)
