"""How images and their label images are read. Imports nothing slow: settings are derived with it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """How images and their label images are read.

    Attributes:
        classes_filter: classes that are kept, as 1, 2, ...; all others become the background, 0. Empty: all classes stay.
        label_values: the number that each class has in the files, e.g. (0, 255) of masks in black and white; what is not among them
            and is not 255 is a mistake. Empty: 0, 1, 2, ...
        raw_labels: give labels as the files have them, also with three channels, for transforms that turn them into classes.
        bands: the bands of an image file that become its channels, counted from 1, e.g. (3, 2, 1). Empty: all.
        window: edge of the windows in which larger images are read, each a sample of its own, pixels; 0: whole images.
        stride: distance of neighbouring windows, pixels; 0: half a window.
    """

    classes_filter: tuple[str, ...] = ()
    label_values: tuple[int, ...] = ()
    raw_labels: bool = False
    bands: tuple[int, ...] = ()
    window: int = 0
    stride: int = 0


WHOLE = Reading()
"""Whole images, all bands, and labels that count the classes from 0."""
