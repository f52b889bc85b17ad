"""Small data sets, drawn by code, for each task."""

from pathlib import Path

import cv2
import numpy as np

from pet.data.catalog.source import Source
from pet.data.datasets.mannequins import write_mannequins
from pet.data.datasets.mot import build_mot
from pet.data.datasets.shapes_writing import write_shapes
from pet.data.datasets.streets3d import write_streets3d
from pet.data.datasets.walkers import write_walkers

EDGE = 96


def shapes(folder: Path, count: int) -> list[str]:
    """Write objects with all targets; return the settings that name them."""
    entries = []
    for split, images in (("train", count), ("test", max(4, count // 4))):
        write_shapes(folder / "shapes", split=split, count=images, size=EDGE)
        place = folder / "shapes" / split
        entries.append(f"shapes_{split}: {{type: coco, path: {place}/images, annotations: {place}/annotations.json}}")
    return [f"DATA.CATALOG={{{', '.join(entries)}}}"]


def scenes(folder: Path, count: int, *, classes: int = 2, name: str, pairs: bool = False, unlabelled: bool = False) -> list[str]:
    """Write images with a bright rectangle for each class, their label images, and as pairs what was there before.

    Args:
        folder: where the folders of images go.
        count: images.
        classes: with the background.
        name: of the data sets, ``NAME_train`` and ``NAME_val``.
        pairs: write a second date, with the rectangles.
        unlabelled: name a folder of images without labels.
    """
    rng = np.random.default_rng(0)
    for part in ("first", "second", "labels"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        before = rng.normal((60, 110, 60), 12, (EDGE, EDGE, 3)).clip(0, 255).astype(np.uint8)
        after, label = before.copy(), np.zeros((EDGE, EDGE), np.uint8)
        for value in range(1, classes):
            top, left = rng.integers(0, EDGE - 32, 2)
            after[top : top + 32, left : left + 32] = rng.integers(120, 255, 3)
            label[top : top + 32, left : left + 32] = value
        cv2.imwrite(str(folder / "first" / f"{number}.jpg"), before if pairs else after)
        cv2.imwrite(str(folder / "second" / f"{number}.jpg"), after)
        cv2.imwrite(str(folder / "labels" / f"{number}.png"), label)
    place = f"type: semseg_folder, path: {folder}/first, annotations: {folder}/labels" + (f", images2: {folder}/second" if pairs else "")
    names = ", ".join(f"class{value}" for value in range(classes))
    entries = f"{name}_train: {{{place}, share: [0.0, 0.8]}}, {name}_val: {{{place}, share: [0.8, 1.0]}}"
    return [f"DATA.CATALOG={{{entries}}}", f"DATA.CLASSES=[{names}]", *([f"SEMI.DATASETS=[{folder}/second]"] if unlabelled else [])]


def class_folders(folder: Path, count: int) -> list[str]:
    """Write red and blue images into a folder for each class."""
    rng = np.random.default_rng(0)
    for split, images in (("train", count), ("val", max(4, count // 4))):
        for label, name in enumerate(("blue", "red")):
            (folder / split / name).mkdir(parents=True)
            for number in range(images // 2):
                image = rng.integers(0, 200, (EDGE, EDGE, 3)).astype(np.uint8)
                image[:, :, 2 * label] = np.maximum(image[:, :, 2 * label], 90)
                cv2.imwrite(str(folder / split / name / f"{number}.jpg"), image)
    return [f"TRAIN.DATASETS=[{folder}/train]", f"TEST.DATASETS=[{folder}/val]"]


def walkers(folder: Path, count: int) -> list[str]:
    """Write a sequence of people, of which some frames are taken; return the settings that name it, and how many people it has."""
    write_walkers(folder / "walkers", split="train", count=1)
    step = max(1, 60 // count)
    people = build_mot(Source(folder / "walkers", "train", None), step=step).info.num_identities
    entry = f"{{type: mot, path: {folder}/walkers, split: train, step: {step}}}"
    return [f"DATA.CATALOG={{walkers_train: {entry}, walkers_test: {entry}}}", f"MODEL.IDENTITY.NUM_IDENTITIES={people}"]


def mannequins(folder: Path, count: int) -> list[str]:
    """Write figures with the places of their surface; return the settings that name them."""
    entries = []
    for split, images in (("train", count), ("test", max(4, count // 4))):
        place = write_mannequins(folder / "mannequins", split=split, count=images).parent
        entry = f"type: coco, path: {place}/images, annotations: {place}/annotations.json, mesh: {place}/mesh.npz"
        entries.append(f"mannequins_{split}: {{{entry}}}")
    return [f"DATA.CATALOG={{{', '.join(entries)}}}"]


def streets3d(data: Path, count: int) -> list[str]:
    """Write a few drawn streets and return the settings that name them."""
    for split in ("train", "test"):
        write_streets3d(data / "streets3d" / split, split=split, count=count)
    kinds = {"streets3d": "kitti_points", "streets3d_images": "kitti_images"}
    entries = [
        f"{name}_{split}: {{type: {kind}, path: {data}/streets3d/{split}}}" for name, kind in kinds.items() for split in ("train", "test")
    ]
    return [f"DATA.CATALOG={{{', '.join(entries)}}}"]


def crowds(_: Path, count: int) -> list[str]:
    """Return the settings that name a few drawn crowds."""
    share = f"[0.0, {count / 600:.3f}]"
    entries = f"few: {{type: crowds, split: train, share: {share}}}, some: {{type: crowds, split: test, share: {share}}}"
    return [f"DATA.CATALOG={{{entries}}}", "TRAIN.DATASETS=[few]", "TEST.DATASETS=[some]"]
