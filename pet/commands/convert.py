"""Writes a data set of objects in another format: python tools/data/convert.py '{type: voc, path: fruit}' --to yolo --out fruit_yolo.

Takes an entry of ``DATA.CATALOG`` of any type with boxes, and writes COCO, VOC or YOLO: images, objects and what the format has of
outlines and keypoints. Says what the format cannot hold, and prints the entry that reads the result.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import yaml

from pet.data.catalog.entries import parse_entry
from pet.data.converting.writers import WRITERS
from pet.data.loading.open_entry import open_entry
from petlib.addresses import local_path
from petlib.errors import DataError, OutputError
from petlib.launch.process.tool import run_plain_tool


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("data", metavar="ENTRY", help="an entry of DATA.CATALOG, '{type: ..., path: ...}'")
    parser.add_argument("--to", required=True, choices=sorted(WRITERS), help="the format to write")
    parser.add_argument("--out", required=True, type=local_path, metavar="FOLDER", help="folder of the data set; other splits may be there")
    parser.add_argument("--split", metavar="NAME", help="name of the split that is written (default: that of the entry)")
    parser.add_argument(
        "--images", choices=("link", "copy"), default="link", help="images are hard links, copies on another disk (the default), or copies"
    )
    parser.add_argument(
        "--data-root", type=Path, default=Path("data"), metavar="FOLDER", help="MISC.DATA_ROOT of the entry (default: data)"
    )


def convert(options: argparse.Namespace) -> int:
    """Write the data set, and print what was lost and the entry that reads it."""
    dataset, given = open_entry(parse_entry(options.data, "an entry of DATA.CATALOG"), options.data_root)
    split = options.split or given.split
    truths = [truth for index in range(len(dataset)) if (truth := dataset.truth(index)) is not None]
    if not truths:
        kinds = ", ".join(sorted(dataset.info.kinds)) or "no targets"
        raise DataError(f"{options.data}: its images have {kinds}, and boxes are converted")
    names = _names([Path(truth.file) for truth in truths])
    writer = WRITERS[options.to](folder=options.out, split=split, info=dataset.info)
    for truth, name in zip(truths, names, strict=True):
        _place(Path(truth.file), writer.images / name, copy=options.images == "copy")
        writer.add(truth, name)
    entry = writer.finish()
    print(f"{len(truths)} images with {sum(len(truth.boxes) for truth in truths)} objects: {options.out}")
    for reason, count in writer.lost.items():
        if count:
            print(f"WARNING: {count} x {reason}")
    shown = yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    print(f"DATA:\n  CATALOG:\n    {options.out.name}_{split}: {shown.strip()}")
    return 0


def _names(files: Sequence[Path]) -> list[str]:
    """Return a name for each image: that of its file, or where two would have one, its path below the folder of all.

    Raises:
        DataError: two images differ in their suffix alone, and would have one file of labels.
    """
    if len({file.stem for file in files}) == len(files):
        return [file.name for file in files]
    root = Path(os.path.commonpath([file.parent for file in files]))
    seen: dict[Path, Path] = {}
    for file in files:
        other = seen.setdefault(file.with_suffix(""), file)
        if other is not file:
            raise DataError(f"{file}: {other.name} lies next to it and would have the same file of labels; rename one of them")
    return [file.relative_to(root).as_posix() for file in files]


def _place(file: Path, target: Path, *, copy: bool) -> None:
    """Make an image a file of the new data set.

    Raises:
        OutputError: another file is in its place.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        if target.samefile(file) or target.stat().st_size == file.stat().st_size:
            return
        raise OutputError(f"{target}: another file is there already; give another --out")
    try:
        if not copy:
            target.hardlink_to(file)
            return
    except OSError:
        # another disk, or one without links
        pass
    shutil.copy2(file, target)


def main() -> NoReturn:
    """Run the tool."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    run_plain_tool(convert, description=(__doc__ or "").partition(":")[0], add_options=add_options)
