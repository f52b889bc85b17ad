"""Divides a data set into training and validation: python tools/data/split.py '{type: voc, path: fruit}' --val-percent 20.

Takes an entry of ``DATA.CATALOG`` and writes lists of its format, or ROOT, a folder of images and label images, and writes ``train.txt``
and ``val.txt`` with lines like ``img/7.jpg gt/7.png``. Prints the entries that read them;
``split.json`` next to them says how they were made.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import yaml

from pet.data.catalog.entries import parse_entry
from pet.data.files.label_images import read_label_image
from pet.data.splitting.divide import (
    Division,
    classes_of_sides,
    divide_at_random,
    divide_evenly,
    groups_by,
    number_for_validation,
)
from pet.data.splitting.formats import Lists, open_entry
from pet.data.splitting.lists import check_files, labelled_stems, list_lines, read_stems, write_lists
from pet.data.targets.dataset import IGNORE
from petlib.errors import ConfigError, OutputError
from petlib.launch.process.tool import run_plain_tool
from petlib.suggest import counted

SIDES = ("train", "val")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("data", metavar="ENTRY|ROOT", help="an entry of DATA.CATALOG, '{type: ..., path: ...}', or a folder, see --images")
    parser.add_argument("--val-count", type=int, metavar="N", help="number of images for validation")
    parser.add_argument("--val-percent", type=float, metavar="P", help="percentage of images for validation, instead of --val-count")
    parser.add_argument("--seed", type=int, default=24, metavar="N", help="of the random order (default: 24)")
    parser.add_argument(
        "--group",
        metavar="PATTERN",
        help="keep images together in whose names this regular expression finds the same, e.g. '^[^/]+' or '^(seq\\d+)_'",
    )
    parser.add_argument(
        "--stratify",
        action=argparse.BooleanOptionalAction,
        help="give each class its share (default: where labels are known without reading label images)",
    )
    parser.add_argument("--prefix", default="", metavar="TEXT", help="what names of the lists begin with, before train and val")
    parser.add_argument(
        "--data-root", type=Path, default=Path("data"), metavar="FOLDER", help="MISC.DATA_ROOT of the entry (default: data)"
    )
    root = parser.add_argument_group("a folder of images and label images")
    root.add_argument(
        "--list", type=Path, metavar="FILE", help="names to divide, one a line; looked for below ROOT first (default: all images)"
    )
    root.add_argument("--images", default="img", metavar="FOLDER", help="folder of the images below ROOT (default: img)")
    root.add_argument("--labels", default="gt", metavar="FOLDER", help="folder of the label images below ROOT (default: gt)")
    root.add_argument("--image-suffix", default=".jpg", metavar="SUFFIX", help="of the images (default: .jpg)")
    root.add_argument("--label-suffix", default=".png", metavar="SUFFIX", help="of the label images (default: .png)")
    root.add_argument("--separator", default=" ", metavar="TEXT", help="what separates the two paths of a line (default: a space)")


def split(options: argparse.Namespace) -> int:
    """Write both lists and their record, and print how long they are and the entries that read them."""
    is_entry = options.data.lstrip().startswith("{")
    lists = open_entry(parse_entry(options.data, "an entry of DATA.CATALOG"), options.data_root) if is_entry else _open_root(options)
    count = number_for_validation(len(lists.names), val_count=options.val_count, val_percent=options.val_percent)
    stratified = lists.knows_labels if options.stratify is None else options.stratify
    division = _divide(lists, count, options, stratified)
    if is_entry:
        division = sorted(division[0]), sorted(division[1])
    names = [options.prefix + side for side in SIDES]
    files = [lists.file(name) for name in names]
    classes = classes_of_sides(division, lists.labels_of) if stratified else []
    record = _record_file(files)
    _check_free(files, record, lists.source)
    texts = {file: lists.text(places) for file, places in zip(files, division, strict=True)}
    write_lists({**texts, record: _record(options, division, files, classes)})
    counts = ", ".join(f"{len(places)} in {file}" for file, places in zip(files, division, strict=True))
    print(f"{counted(len(lists.names), 'image')}: {counts}")
    _report_missing(classes, files)
    print("DATA:\n  CATALOG:")
    for name, file in zip(names, files, strict=True):
        key = file.stem if file.stem != name else f"{_name_of(lists.entry(name))}_{name}"
        shown = yaml.safe_dump(lists.entry(name), default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
        print(f"    {key}: {shown.strip()}")
    return 0


def _divide(lists: Lists, count: int, options: argparse.Namespace, stratified: bool) -> Division:
    total = len(lists.names)
    if not stratified and options.group is None:
        return divide_at_random(total, count, options.seed)
    groups = [str(place) for place in range(total)] if options.group is None else groups_by(lists.names, options.group)
    labels = [lists.labels_of(place) if stratified else frozenset[str]() for place in range(total)]
    return divide_evenly(groups, labels, count, options.seed)


def _open_root(options: argparse.Namespace) -> Lists:
    """Return the lists of a folder with images and label images."""
    if not options.separator or "\n" in options.separator:
        raise ConfigError(f"--separator {options.separator!r}: a text within a line expected, e.g. ','")
    root = Path(options.data)
    stems = _find_stems(root, options)
    patterns = f"{options.images}/{{}}{options.image_suffix}", f"{options.labels}/{{}}{options.label_suffix}"
    separator = {} if options.separator == " " else {"separator": options.separator}

    def values_of(place: int) -> frozenset[str]:
        values = np.unique(read_label_image(root / patterns[1].replace("{}", stems[place])))
        return frozenset(str(value) for value in values.tolist() if value != IGNORE)

    return Lists(
        names=stems,
        labels_of=values_of,
        knows_labels=False,
        file=lambda name: root / f"{name}.txt",
        text=lambda places: list_lines([stems[place] for place in places], *patterns, options.separator),
        entry=lambda name: {"type": "label_list", "path": options.data, "split": name, **separator},
    )


def _find_stems(root: Path, options: argparse.Namespace) -> list[str]:
    """Return the stems of the list, or of all images."""
    folders = root / options.images, root / options.labels
    suffixes = options.image_suffix, options.label_suffix
    if options.list is None:
        return labelled_stems(*folders, *suffixes)
    below = root / options.list
    stems = read_stems(options.list if options.list.is_file() and not below.is_file() else below)
    check_files(stems, *folders, *suffixes)
    return stems


def _record_file(files: list[Path]) -> Path:
    """Return the file that says how lists were made: ``split.json`` next to them, with what their names begin with."""
    return files[0].with_name(f"{files[0].stem.removesuffix(SIDES[0])}split.json")


def _check_free(files: list[Path], record: Path, source: Path | None) -> None:
    """Refuse to write over lists of others, and over the one that is divided.

    Raises:
        OutputError: one exists that this tool did not write, or the images come from it.
    """
    if source in files:
        raise OutputError(
            f"{source}: this list says which images are divided, and would be written over; name the list of all images as split, remove "
            "this one where all images are meant, or choose other names, as --prefix my_"
        )
    own: list[str] = []
    if record.is_file():
        content = json.loads(record.read_text(encoding="utf-8"))
        own = list(content.get("images", {})) if isinstance(content, dict) else []
    taken = [file for file in files if file.exists() and file.name not in own]
    if taken:
        raise OutputError(f"{taken[0]}: it exists, and this tool did not write it; choose other names, as --prefix my_")


def _record(options: argparse.Namespace, division: Division, files: list[Path], classes: list[Counter[str]]) -> str:
    """Return what ``split.json`` says: the command, and what came of it."""
    content = {
        "data": options.data,
        "seed": options.seed,
        "val_count": options.val_count,
        "val_percent": options.val_percent,
        "group": options.group,
        "stratified": bool(classes),
        "images": {file.name: len(places) for file, places in zip(files, division, strict=True)},
        "images_of_classes": {file.name: dict(sorted(own.items())) for file, own in zip(files, classes, strict=True)} if classes else {},
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _report_missing(classes: list[Counter[str]], files: list[Path]) -> None:
    for file, own in zip(files, classes, strict=False):
        missing = sorted({label for side in classes for label in side} - set(own))
        if missing:
            more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
            print(f"WARNING: no image of {', '.join(missing[:10])}{more} in {file}")


def _name_of(entry: dict[str, Any]) -> str:
    path = Path(entry["path"])
    return (path.parent.name if entry["type"] in ("list_file", "semseg_folder") else "") or path.name


def main() -> NoReturn:
    """Run the tool."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    run_plain_tool(split, description=(__doc__ or "").partition(":")[0], add_options=add_options)
