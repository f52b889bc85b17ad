"""Divides a data set into training and validation: python tools/data/split.py ROOT [--list train2.txt] --val-count 5000.

Writes ROOT/train.txt and ROOT/val.txt with lines like ``img/7.jpg gt/7.png``, in an order that the seed decides.
"""

import argparse
import sys
from pathlib import Path

from pet.data.catalog.split_lists import check_files, labelled_stems, list_lines, read_stems, split_stems, write_lists
from petlib.errors import ConfigError
from petlib.launch.process.tool import run_plain_tool


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    parser.add_argument(
        "--list", type=Path, metavar="FILE", help="names to divide, one a line; looked for below ROOT first (default: all images)"
    )
    parser.add_argument("--val-count", type=int, metavar="N", help="number of images for validation")
    parser.add_argument("--val-percent", type=float, metavar="P", help="percentage of images for validation, instead of --val-count")
    parser.add_argument("--seed", type=int, default=24, metavar="N", help="of the random order (default: 24)")
    parser.add_argument("--images", default="img", metavar="FOLDER", help="folder of the images below ROOT (default: img)")
    parser.add_argument("--labels", default="gt", metavar="FOLDER", help="folder of the label images below ROOT (default: gt)")
    parser.add_argument("--image-suffix", default=".jpg", metavar="SUFFIX", help="of the images (default: .jpg)")
    parser.add_argument("--label-suffix", default=".png", metavar="SUFFIX", help="of the label images (default: .png)")
    parser.add_argument("--separator", default=" ", metavar="TEXT", help="what separates the two paths of a line (default: a space)")


def split(options: argparse.Namespace) -> int:
    """Write both lists and say how long they are."""
    if not options.separator or "\n" in options.separator:
        raise ConfigError(f"--separator {options.separator!r}: a text within a line expected, e.g. ','")
    stems = find_stems(options)
    training, validation = split_stems(stems, val_count=options.val_count, val_percent=options.val_percent, seed=options.seed)
    patterns = f"{options.images}/{{}}{options.image_suffix}", f"{options.labels}/{{}}{options.label_suffix}"
    parts = {options.root / "train.txt": training, options.root / "val.txt": validation}
    write_lists({path: list_lines(part, *patterns, options.separator) for path, part in parts.items()})
    print(f"{len(stems)} images: " + ", ".join(f"{len(part)} in {path}" for path, part in parts.items()))
    return 0


def find_stems(options: argparse.Namespace) -> list[str]:
    """Return the stems of the list, or of all images."""
    folders = options.root / options.images, options.root / options.labels
    suffixes = options.image_suffix, options.label_suffix
    if options.list is None:
        return labelled_stems(*folders, *suffixes)
    below = options.root / options.list
    stems = read_stems(options.list if options.list.is_file() and not below.is_file() else below)
    check_files(stems, *folders, *suffixes)
    return stems


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    run_plain_tool(split, description=(__doc__ or "").partition(":")[0], add_options=add_options)
