"""Where the samples of a data set come from, and how they are read. Imports nothing slow: settings are derived with it."""

from pathlib import Path
from typing import NamedTuple

from pet.data.files.allowed_paths import INSIDE, Reach
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

SPLITS = ("train", "test")


class Reading(NamedTuple):
    """How images and their label images are read.

    Attributes:
        classes_filter: classes that are kept, as 1, 2, ...; all others become the background, 0. Empty: all classes stay.
        label_values: the number that each class has in the files, e.g. (0, 255) of masks in black and white; what is not among them
            and is not 255 is a mistake. Empty: 0, 1, 2, ...
        raw_labels: give labels as the files have them, also with three channels, for transforms that turn them into classes.
        bands: the bands of an image file that become its channels, counted from 1, e.g. (3, 2, 1). Empty: all.
        window: edge of the windows in which larger images are read, each a sample of its own, pixels; 0: whole images.
        stride: distance of neighbouring windows, pixels; 0: half a window.
        ignore_values: numbers in the files whose pixels do not count, in addition to 255, e.g. (0,).
        label_colours: the colour (R, G, B) that each class has in the files; a palette has its colours. Empty: pixels are numbers.
        ignore_colours: colours whose pixels do not count.
    """

    classes_filter: tuple[str, ...] = ()
    label_values: tuple[int, ...] = ()
    raw_labels: bool = False
    bands: tuple[int, ...] = ()
    window: int = 0
    stride: int = 0
    ignore_values: tuple[int, ...] = ()
    label_colours: tuple[tuple[int, int, int], ...] = ()
    ignore_colours: tuple[tuple[int, int, int], ...] = ()


WHOLE = Reading()
"""Whole images, all bands, and labels that count the classes from 0."""


class Source(NamedTuple):
    """What a type of data sets gets to know.

    Attributes:
        path: folder or file; meaningless for data that come with a library.
        split: ``train`` or ``test``, for types whose files hold both.
        classes: names of the classes in the order of their labels; None: the type finds them.
        annotations: file or folder of the targets, where it is apart from the images; None: the type finds it below ``path``.
        kinds: the kinds of targets that samples are to have, names of :data:`pet.data.targets.kinds.KINDS`; None: all that there are.
        label_ending: what names of label images have behind those of the images, before the suffix, e.g. ``_mask``.
        images2: folder of the images of a second date; None: samples are single images, or the type finds it.
        separator: what separates the fields of a line of a list.
        frame_name: of the images in folders of frames, with a place for the number, e.g. ``img_{:05}.jpg``; empty: that.
        reading: how images with label images are read.
        channels: channels that the model takes; None: three, or whatever there is.
        reach: where the names of files in the files of the data set may lead.
        flip_pairs: pairs of keypoints that change places in a mirrored image, by name or by number from 0; None: as their names say.
        mesh: file of the mesh that points of surfaces refer to; None: there are none.
    """

    path: Path
    split: str
    classes: list[str] | None
    annotations: Path | None = None
    kinds: frozenset[str] | None = None
    images2: Path | None = None
    label_ending: str = ""
    separator: str = " "
    frame_name: str = ""
    reading: Reading = WHOLE
    channels: int | None = None
    reach: Reach = INSIDE
    flip_pairs: tuple[tuple[str | int, str | int], ...] | None = None
    mesh: Path | None = None


def check_split(kind: str, split: str) -> None:
    """Check the split of a type that has ``train`` and ``test``.

    Raises:
        ConfigError: it is something else.
    """
    if split not in SPLITS:
        raise ConfigError(f"{kind}: the split {split!r} given, {' or '.join(SPLITS)} expected{did_you_mean(split, SPLITS)}")
