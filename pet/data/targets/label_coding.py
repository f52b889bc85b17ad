"""What the pixels of label images mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from pet.data.targets.dataset import IGNORE
from petlib.errors import ConfigError, DataError
from petlib.suggest import did_you_mean

BACKGROUND = "background"
UNKNOWN = -1
MOST_SHOWN = 20
GREATEST_VALUE = 65535


class LabelCoding(Protocol):
    """Turns the pixels of label images into classes.

    Attributes:
        classes: names of the classes in the order of their numbers.
        channels: channels of the label images: 1 or 3.
    """

    classes: list[str]
    channels: int

    def classes_of(self, labels: np.ndarray, path: str | Path) -> np.ndarray:
        """Return uint8 (H, W), the class of each pixel, or 255 where it does not count.

        Raises:
            DataError: a pixel means nothing; ``path`` is for the message.
        """
        ...


class NumberCoding:
    """Label images (H, W) whose pixels are numbers of classes; 255 does not count unless it is the number of a class.

    Args:
        classes: names of the classes in the order of ``values``.
        values: the number of each class in the files; None: 0, 1, 2, ...
        ignored: further numbers that do not count, of 16 bits too.
        classes_filter: names of classes that become 1, 2, ...; the others become the class 0, ``background``. Empty: all stay.

    Raises:
        ConfigError: numbers and classes do not fit, or a name of the filter is no class.
    """

    channels = 1

    def __init__(
        self,
        *,
        classes: Sequence[str],
        values: Sequence[int] | None = None,
        ignored: Sequence[int] = (),
        classes_filter: Sequence[str] = (),
    ) -> None:
        self._values = list(range(len(classes)) if values is None else values)
        if len(self._values) != len(classes) or len(set(self._values)) != len(classes) or not set(self._values) <= set(range(256)):
            raise ConfigError(
                f"label_values: {self._values} given for {len(classes)} classes; a number from 0 to 255 of its own expected for each class"
            )
        self.classes, numbers = filtered_classes(classes, classes_filter)
        self._ignored = [value for value in dict.fromkeys((*ignored, IGNORE)) if value not in self._values]
        self._table = np.full(GREATEST_VALUE + 1, UNKNOWN, np.int16)
        self._table[self._ignored] = IGNORE
        self._table[self._values] = numbers
        self._is_identity = self._table[: len(classes)].tolist() == list(range(len(classes))) and len(self._ignored) == 1

    def classes_of(self, labels: np.ndarray, path: str | Path) -> np.ndarray:
        """Return the classes, see :class:`LabelCoding`."""
        if self._is_identity and labels.max(initial=0) < len(self.classes) and labels.dtype == np.uint8:
            return labels
        if labels.dtype not in (np.uint8, np.uint16) and (labels.min(initial=0) < 0 or labels.max(initial=0) > GREATEST_VALUE):
            self._refuse(labels, path)
        codes: np.ndarray = self._table[labels if labels.dtype == np.uint8 else labels.astype(np.uint16)]
        if codes.min(initial=0) == UNKNOWN:
            self._refuse(labels, path)
        return codes.astype(np.uint8)

    def _refuse(self, labels: np.ndarray, path: str | Path) -> None:
        known = sorted({*self._values, *self._ignored} - ({IGNORE} & {*self._ignored}))
        found = np.unique(labels)
        wrong = [value for value in found.tolist() if value not in known and value not in self._ignored]
        expected = f"{known[0]} to {known[-1]}" if known == list(range(known[0], known[-1] + 1)) else ", ".join(map(str, known))
        aside = f" (and {IGNORE} for pixels that do not count)" if IGNORE in self._ignored else ""
        shown = ", ".join(f"{value:g}" for value in found[:MOST_SHOWN]) + (", ..." if len(found) > MOST_SHOWN else "")
        raise DataError(
            f"{path}: the label image has the value {wrong[0]:g}, {expected} expected for {len(self._values)} classes{aside}; the values "
            f"are {shown}. Correct the label image, name all classes in Source.classes, or say in CatalogEntry by label_values which "
            "number each class has, or by ignore_values which do not count"
        )


class ColourCoding:
    """Label images (H, W, 3) whose pixels are colours of classes.

    Args:
        classes: names of the classes.
        colours: pairs of a colour (R, G, B) and the number of its class, 255 where it does not count; several colours may mean one class.
    """

    channels = 3

    def __init__(self, *, classes: Sequence[str], colours: Sequence[tuple[tuple[int, int, int], int]]) -> None:
        self.classes = list(classes)
        packed = np.array([_pack(np.array(colour, np.uint8)) for colour, _ in colours], np.uint32)
        order = np.argsort(packed)
        self._packed = packed[order]
        self._numbers = np.array([number for _, number in colours], np.uint8)[order]

    def classes_of(self, labels: np.ndarray, path: str | Path) -> np.ndarray:
        """Return the classes, see :class:`LabelCoding`."""
        if labels.ndim != 3:
            raise DataError(f"{path}: the label image has one channel, the colours (R, G, B) of classes expected")
        packed = _pack(labels)
        places = np.searchsorted(self._packed, packed).clip(max=len(self._packed) - 1)
        unknown = self._packed[places] != packed
        if unknown.any():
            colour = tuple(labels[unknown][0].tolist())
            raise DataError(
                f"{path}: the label image has the colour {colour}, which is none of the {len(self._packed)} colours of classes"
                "; those that do not count are ignore_colours"
            )
        classes: np.ndarray = self._numbers[places]
        return classes


def filtered_classes(classes: Sequence[str], kept: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return the names of the classes that a filter leaves, and the new number of each of ``classes``.

    Raises:
        ConfigError: a name of the filter is no class, or is given twice.
    """
    if not kept:
        return list(classes), list(range(len(classes)))
    unknown = [name for name in kept if name not in classes]
    if unknown:
        raise ConfigError(
            f"classes_filter: {unknown[0]!r} is none of the classes{did_you_mean(unknown[0], classes)}; they are {', '.join(classes)}"
        )
    if len(set(kept)) != len(kept):
        raise ConfigError(f"classes_filter: {list(kept)} given, each class once expected")
    # a background that is kept by name is the background
    named = [name for name in kept if name != BACKGROUND]
    return [BACKGROUND, *named], [named.index(name) + 1 if name in named else 0 for name in classes]


def _pack(colours: np.ndarray) -> np.ndarray:
    wide = colours.astype(np.uint32)
    packed: np.ndarray = (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
    return packed


def check_named(classes: list[str] | None, *paths: Path) -> list[str]:
    """Return the names of the classes of label images; none where files are missing, which who reads them reports.

    Args:
        classes: the names.
        paths: files and folders of the data set, first the one that the message names.

    Raises:
        DataError: there are no names.
    """
    path = paths[0]
    if not classes and all(path.exists() for path in paths):
        raise DataError(
            f"{path}: label images do not say what their numbers mean; set Source.classes to the names of all classes, "
            "from number 0 on, e.g. [background, road]"
        )
    return classes or []
