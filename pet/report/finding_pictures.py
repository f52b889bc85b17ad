"""Pictures of what is wrong with samples: each with its targets and the doubtful place marked, enlarged where that is small."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.report.display import side_by_side, title_of
from pet.data.report.readable import describe
from pet.data.targets.dataset import Dataset
from pet.data.targets.drawing import draw_targets
from pet.data.targets.observation import Box, Finding, SamplePlace
from pet.visual.canvas import Canvas, scale_to_fit
from pet.visual.encoding import encode_jpeg, jpeg_address
from pet.visual.names import TargetNames
from pet.visual.palette import Colour
from pet.visual.settings import DrawSettings

PICTURE = (280, 360)
"""Height and width that a picture fits into, pixels."""

MOST_SAMPLES = 2
"""Samples of one finding that are shown side by side."""

MARK: Colour = (255, 40, 40)
SMALL_SHARE = 0.25
"""An object whose longer edge is less of that of its image is shown enlarged too."""

ROOM = 1.0
"""Around an enlarged object, in its edges."""

LEAST_EDGE = 24.0
"""Pixels of the image that an enlarged picture shows at least."""

MOST_TEXT = 3_800_000
"""Characters of all pictures of a page; what comes later is shown without."""

Picture = dict[str, Any]
"""``title``, ``data``, ``width`` and ``height``, as a block of samples has them."""


class Illustrator:
    """Draws findings until a page has enough of them.

    Args:
        datasets: the data sets by name.
        settings: what is drawn.
    """

    def __init__(self, datasets: Mapping[str, Dataset], settings: DrawSettings) -> None:
        self._datasets, self._settings = datasets, settings
        self._left = MOST_TEXT

    def record(self, finding: Finding) -> dict[str, Any]:
        """Return a finding as a block of samples shows it."""
        record = {"name": Path(finding.place).name, "remark": describe(finding), "pictures": []}
        if self._left > 0:
            for picture in draw_finding(finding, self._datasets, self._settings):
                self.add(record, picture)
        return record

    def add(self, record: dict[str, Any], picture: Picture) -> None:
        """Show one more picture, where there is room for it."""
        if self._left > 0:
            record["pictures"].append(picture)
            self._left -= len(picture["data"])


def draw_finding(finding: Finding, datasets: Mapping[str, Dataset], settings: DrawSettings) -> list[Picture]:
    """Return the pictures of a finding; none where it is about no sample, or about one that cannot be read."""
    pictures: list[Picture] = []
    for number, place in enumerate(finding.samples[:MOST_SAMPLES]):
        pictures += _draw_sample(place, datasets[place.dataset], settings, None if number else finding.evidence.box)
    return pictures


def _draw_sample(place: SamplePlace, dataset: Dataset, settings: DrawSettings, box: Box | None) -> Iterator[Picture]:
    try:
        sample = dataset[place.number]
        views = side_by_side(title_of(sample, place.number), sample)
    except Exception:  # noqa: BLE001 -- that it cannot be read is what the finding says
        return
    names = TargetNames.of_dataset(dataset)
    for title, view in views:
        yield as_picture(f"{place.dataset}: {title}", _draw_view(view, names, settings, box))
    if box is not None and _is_small(box, views[-1][1]["image"]):
        yield as_picture("enlarged", _enlarge(views[-1][1]["image"], box))


def _draw_view(view: Mapping[str, Any], names: TargetNames, settings: DrawSettings, box: Box | None) -> np.ndarray:
    image = view["image"]
    scale = scale_to_fit(image.shape[:2], PICTURE)
    try:
        picture = draw_targets(view, names, settings._replace(scale=scale))
    except Exception:  # noqa: BLE001 -- targets that are wrong may not be drawn
        picture = Canvas(image, scale).finish()
    if box is None:
        return picture
    # a legend may be below
    height, width = Canvas(image, scale).size
    marked = Canvas(np.ascontiguousarray(picture[:height, :width]), 1.0)
    marked.draw_box(np.array(box) * np.tile((width / image.shape[1], height / image.shape[0]), 2), MARK)
    return np.concatenate([marked.finish(), picture[height:]])


def _is_small(box: Box, image: np.ndarray) -> bool:
    longest: int = max(image.shape[:2])
    return max(box[2] - box[0], box[3] - box[1]) < SMALL_SHARE * longest


def _enlarge(image: np.ndarray, box: Box) -> np.ndarray:
    """Return the part of an image around a box, which is marked."""
    height, width = image.shape[:2]
    edge = max(box[2] - box[0], box[3] - box[1], LEAST_EDGE / (1 + 2 * ROOM)) * (1 + 2 * ROOM)
    centre = np.clip(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), 0, (width, height))
    left, top = np.floor(np.maximum(centre - edge / 2, 0)).astype(int).tolist()
    right, bottom = np.ceil(np.minimum(centre + edge / 2, (width, height))).astype(int).tolist()
    part = np.ascontiguousarray(image[top : max(bottom, top + 1), left : max(right, left + 1)])
    canvas = Canvas(part, scale_to_fit((part.shape[0], part.shape[1]), PICTURE))
    canvas.draw_box(np.array(box) - (left, top, left, top), MARK)
    return canvas.finish()


def as_picture(title: str, pixels: np.ndarray) -> Picture:
    """Return a picture, uint8 (H, W, 3), as a block of samples shows it."""
    return {"title": title, "data": jpeg_address(encode_jpeg(pixels)), "width": pixels.shape[1], "height": pixels.shape[0]}
