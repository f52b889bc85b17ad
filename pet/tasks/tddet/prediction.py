"""Prediction of files of points: a picture from above, next to the image where there is one, and a record of each file."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from pet.data.datasets.kitti import CALIBRATIONS, IMAGE_SUFFIXES, IMAGES
from pet.data.files.images import image_size, read_image
from pet.data.files.kitti_text import read_calibration
from pet.data.files.point_files import read_points
from pet.data.loading.build import TEST_TRANSFORMS, build_sample_transforms
from pet.data.targets.drawing import draw_predictions
from pet.data.targets.kinds import kinds_in
from pet.exporting.description import ModelDescription
from pet.exporting.runtime import ExportedFile, find_onnx_weights
from pet.models.detection3d.boxes import Candidates, select_boxes
from pet.models.pretrained import load_test_weights
from pet.prediction.build import check_kinds, find_names
from pet.prediction.inputs import FileInput, ImageSource
from pet.prediction.output import Output, Predictions
from pet.prediction.predictors.samples import build_model_samples
from pet.prediction.whole_images import UNREADABLE, SamplePredictor, check_readable
from pet.prediction.writers.pictures import write_picture
from pet.prediction.writers.records import FoundInImage, describe_boxes3d
from pet.structures.boxes3d import Boxes3D
from pet.structures.calibration import Calibration
from pet.typed import TddetConfig
from pet.visual.names import TargetNames
from petlib.data.protocols import Dataset, SampleKey, SampleTransform
from petlib.data.reader import SampleReader
from petlib.engine.model import prepare_model
from petlib.errors import CheckpointError, DataError
from petlib.files import write_text_atomically

KINDS = ("boxes3d",)
PLACE_LESS = (0, 0)
"""Size of the image that points do not have."""


class PointFiles:
    """Files of points as samples. One that cannot be read becomes an empty frame whose ``meta`` says why, so that the others go on.

    A file in ``velodyne`` whose folder has ``calib`` and ``image_2`` next to it, as KITTI's, brings its calibration and its image.

    Args:
        paths: the files.
        channels: numbers of a point.
    """

    def __init__(self, paths: Sequence[Path], *, channels: int) -> None:
        self._paths, self._channels = list(paths), channels

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        path = self._paths[index]
        meta: dict[str, Any] = {"id": index, "file": str(path), "frame3d": "lidar", "calibration": Calibration.of_lidar_alone()}
        try:
            points = read_points(path, channels=self._channels)
            meta |= _camera_of(path)
        except DataError as error:
            points = np.zeros((0, self._channels), np.float32)
            meta[UNREADABLE] = str(error)
        return {"points": points, "meta": meta}


def _camera_of(path: Path) -> dict[str, Any]:
    """Return calibration, image and its size, where the folders next to that of the points have both."""
    place = path.parent.parent / CALIBRATIONS / f"{path.stem}.txt"
    images = (path.parent.parent / IMAGES / f"{path.stem}{suffix}" for suffix in IMAGE_SUFFIXES)
    image = next((found for found in images if found.is_file()), None)
    if image is None or not place.is_file():
        return {}
    return {"calibration": read_calibration(place), "image_file": str(image), "size": image_size(image)}


class WholePoints:
    """Writes ``<name>.jpg`` and ``<name>.json``, what was found in a file of points; a :class:`pet.prediction.FilePredictor`.

    Args:
        predictor: the model.
        names: of the classes.
        channels: numbers of a point.
    """

    num_images = 1

    def __init__(self, predictor: SamplePredictor, names: TargetNames, *, channels: int) -> None:
        self.names = names
        self._predictor, self._channels = predictor, channels

    def predict_images(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Write the results of files of points."""
        if not inputs:
            return
        files = PointFiles([entry.paths[0] for entry in inputs], channels=self._channels)
        for place, (entry, (meta, predictions)) in enumerate(zip(inputs, self._predictor.predict(files), strict=True)):
            if UNREADABLE in meta:
                output.leave_out(meta[UNREADABLE])
            else:
                with output.writing(entry.place) as target:
                    self._write(files[place], target, predictions, output)
            output.progress(1.0)

    def predict_videos(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Leave videos out, which have no points."""
        for entry in inputs:
            output.leave_out(f"{entry.paths[0]}: a video, and the model looks at points")

    def predict_in_memory(self, inputs: Sequence[Sequence[ImageSource]]) -> Iterator[Predictions]:
        """Yield the boxes in files of points, in the frame ``lidar``; ``meta`` goes along for pictures."""
        paths = []
        for (source,) in inputs:
            if isinstance(source, np.ndarray):
                raise DataError("predict_in_memory.inputs: an array given; this model looks at files of points: give their paths")
            paths.append(source)
        for meta, predictions in self._predictor.predict(PointFiles(paths, channels=self._channels)):
            check_readable(meta)
            with_meta: dict[str, Any] = {**predictions, "meta": meta}
            yield with_meta

    def picture_of(self, images: Sequence[ImageSource]) -> np.ndarray:
        """Return the points from above."""
        sample = PointFiles([Path(str(images[0]))], channels=self._channels)[0]
        kind = kinds_in(sample).pixels[0]
        return kind.picture(sample[kind.name])

    def _write(self, sample: dict[str, Any], target: Path, predictions: Predictions, output: Output) -> None:
        kept = predictions["scores3d"] >= output.drawing.score_threshold
        shown = {**{name: values[kept] for name, values in predictions.items()}, "meta": sample["meta"]}
        written = target.with_name(f"{target.name}.jpg"), target.with_name(f"{target.name}.json")
        write_picture(written[0], self._picture(sample, shown, output))
        found = describe_boxes3d(FoundInImage(predictions, PLACE_LESS, self.names))
        record = {"file": sample["meta"]["file"], "frame": "lidar", **found}
        write_text_atomically(written[1], json.dumps(record, ensure_ascii=False))
        output.count(predictions, self.names)
        output.summary.images += 1
        output.summary.written += written

    def _picture(self, sample: dict[str, Any], shown: dict[str, Any], output: Output) -> np.ndarray:
        """Return the points from above with the boxes, and to the left of them the image with the same boxes where there is one."""
        kind, meta = kinds_in(sample).pixels[0], sample["meta"]
        above = draw_predictions(kind.picture(sample[kind.name]), shown, self.names, output.drawing)
        if "image_file" not in meta:
            return above
        boxes = Boxes3D(shown["boxes3d"], "lidar").to_camera(meta["calibration"])
        in_camera = {**shown, "boxes3d": boxes.values, "meta": {**meta, "frame3d": "camera"}}
        drawing = output.drawing._replace(legend=False)
        image = draw_predictions(read_image(Path(meta["image_file"])), in_camera, self.names, drawing)
        return side_by_side(image, above)


def side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return two pictures next to each other, the lower one with black rows below it."""
    height = max(len(left), len(right))
    padded = [cv2.copyMakeBorder(one, 0, height - len(one), 0, 0, cv2.BORDER_CONSTANT) for one in (left, right)]
    return np.concatenate(padded, axis=1)


class OnnxPoints:
    """An exported detector of points; a :class:`pet.prediction.SamplePredictor`. Suppression follows outside of the file.

    Args:
        model: the file, from points (P, C) to boxes, scores and labels.
        transforms: what is done to a sample.
        seed: of random transforms.
        selection: see :func:`pet.models.detection3d.boxes.select_boxes`.

    Raises:
        CheckpointError: the file takes something else.
    """

    batch_size = 1

    def __init__(self, model: ExportedFile, *, transforms: SampleTransform, seed: int, selection: Mapping[str, Any]) -> None:
        self.description = ModelDescription.from_metadata(model.metadata, name=str(model.path))
        (self._input,) = list(model.inputs)[:1]
        if len(model.inputs) != 1 or len(model.inputs[self._input]) != 2:
            raise CheckpointError(f"{model.path}: one input of points (P, C) expected, {model.inputs} found; export a detector of points")
        self._model, self._transforms, self._seed, self._selection = model, transforms, seed, dict(selection)

    def predict(self, dataset: Dataset) -> Iterator[tuple[dict[str, Any], Predictions]]:
        """Yield ``meta`` and the predictions of each sample, in their order."""
        reader = SampleReader(dataset, self._transforms, seed=self._seed)
        for place in range(len(dataset)):
            (sample,) = reader.read([SampleKey(0, place, place)])
            yield sample["meta"], {name: value.numpy() for name, value in self.find(sample["points"]).items()}

    def find(self, points: np.ndarray) -> dict[str, Tensor]:
        """Return the boxes in a frame of points (P, C)."""
        outputs = self._model({self._input: points.astype(self._model.dtypes[self._input])})
        (found,) = select_boxes(Candidates(*(torch.from_numpy(output)[None] for output in outputs)), **self._selection)
        return found


class ExportedPoints(nn.Module):
    """An exported detector of points in the place of the one that was trained.

    Args:
        points: the file.
    """

    def __init__(self, points: OnnxPoints) -> None:
        super().__init__()
        self._points = points

    def forward(self, batch: dict[str, Any]) -> list[dict[str, Tensor]]:
        """Return the boxes in each frame of a batch."""
        return [self._points.find(frame.cpu().numpy()) for frame in batch["points"]]


def build_onnx_points(cfg: TddetConfig, file: ExportedFile) -> OnnxPoints:
    """Return an exported file that sees points after ``TEST.TRANSFORMS``.

    Raises:
        CheckpointError: the file takes something else.
    """
    transforms, _ = build_sample_transforms(cfg.TEST.TRANSFORMS, cfg.TEST.RESIZE.SCALES, [], place=TEST_TRANSFORMS)
    selection = {"min_score": cfg.TEST.SCORE_THRESHOLD, "max_overlap": cfg.TEST.NMS, "most": cfg.TEST.MAX_BOXES}
    return OnnxPoints(file, transforms=transforms, seed=cfg.MISC.SEED, selection=selection)


def build_predictor(cfg: TddetConfig, device: torch.device, build_model: Callable[[], nn.Module]) -> WholePoints:
    """Return a model with the weights of ``TEST.WEIGHTS``, or the exported file that it names, ready to predict files of points.

    Raises:
        CheckpointError: the weights are missing or do not fit.
    """
    predictor: SamplePredictor
    exported = find_onnx_weights(cfg)
    if exported is not None:
        predictor = onnx = build_onnx_points(cfg, exported)
        trained = onnx.description.names
        check_kinds(trained, KINDS)
    else:
        model = build_model()
        trained = load_test_weights(model, cfg)
        predictor = build_model_samples(cfg, prepare_model(model, cfg, device), device, KINDS)
    return WholePoints(predictor, find_names(cfg, KINDS, trained), channels=cfg.MODEL.POINT_CHANNELS)
