"""Images and videos in two stages: a detector finds the objects, and the network looks at each of them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pet.data.objects import DETECTOR, ObjectBoxes, ObjectCrops
from pet.data.targets.dataset import Dataset, DatasetInfo
from pet.data.targets.kinds import find_kind
from pet.data.targets.left_right import swap_from_names
from pet.data.targets.names import Names
from pet.exporting.runtime import OnnxModel, find_onnx_weights
from pet.models.instance.crop_places import CropPlaces
from pet.models.instance.heads import HEADS
from pet.models.pretrained import load_test_weights
from pet.prediction.build import find_names
from pet.prediction.output import Predictions
from pet.prediction.predictors.samples import build_model_samples, build_onnx_samples
from pet.prediction.run import FilePredictor
from pet.prediction.whole_images import SamplePredictor, WholeImages
from pet.task import PACKAGE, find_task
from pet.tasks.instance.config import SWITCHES
from pet.tasks.instance.data import expected_data
from pet.tasks.instance.export import OUTPUTS, QUALITIES
from pet.tasks.instance.model import SWAPS, MirroredViews, build_model, keypoint_origin
from pet.typed import InstanceConfig
from petlib.config import ConfigError, load_cfg
from petlib.data.protocols import Dataset as Samples
from petlib.data.protocols import Sample
from petlib.engine.model import prepare_model
from petlib.launch.start.task_folder import find_task_folder

IMAGES_AT_ONCE = 32


class SomeImages(Dataset):
    """Some images of a data set that says nothing of itself, with which of what is found is left and right.

    Args:
        images: the data set.
        start: the first image.
        stop: the one behind the last.
        sides: entries that ``meta`` gets.
    """

    info = DatasetInfo(frozenset())

    def __init__(self, images: Samples, start: int, stop: int, sides: dict[str, Any]) -> None:
        self._images, self._start, self._stop, self._sides = images, start, stop, sides

    def __len__(self) -> int:
        return self._stop - self._start

    def __getitem__(self, index: int) -> Sample:
        sample = self._images[self._start + index]
        return {**sample, "meta": {**sample["meta"], **self._sides}}


class Detector:
    """A detector whose boxes are looked at.

    Args:
        predictor: the detector.
        labels: its classes -> those of the network that looks at them; None: its class is left out.
        least: score from which a box is looked at.
    """

    def __init__(self, predictor: SamplePredictor, labels: dict[int, int | None], *, least: float) -> None:
        self._predictor = predictor
        self._labels = labels
        self._least = least

    def find(self, images: Samples) -> tuple[list[dict[str, Any]], ObjectBoxes]:
        """Return ``meta`` of each image, and the boxes in all of them."""
        metas: list[dict[str, Any]] = []
        rows: list[tuple[int, np.ndarray, int, float]] = []
        for place, (meta, found) in enumerate(self._predictor.predict(images)):
            metas.append(meta)
            for box, score, label in zip(found["boxes"], found["scores"], found["labels"], strict=True):
                own = self._labels.get(int(label), int(label))
                if score >= self._least and own is not None and (box[2:] > box[:2]).all():
                    rows.append((place, box, own, float(score)))
        boxes = ObjectBoxes(
            images=np.array([row[0] for row in rows], np.int64),
            places=np.full(len(rows), -1),
            boxes=np.array([row[1] for row in rows], np.float32).reshape(-1, 4),
            labels=np.array([row[2] for row in rows], np.int64),
            scores=np.array([row[3] for row in rows], np.float32),
        )
        return metas, boxes


class TwoStages:
    """A detector and a network of single objects behind it; a :class:`pet.prediction.SamplePredictor`.

    Args:
        detector: finds the objects.
        objects: looks at them, a network or an exported file.
        sides: entries of ``meta`` that say which keypoints and parts change places in a mirrored crop.
    """

    def __init__(self, detector: Detector, objects: SamplePredictor, sides: dict[str, Any]) -> None:
        self.batch_size = objects.batch_size
        self._detector = detector
        self._objects = objects
        self._sides = sides

    def predict(self, dataset: Samples) -> Iterator[tuple[dict[str, Any], Predictions]]:
        """Yield ``meta`` and the objects of each image, in their order, in the coordinates of its file."""
        for start in range(0, len(dataset), IMAGES_AT_ONCE):
            images = SomeImages(dataset, start, min(start + IMAGES_AT_ONCE, len(dataset)), self._sides)
            metas, boxes = self._detector.find(images)
            found: dict[int, list[Predictions]] = {}
            if len(boxes.images):
                for meta, prediction in self._objects.predict(ObjectCrops(images, boxes, boxes_from=DETECTOR)):
                    found.setdefault(int(meta["image"]), []).append(prediction)
            for place, meta in enumerate(metas):
                yield meta, _join(found.get(place, []))


class WholeImageObjects:
    """The network on images each of which is one object; a :class:`pet.prediction.SamplePredictor`.

    Args:
        objects: the network.
        sides: see :class:`TwoStages`.
    """

    def __init__(self, objects: SamplePredictor, sides: dict[str, Any]) -> None:
        self.batch_size = objects.batch_size
        self._objects = objects
        self._sides = sides

    def predict(self, dataset: Samples) -> Iterator[tuple[dict[str, Any], Predictions]]:
        """Yield ``meta`` and the object of each image, in their order, in the coordinates of its file."""
        yield from self._objects.predict(SomeImages(dataset, 0, len(dataset), self._sides))


def _join(objects: Sequence[Predictions]) -> Predictions:
    """Return the predictions of an image from those of its objects."""
    if not objects:
        return {"boxes": np.zeros((0, 4), np.float32), "scores": np.zeros(0, np.float32), "labels": np.zeros(0, np.int64)}
    return {name: np.concatenate([one[name] for one in objects]) for name in objects[0]}


def build_predictor(cfg: InstanceConfig, device: torch.device, *, window: int = 0) -> FilePredictor:
    """Return the network of ``TEST.WEIGHTS``, or the exported file that it names, behind the detector of ``TEST.DETECTOR``.

    Args:
        cfg: the config.
        device: where both run; an exported file runs on the CPU.
        window: has to be 0.

    Raises:
        CheckpointError: weights are missing or do not fit.
        ConfigError: a window is given, a file was exported from a network with other heads, or the detector finds no boxes.
    """
    if window:
        raise ConfigError(f"build_predictor.window: {window} given, but this network looks at objects; leave it out")
    kinds = expected_data(cfg).kinds
    exported = find_onnx_weights(cfg)
    objects, trained = _build_network(cfg, device) if exported is None else _build_exported(cfg, exported)
    names = find_names(cfg, kinds, trained)
    sides = {entry: swap_from_names(trained[kind]) for kind, entry in SWAPS.items() if kind in trained}
    if not cfg.TEST.DETECTOR.CFG:
        return WholeImages(WholeImageObjects(objects, sides), names)
    return WholeImages(TwoStages(_build_detector(cfg, device, trained, names.classes), objects, sides), names)


def _build_network(cfg: InstanceConfig, device: torch.device) -> tuple[SamplePredictor, Names]:
    """Return the network with its weights, and what its numbers mean."""
    model = build_model(cfg)
    trained = load_test_weights(model, cfg)
    prepared = prepare_model(model, cfg, device)
    views = MirroredViews(model) if cfg.TEST.VIEWS.FLIP else prepared
    return build_model_samples(cfg, views, device, expected_data(cfg).kinds), trained


def _build_exported(cfg: InstanceConfig, exported: OnnxModel) -> tuple[SamplePredictor, Names]:
    """Return an exported network, and what its numbers mean."""
    samples = build_onnx_samples(cfg, exported, place=partial(place_exported, origin=keypoint_origin(cfg)))
    given = samples.description.outputs or exported.outputs
    expected = [OUTPUTS[name] for name, switch in zip(OUTPUTS, SWITCHES, strict=True) if cfg.MODEL[switch]]
    if missing := [name for name in expected if name not in given]:
        raise ConfigError(
            f"TEST.WEIGHTS: {exported.path} gives {', '.join(given)}, but not {', '.join(missing)}, which this config finds; give the "
            "config that it was exported with"
        )
    return samples, samples.description.names


def place_exported(outputs: Mapping[str, Tensor], meta: Mapping[str, Any], size: tuple[int, int], *, origin: float) -> Mapping[str, Tensor]:
    """Return what an exported network gave for a crop of ``size`` as the network itself gives it, in the coordinates of the file.

    Args:
        outputs: as :class:`pet.tasks.instance.export.CropOutputs` names them, of a batch whose first crop counts.
        meta: of the crop.
        size: height and width of the crop.
        origin: see :class:`pet.models.instance.crop_places.CropPlaces`.
    """
    places = CropPlaces(size, [meta], torch.device("cpu"), origin=origin)
    found: dict[str, Tensor] = {}
    for name, head in HEADS.items():
        if OUTPUTS[name] in outputs:
            quality = outputs.get(QUALITIES[name])
            found |= head.found(outputs[OUTPUTS[name]][:1].float(), None if quality is None else quality[:1], places.crops)
    (prediction,) = places.to_file(found)
    return prediction


def _build_detector(cfg: InstanceConfig, device: torch.device, trained: Names, classes: Sequence[str]) -> Detector:
    settings = cfg.TEST.DETECTOR
    path = Path(settings.CFG)
    overrides = [f"TEST.WEIGHTS={settings.WEIGHTS}"] if settings.WEIGHTS else []
    own = load_cfg(find_task_folder(path, PACKAGE).config, path, overrides)
    detector = find_task(path).build_predictor(own, device)
    kinds = find_task(path).expected_data(own).kinds
    if not isinstance(detector, WholeImages) or not any(find_kind(kind).objects for kind in kinds):
        raise ConfigError(f"TEST.DETECTOR.CFG: {path} given, but its model finds no boxes; name the config of a detector")
    found = list(detector.names.classes)
    labels: dict[int, int | None] = {}
    if found and classes and trained:
        labels = {label: list(classes).index(name) if name in classes else None for label, name in enumerate(found)}
        if all(label is None for label in labels.values()):
            raise ConfigError(
                f"TEST.DETECTOR.CFG: {path} given, but it finds {', '.join(found)}, and the network was trained on {', '.join(classes)}; "
                "name a detector of these"
            )
    return Detector(detector.predictor, labels, least=settings.SCORE)
