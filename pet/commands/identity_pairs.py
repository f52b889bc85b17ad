"""Makes lists for face recognition from folders of identities: python tools/data/identity_pairs.py FOLDER --unseen 10.

Writes ``train.txt``, lines of an image and its identity, and ``pairs.txt``, pairs of images of the other identities, which data of the type
``verification_pairs`` read.
"""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from pet.data.files.listing import SUFFIXES, class_folders, files_in
from pet.data.files.skipped import SkipCounter
from pet.data.splitting.identities import identity_lists
from pet.data.splitting.lists import write_lists
from petlib.errors import DataError, name_in_errors
from petlib.files import not_a_folder
from petlib.launch.process.tool import run_plain_tool
from petlib.suggest import counted


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="it has a folder of images for each identity")
    parser.add_argument("--unseen", type=int, required=True, metavar="N", help="identities of the test, which the training does not see")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn (default: 0)")


def make_lists(options: argparse.Namespace) -> int:
    """Write both lists and say what is in them."""
    if not options.folder.is_dir():
        raise DataError(f"{options.folder}: {not_a_folder(options.folder)}; one with a folder of images for each identity expected")
    skipped = SkipCounter(options.folder)
    images = {
        name: [f"{name}/{file}" for file in files_in(options.folder / name, SUFFIXES, skipped)] for name in class_folders(options.folder)
    }
    skipped.log()
    with name_in_errors({"identity_lists.unseen": "--unseen", "identity_lists.images": str(options.folder)}):
        training, pairs = identity_lists(images, unseen=options.unseen, seed=options.seed)
    write_lists({options.folder / "train.txt": "\n".join(training) + "\n", options.folder / "pairs.txt": "\n".join(pairs) + "\n"})
    print(f"{options.folder / 'train.txt'}: {counted(len(training), 'image')} of {counted(len(images) - options.unseen, 'identity')}")
    print(f"{options.folder / 'pairs.txt'}: {counted(len(pairs), 'pair')} of images of {options.unseen} others")
    return 0


def main() -> NoReturn:
    """Read the command line, make the lists, and exit."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    run_plain_tool(make_lists, description=(__doc__ or "").partition(":")[0], add_options=add_options)
