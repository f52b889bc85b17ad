"""Leaves out images that are nearly all background: python tools/data/filter.py ROOT [--max-background 0.95].

Writes the names of the others, without suffix, to ROOT/train2.txt, from which split.py makes the lists of a training.
"""

import argparse
import sys
from pathlib import Path

from pet.data.loading.background_share import background_shares, check_max_background, select_stems
from petlib.addresses import local_path
from petlib.errors import DataError
from petlib.files import write_text_atomically
from petlib.launch.process.tool import run_plain_tool


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    parser.add_argument("--images", default="img", metavar="FOLDER", help="folder of the images below ROOT (default: img)")
    parser.add_argument("--labels", default="gt", metavar="FOLDER", help="folder of the label images below ROOT (default: gt)")
    parser.add_argument(
        "--max-background", type=float, default=0.95, metavar="SHARE", help="greatest share of background of an image (default: 0.95)"
    )
    parser.add_argument("--background", type=int, default=0, metavar="VALUE", help="the value of background pixels (default: 0)")
    parser.add_argument("--ignore", type=int, metavar="VALUE", help="the value of pixels that do not count (default: all count)")
    parser.add_argument(
        "--out", type=local_path, default=Path("train2.txt"), metavar="FILE", help="the list, below ROOT (default: train2.txt)"
    )


def filter_images(options: argparse.Namespace) -> int:
    """Look at the label images, write the list and say how many images are in it."""
    # slow, and only needed here
    from rich.progress import Progress

    check_max_background(options.max_background)
    with Progress(transient=True) as bar:
        task = bar.add_task("label images", total=None)
        shares = background_shares(
            options.root / options.images,
            options.root / options.labels,
            background=options.background,
            ignore=options.ignore,
            advance=lambda total: bar.update(task, total=total, advance=1),
        )
    kept = select_stems(shares, options.max_background)
    if not kept:
        raise DataError(
            f"{options.root / options.labels}: all {len(shares)} label images are more than {options.max_background:.1%} background "
            f"(the least: {min(shares.values()):.1%}); a greater --max-background or another --background value is needed"
        )
    write_text_atomically(options.root / options.out, "".join(f"{stem}\n" for stem in kept))
    print(
        f"kept {len(kept)} of {len(shares)} images (background up to {options.max_background:.1%}); written: {options.root / options.out}"
    )
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    run_plain_tool(filter_images, description=(__doc__ or "").partition(":")[0], add_options=add_options)
