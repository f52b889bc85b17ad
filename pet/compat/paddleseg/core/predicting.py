"""Predictions of image files with a network of the PaddleSeg layer."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torch import nn

from pet.compat.paddleseg.core.evaluating import SEED, build_loader
from pet.compat.paddleseg.models.networks import load_trained
from pet.compat.paddleseg.pipeline import TRUTH, build_pipeline
from pet.compat.paddleseg.samples import OpenedData
from pet.compat.paddleseg.segmenter import build_evaluated
from pet.compat.paddleseg.transforms import Compose
from pet.compat.paddleseg.views import read_views
from pet.compat.shared.running import begin_script
from pet.compat.shared.translation import process_count
from pet.data.files.images import read_image
from pet.data.targets.dataset import IGNORE
from pet.prediction.writers.pictures import write_picture
from pet.segmentation.model import Segmenter
from pet.visual.palette import class_colours
from petlib.data.build import LoaderSettings
from petlib.data.loading import LOADER_TIMEOUT
from petlib.data.protocols import Sample
from petlib.distributed.process_group import choose_device
from petlib.errors import ConfigError
from petlib.files import temporary_path

BLENDED, LABELS = "added_prediction", "pseudo_color_prediction"
"""Folders of the results, as PaddleSeg calls them."""

IMAGE_SHARE = 0.6
"""How much of the image a blended picture keeps."""


def predict(  # noqa: PLR0917 -- PaddleSeg's order
    model: nn.Module,
    model_path: str | Path | None,
    transforms: Compose | Sequence[Any],
    image_list: Sequence[str | Path],
    image_dir: str | Path | None = None,
    save_dir: str | Path = "output",
    aug_pred: bool = False,
    scales: float | Sequence[float] = 1.0,
    flip_horizontal: bool = True,
    flip_vertical: bool = False,
    is_slide: bool = False,
    stride: Sequence[int] | None = None,
    crop_size: Sequence[int] | None = None,
    custom_color: Sequence[int] | None = None,
) -> None:
    """Write what a network sees in images, each over the pixels of its file.

    ``save_dir/pseudo_color_prediction/NAME.png`` has the label of each pixel, with a palette, ``save_dir/added_prediction/NAME`` the image
    with the colours of the labels. Processes that torchrun starts share the images.

    Args:
        model: as for :func:`pet.compat.paddleseg.core.evaluate`.
        model_path: its weights, exactly those of this network; None: as they are.
        transforms: of the evaluation. A transform of the user is called with a label of zeros.
        image_list: the files.
        image_dir: a folder that they lie below; results keep the folders in it.
        save_dir: folder of the results.
        aug_pred: take the mean of several views of each image.
        scales: sizes of the views, as factors.
        flip_horizontal: views are looked at mirrored too.
        flip_vertical: not to be had.
        is_slide, stride, crop_size: look through overlapping windows, squares of (width, height), that lie so far apart at most.
        custom_color: red, green, blue of the labels from 0 on, one after another; None: Pet's colours, the label 0 black.

    Raises:
        ConfigError: an argument is wrong.
        CheckpointError: the weights cannot be used.
        DataError: an image cannot be read.
    """
    places = _places([Path(path) for path in image_list], image_dir)
    views = read_views(
        "predict",
        augment=aug_pred,
        scales=scales,
        flip_horizontal=flip_horizontal,
        flip_vertical=flip_vertical,
        is_slide=is_slide,
        stride=stride,
        crop_size=crop_size,
    )
    if model_path is not None:
        load_trained(model, model_path)
    segmenter = build_evaluated(model, views=views)
    was_training = model.training
    try:
        _write_all(segmenter, transforms, places, Path(save_dir), _colours(custom_color))
    finally:
        model.train(was_training)


def _write_all(
    segmenter: Segmenter, transforms: Compose | Sequence[Any], places: dict[Path, Path], folder: Path, colours: np.ndarray
) -> None:
    rank, count = int(os.environ.get("RANK", "0")), process_count()
    files = list(places)[rank::count]
    if not files:
        return
    device = choose_device("auto")
    pipeline = build_pipeline(transforms, num_classes=IGNORE)
    images = ImageFiles(files, in_bgr=isinstance(transforms, Compose) and not transforms.to_rgb)
    data = OpenedData(images, pipeline.transforms, pipeline.draws_globally, pipeline.normalize, IGNORE, [])
    loader = build_loader(LoaderSettings(batch_size=1, num_workers=0, timeout=LOADER_TIMEOUT, seed=SEED), data, device)
    segmenter = segmenter.to(device).eval()
    for path, batch in zip(files, loader, strict=True):
        with torch.inference_mode():
            labels = segmenter(batch)[0]["semseg"].cpu().numpy()
        _write(folder, places[path], read_image(path), labels, colours)


def _write(folder: Path, place: Path, image: np.ndarray, labels: np.ndarray, colours: np.ndarray) -> None:
    label_file, picture = folder / LABELS / place.with_suffix(".png"), folder / BLENDED / place
    for file in (label_file, picture):
        file.parent.mkdir(parents=True, exist_ok=True)
    drawn = Image.fromarray(labels)
    drawn.putpalette(colours.tobytes())
    with temporary_path(label_file) as temporary:
        drawn.save(temporary, format="PNG")
    write_picture(picture, cv2.addWeighted(image, IMAGE_SHARE, colours[labels], 1.0 - IMAGE_SHARE, 0.0))


class ImageFiles:
    """Images without labels as samples of an evaluation.

    Args:
        files: the images.
        in_bgr: give blue first.
    """

    def __init__(self, files: Sequence[Path], *, in_bgr: bool) -> None:
        self._files = files
        self._in_bgr = in_bgr

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        image = read_image(self._files[index])
        image = np.ascontiguousarray(image[..., ::-1]) if self._in_bgr else image
        size = image.shape[:2]
        return {"image": image, TRUTH: np.zeros(size, np.uint8), "meta": {"id": index, "size": size, "file": str(self._files[index])}}


def _places(files: Sequence[Path], image_dir: str | Path | None) -> dict[Path, Path]:
    """Return where below the folders of the results each file goes."""
    begin_script()
    if image_dir is not None and (outside := [path for path in files if not path.is_relative_to(image_dir)]):
        raise ConfigError(f"predict: image_dir: {image_dir} given, but {outside[0]} is not below it")
    places = {path: Path(path.name) if image_dir is None else path.relative_to(image_dir) for path in files}
    twice = [place for place, count in Counter(place.with_suffix("") for place in places.values()).items() if count > 1]
    if twice:
        advice = "give image_dir, and results keep the folders" if image_dir is None else "their results would have one name"
        raise ConfigError(f"predict: image_list: several files are called {twice[0]}; {advice}")
    return places


def _colours(custom: Sequence[int] | None) -> np.ndarray:
    """Return the colours of the labels, uint8 (256, 3)."""
    colours = np.zeros((256, 3), np.uint8)
    colours[1:] = class_colours(255)
    if custom is not None:
        if not custom or len(custom) % 3 or len(custom) > colours.size or not all(0 <= value <= 255 for value in custom):
            raise ConfigError(f"predict: custom_color: {len(custom)} numbers given; red, green and blue of each label, 0 to 255, expected")
        colours[: len(custom) // 3] = np.reshape(custom, (-1, 3))
    return colours
