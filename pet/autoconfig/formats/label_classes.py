"""The classes of label images, by their pixels and by the files that labelling tools put next to them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pet.autoconfig.formats.found import Entry
from pet.data.files.label_images import read_label_image
from pet.data.files.opening import read_lines
from pet.data.targets.dataset import IGNORE
from petlib.errors import DataError

MOST_READ = 300
"""Label images that are read to find their values."""
MOST_COLOURS = 64
"""More colours are those of a photograph."""
SPARSE = 5
"""So many numbers may be missing between those of classes."""
BACKGROUND, FOREGROUND = "background", "foreground"
ROBOFLOW, CVAT, LISTS = "_classes.csv", "labelmap.txt", ("classes.txt", "labels.txt", "class_names.txt")
CVAT_LINE = re.compile(r"(?P<name>[^:]+):(?P<colour>\d+,\s*\d+,\s*\d+):")
Colour = tuple[int, int, int]


def describe_classes(folder: Path, files: Mapping[str, Sequence[Path]]) -> Entry:
    """Return the keys of an entry of the catalogue that say what the pixels of label images mean: names, and numbers or colours.

    Names come from Roboflow's ``_classes.csv``, CVAT's ``labelmap.txt`` or a list ``classes.txt``; without one they are ``background`` and
    ``class_1``, or ``foreground`` where pixels are 0 and 255.

    Args:
        folder: the folder of the data.
        files: the label images of each part.

    Raises:
        DataError: one cannot be read, or they have more colours than classes can.
    """
    all_files = [file for own in files.values() for file in own]
    step = -(-len(all_files) // MOST_READ)
    pixels = [_pixels(file) for file in all_files[::step]]
    colours = {(int(r), int(g), int(b)) for own in pixels if own.ndim == 2 for r, g, b in own}
    places = {folder, *(file.parent for own in files.values() for file in own[:1])}
    if colours:
        return _coloured(colours, _named_colours(places), all_files[0])
    return _numbered({int(value) for own in pixels for value in own}, _named_numbers(places))


def _pixels(file: Path) -> np.ndarray:
    """Return the values of a label image, (N,), or its colours, (N, 3)."""
    labels = read_label_image(file, colours=True)
    if labels.ndim == 2:
        return np.unique(labels)
    found = np.unique(labels.reshape(-1, 3), axis=0)
    return found[:, 0] if (found == found[:, :1]).all() else found


def _coloured(colours: set[Colour], names: Mapping[Colour, str], example: Path) -> Entry:
    if len(colours) > MOST_COLOURS:
        raise DataError(
            f"{example}: {len(colours)} colours in the label images and those like it, at most {MOST_COLOURS} expected: is it one?"
        )
    order = [*names, *sorted(colours - set(names))]
    default = {(0, 0, 0): BACKGROUND}
    classes = [names.get(colour) or default.get(colour) or "colour_" + "_".join(map(str, colour)) for colour in order]
    return {"classes": classes, "label_colours": [list(colour) for colour in order]}


def _numbered(values: set[int], names: Mapping[int, str]) -> Entry:
    if IGNORE in values and values <= {0, IGNORE}:
        other = next((name for number, name in names.items() if number > 0), FOREGROUND)
        return {"classes": [names.get(0, BACKGROUND), other], "label_values": [0, IGNORE]}
    counted = sorted({*values, *names} - {IGNORE})
    if not counted:
        return {"classes": [BACKGROUND, FOREGROUND]}
    if counted[-1] >= len(counted) + SPARSE:
        return {"classes": [names.get(value, _name_of(value)) for value in counted], "label_values": counted}
    return {"classes": [names.get(value, _name_of(value)) for value in range(max(counted[-1] + 1, 2))]}


def _name_of(value: int) -> str:
    return f"class_{value}" if value else BACKGROUND


def _named_numbers(places: set[Path]) -> dict[int, str]:
    """Return number -> name, from a table of Roboflow or a list."""
    for place in sorted(places):
        if (place / ROBOFLOW).is_file():
            rows = [line.split(",", 1) for _, line in read_lines(place / ROBOFLOW, what="the table of classes")]
            return {int(row[0]): row[1].strip() for row in rows if len(row) == 2 and row[0].strip().isdigit()}
        for name in LISTS:
            if (place / name).is_file():
                return dict(enumerate(line for _, line in read_lines(place / name, what="the list of classes")))
    return {}


def _named_colours(places: set[Path]) -> dict[Colour, str]:
    """Return colour -> name, from a ``labelmap.txt`` of CVAT."""
    found: dict[Colour, str] = {}
    for place in sorted(places):
        if (place / CVAT).is_file():
            matches = (CVAT_LINE.match(line) for _, line in read_lines(place / CVAT, what="the map of labels"))
            for match in matches:
                if match:
                    red, green, blue = (int(number) for number in match["colour"].split(","))
                    found[red, green, blue] = match["name"].strip()
    return found
