"""Training and validation where the data have no validation: a seeded fifth of each class, as two lists."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from pet.autoconfig.formats.found import Entry
from pet.data.catalog.entries import below_root
from pet.data.loading.joined import SomeSamples
from pet.data.loading.splits import list_text, name_of_image
from pet.data.splitting.divide import divide_evenly
from pet.data.splitting.lists import write_lists
from pet.data.targets.dataset import Dataset
from petlib.errors import DataError

VALIDATION = 0.2
"""Share of the images that a training is measured on."""
SEED = 24
"""As of ``tools/data/split.py``."""


class Division(NamedTuple):
    """Data that were divided.

    Attributes:
        entries: of the catalogue, which read the lists.
        training: what is learned from, read already.
        text: how the images were divided, for people.
    """

    entries: dict[str, Entry]
    training: Dataset
    text: str


def divide(dataset: Dataset, entry: Entry, folder: Path, lists: Path) -> Division:
    """Write ``train.txt`` and ``val.txt`` and return what reads them.

    Each class has its share of the validation where the labels of images are known without reading label images.

    Args:
        dataset: the data.
        entry: of the catalogue, which reads all of them.
        folder: the folder of the data, which the entry's paths start from.
        lists: the folder of the two lists.

    Raises:
        DataError: there is one image.
        OutputError: the lists cannot be written.
    """
    total = len(dataset)
    if total < 2:
        raise DataError(f"{folder}: {total} image; one to train with and one to measure on are the least")
    root = below_root(folder, entry["path"])
    names = [name_of_image(dataset, place, root) for place in range(total)]
    known = [dataset.labels_of(place) for place in range(total)]
    labels = [frozenset(map(str, own.tolist())) if own is not None else frozenset[str]() for own in known]
    count = min(max(1, round(VALIDATION * total)), total - 1)
    sides = dict(zip(("train", "val"), divide_evenly(names, labels, count, SEED), strict=True))
    files = {side: lists / f"{side}.txt" for side in sides}
    lists.mkdir(parents=True, exist_ok=True)
    write_lists({files[side]: list_text(names[place] for place in places) for side, places in sides.items()})
    how = "of each class" if any(labels) else "at random"
    text = f"{total - count} to train on and {count} to measure on, divided {how} with seed {SEED}: {files['train']}, {files['val'].name}"
    entries = {side: {**entry, "only": str(file.absolute())} for side, file in files.items()}
    return Division(entries, SomeSamples(dataset, np.sort(np.array(sides["train"]))), text)
