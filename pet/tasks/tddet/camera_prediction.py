"""Prediction of image files by a detector of one camera: the image with boxes in space, next to these from above, and a record."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pet.data.datasets.kitti import CALIBRATIONS
from pet.data.files.images import read_image
from pet.data.files.kitti_text import read_camera
from pet.data.targets.drawing import draw_predictions
from pet.models.detection3d.camera_head import Sightings
from pet.prediction.build import build_whole_images
from pet.prediction.inputs import FileInput, ImageSource
from pet.prediction.output import Output, Predictions
from pet.prediction.whole_images import UNREADABLE, ImageFiles, SamplePredictor, WholeImages, check_readable
from pet.prediction.writers.pictures import write_picture
from pet.prediction.writers.records import FoundInImage, describe_boxes3d
from pet.structures.boxes3d import Boxes3D
from pet.structures.calibration import Calibration
from pet.tasks.tddet.camera import build_camera_detector
from pet.tasks.tddet.camera_export import OUTPUTS
from pet.tasks.tddet.prediction import side_by_side
from pet.typed import TddetConfig
from pet.visual.birds_eye import BirdsEyeView
from pet.visual.names import TargetNames
from petlib.data.protocols import Dataset
from petlib.errors import DataError
from petlib.files import write_text_atomically

KINDS = ("boxes3d",)

Place = Callable[[Sightings, Sequence[Mapping[str, Any]]], list[dict[str, Tensor]]]
"""See :meth:`pet.tasks.tddet.camera.CameraDetector.place`."""


class CalibratedFiles:
    """Images with the camera of each: the one that is given, or that of KITTI's folder ``calib`` next to that of the image.

    An image without one becomes a sample whose ``meta`` says what is missing, so that the others go on.

    Args:
        images: samples with a ``meta`` that has their ``file``.
        camera: of all images; None: each has its own.
    """

    def __init__(self, images: Dataset, camera: Calibration | None) -> None:
        self._images, self._camera = images, camera

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = self._images[index]
        meta = {"frame3d": "camera", "calibration": self._camera or Calibration.of_lidar_alone(), **sample["meta"]}
        if self._camera is None and UNREADABLE not in meta:
            file = Path(meta["file"])
            place = file.parent.parent / CALIBRATIONS / f"{file.stem}.txt"
            try:
                meta["calibration"] = read_camera(place)
            except DataError as error:
                meta[UNREADABLE] = f"{file}: its camera is not known: {error}; name a file with P2 (build_camera_predictor.calibration)"
        return {**sample, "meta": meta}


class CameraSamples:
    """A model of images, which sees them with their cameras; a :class:`pet.prediction.SamplePredictor`.

    Args:
        predictor: the model, or an exported file, which gives ``views3d`` in place of boxes.
        camera: see :class:`CalibratedFiles`.
        place: makes boxes of views.

    Attributes:
        metas: what was known of the images of the last call, by their files.
    """

    def __init__(self, predictor: SamplePredictor, camera: Calibration | None, place: Place) -> None:
        self.batch_size = predictor.batch_size
        self.metas: dict[str, dict[str, Any]] = {}
        self._predictor, self._camera, self._place = predictor, camera, place

    def predict(self, dataset: Dataset) -> Iterator[tuple[dict[str, Any], Predictions]]:
        """Yield ``meta`` and the boxes of each sample, in their order, before the camera of its image."""
        self.metas = {}
        for meta, predictions in self._predictor.predict(CalibratedFiles(dataset, self._camera)):
            self.metas[str(meta["file"])] = meta
            yield meta, self._placed(predictions, meta) if "views3d" in predictions else predictions

    def _placed(self, predictions: Predictions, meta: Mapping[str, Any]) -> Predictions:
        views = {name: torch.from_numpy(value) for name, value in predictions.items()}
        return {name: value.numpy() for name, value in place_exported(self._place, views, meta).items()}


def place_exported(place: Place, outputs: Mapping[str, Tensor], meta: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the boxes of ``views3d``, ``scores3d`` and ``labels3d``, which an exported file gives for an image.

    Args:
        place: see :data:`Place`.
        outputs: of the file.
        meta: of the image, with the matrix to what the file saw.
    """
    (found,) = place(Sightings(*(outputs[name][None] for name in OUTPUTS)), [meta])
    return found


