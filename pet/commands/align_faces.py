"""Brings faces to one place: python tools/data/align_faces.py --images FOLDER --points FILE --out FOLDER.

Each line of the file is an image and five points, ``ada/1.jpg x y x y x y x y x y``: left eye, right eye, nose, left and right corner of
the mouth (left in the image), in pixels; whole numbers are the centres of pixels. What follows, such as a score, is left out.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np

from pet.data.alignment import EDGE, align_face
from pet.data.files.allowed_paths import INSIDE
from pet.data.files.images import read_image
from pet.data.files.opening import read_lines
from pet.data.files.path_variants import PathVariants
from petlib.addresses import local_path
from petlib.errors import DataError, OutputError
from petlib.launch.process.tool import run_plain_tool
from petlib.suggest import counted, shortened

NUMBERS = 10
HALF = 0.5
"""From coordinates in which whole numbers are centres of pixels to those in which pixel i covers [i, i + 1)."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="where the names of images start from")
    parser.add_argument("--points", type=Path, required=True, metavar="FILE", help="the list of images and points")
    parser.add_argument("--out", type=local_path, required=True, metavar="FOLDER", help="where the aligned faces go, under the same names")
    parser.add_argument("--size", type=int, default=EDGE, metavar="PIXELS", help=f"height and width of the results (default: {EDGE})")


def align(options: argparse.Namespace) -> int:
    """Write the aligned faces and say how many there are."""
    if options.out.resolve() == options.images.resolve():
        raise OutputError(f"--out {options.out}: the images themselves would be replaced; choose another folder")
    count = 0
    for name, points in read_points(options.points, options.images):
        face = align_face(read_image(options.images / name), points, size=options.size)
        target = (options.out / name).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(target), cv2.cvtColor(face, cv2.COLOR_RGB2BGR)):
            raise OutputError(f"{target}: the face cannot be written; make room, or choose another folder")
        count += 1
    print(f"{counted(count, 'face')} of {options.size} x {options.size} pixels are in {options.out}")
    return 0


def read_points(path: Path, root: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of each image and its points, float64 (5, 2); pixel i covers [i, i + 1).

    Raises:
        DataError: the list is missing, a line is wrong (with its number), or there is none.
    """
    variants, found = PathVariants(root), False
    for number, text in read_lines(path, what="the list of points", hint="; its lines are an image and five points, x and y"):
        name, *fields = text.replace(",", " ").split()
        try:
            values = np.array([float(field) for field in fields[:NUMBERS]])
        except ValueError:
            values = np.zeros(0)
        if len(values) != NUMBERS or not np.isfinite(values).all():
            raise DataError(f"{path}:{number}: {shortened(text)!r} given, an image and {NUMBERS} numbers expected: x and y of five points")
        name = variants.find(name, f"{path}:{number}")
        INSIDE.check(name, root, f"{path}:{number}")
        found = True
        yield name, values.reshape(-1, 2) + HALF
    if not found:
        raise DataError(f"{path}: there are no points in it")


def main() -> NoReturn:
    """Read the command line, align, and exit."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    run_plain_tool(align, description=(__doc__ or "").partition(":")[0], add_options=add_options)
