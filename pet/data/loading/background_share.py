"""How much of label images is background, and which images are worth training with."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pet.data.files.label_images import read_label_image
from pet.data.files.stems import pair_stems, shown
from petlib.errors import ConfigError, DataError


def select_stems(shares: Mapping[str, float], max_background: float) -> list[str]:
    """Return the stems whose share of background is at most ``max_background``.

    Raises:
        ConfigError: ``max_background`` is no share.
    """
    check_max_background(max_background)
    return [stem for stem, share in shares.items() if share <= max_background]


def check_max_background(value: float) -> None:
    """Check a greatest share of background.

    Raises:
        ConfigError: it does not lie between 0 and 1.
    """
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"greatest share of background: {value:g} given, a number from 0 to 1 expected")


def background_shares(
    images: Path, labels: Path, *, background: int = 0, ignore: int | None = None, advance: Callable[[int], None] | None = None
) -> dict[str, float]:
    """Return the share of background in the label image of each image, by stem.

    Args:
        images: folder of the images.
        labels: folder of the label images.
        background: the value of background pixels.
        ignore: the value of pixels that do not count; None: all count.
        advance: called after each label image with the number of all.

    Raises:
        DataError: a label image is missing or cannot be read; up to ten are named.
    """
    files = pair_stems(images, labels)
    shares: dict[str, float] = {}
    damaged: list[str] = []

    def share_of(path: Path) -> float | DataError:
        try:
            return background_share(read_label_image(path, colours=True), background=background, ignore=ignore)
        except DataError as error:
            return error

    # decoders and numpy work outside of Python's lock
    with ThreadPoolExecutor() as pool:
        for stem, found in zip(files, pool.map(share_of, (item.label for item in files.values())), strict=True):
            if isinstance(found, DataError):
                damaged.append(str(found))
            else:
                shares[stem] = found
            if advance:
                advance(len(files))
    if damaged:
        raise DataError(f"{len(damaged)} of {len(files)} label images cannot be used: {shown(damaged)}")
    return shares


def background_share(labels: np.ndarray, *, background: int = 0, ignore: int | None = None) -> float:
    """Return the share of background among the pixels that count; 1 where none does.

    Args:
        labels: (H, W) or (H, W, C) of whole numbers; with several channels, a pixel is background where all of them are.
        background: the value of background pixels.
        ignore: the value of pixels that do not count, in all channels; None: all count.
    """
    is_background = _all_equal(labels, background)
    counted = is_background.size if ignore is None else int((~_all_equal(labels, ignore)).sum())
    return float(is_background.sum() / counted) if counted else 1.0


def _all_equal(labels: np.ndarray, value: int) -> np.ndarray:
    equal: np.ndarray = labels == value
    if equal.ndim == 2:
        return equal
    whole: np.ndarray = np.logical_and.reduce(equal, axis=2)
    return whole