class CameraImages(WholeImages):
    """Writes ``<name>.jpg``, the image with boxes next to the same boxes from above, and ``<name>.json``: boxes in the frame ``camera``.

    Args:
        predictor: the model.
        names: of the classes.
    """

    def __init__(self, predictor: CameraSamples, names: TargetNames) -> None:
        super().__init__(predictor, names)
        self._samples = predictor

    def predict_videos(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Leave videos out."""
        for entry in inputs:
            output.leave_out(f"{entry.paths[0]}: a video; boxes in space are found in images, so take its frames")

    def predict_in_memory(self, inputs: Sequence[Sequence[ImageSource]]) -> Iterator[Predictions]:
        """Yield the boxes in images, in the frame ``camera``; ``meta`` goes along for pictures."""
        for meta, predictions in self.predictor.predict(ImageFiles([image for (image,) in inputs])):
            check_readable(meta)
            # pixels of the file, whatever the network saw of it
            with_meta: dict[str, Any] = {**predictions, "meta": {**meta, "matrix": np.eye(3)}}
            yield with_meta

    def write(self, path: Path, target: Path, predictions: Predictions, output: Output) -> None:
        """Write the results of an image."""
        kept = predictions["scores3d"] >= output.drawing.score_threshold
        shown: dict[str, Any] = {**{name: values[kept] for name, values in predictions.items()}, "meta": self._samples.metas[str(path)]}
        written = [target.with_name(f"{target.name}{suffix}") for suffix in (".jpg", ".json")]
        write_picture(written[0], self._picture(read_image(path), shown, output))
        size = int(shown["meta"]["size"][0]), int(shown["meta"]["size"][1])
        record = {"file": str(path), "frame": "camera", **describe_boxes3d(FoundInImage(predictions, size, self.names))}
        write_text_atomically(written[1], json.dumps(record, ensure_ascii=False))
        output.count(predictions, self.names)
        output.summary.images += 1
        output.summary.written += written

    def _picture(self, image: np.ndarray, shown: dict[str, Any], output: Output) -> np.ndarray:
        # pixels of the file, whatever the network saw of it
        meta = {**shown["meta"], "matrix": np.eye(3)}
        in_image: dict[str, Any] = {**shown, "meta": meta}
        left = draw_predictions(image, in_image, self.names, output.drawing._replace(legend=False))
        boxes = Boxes3D(shown["boxes3d"], "camera").to_lidar(meta["calibration"])
        from_above: dict[str, Any] = {**shown, "boxes3d": boxes.values, "meta": {**meta, "frame3d": "lidar"}}
        right = draw_predictions(BirdsEyeView().draw_points(np.zeros((0, 3))), from_above, self.names, output.drawing)
        return side_by_side(left, right)


def build_camera_predictor(cfg: TddetConfig, device: torch.device, *, window: int = 0) -> CameraImages:
    """Return a model with the weights of ``TEST.WEIGHTS``, or the exported file that it names, ready to predict images.

    Raises:
        CheckpointError: the weights are missing or do not fit.
        ConfigError: a window is given.
        DataError: ``TEST.CALIBRATION`` cannot be read.
    """
    camera = read_camera(Path(cfg.TEST.CALIBRATION)) if cfg.TEST.CALIBRATION else None
    model = build_camera_detector(cfg)
    whole = build_whole_images(cfg, device, lambda: model, KINDS, window=window)
    return CameraImages(CameraSamples(whole.predictor, camera, model.place), whole.names)
