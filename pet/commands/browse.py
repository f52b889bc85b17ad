"""Draws what a model sees: python tools/data/browse.py --cfg PATH [--count 16] [--views 4] [--split train] [--out FILE].

Samples after the transforms of the config, a row of the sheet each: first as it is in the data set, then as several epochs
of the training get it. Nothing is random in a test, so there is one view of each sample.
"""

import argparse
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from pet import data, visual
from pet.prediction.writers.pictures import write_picture
from pet.task import PACKAGE, find_task
from pet.typed import PetConfig
from petlib.addresses import local_path
from petlib.errors import ConfigError, OutputError
from petlib.files import writing_errors
from petlib.launch import run_tool

PICTURES = (".png", ".jpg", ".jpeg")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("--split", choices=("train", "test"), default="train", help="which data and transforms (default: train)")
    parser.add_argument("--count", type=int, default=16, metavar="N", help="number of samples, spread over the data (default: 16)")
    parser.add_argument("--views", type=int, default=4, metavar="N", help="augmentations of each training sample (default: 4)")
    parser.add_argument(
        "--out",
        type=local_path,
        metavar="FILE",
        help="the picture, .png or .jpg, or its folder (default: MISC.CKPT/data/<split>_views.png)",
    )


def browse(cfg: PetConfig, options: argparse.Namespace) -> int:
    """Draw the sheet and say where it is."""
    if options.count < 1 or options.views < 1:
        raise ConfigError(f"--count {options.count} --views {options.views}: numbers from 1 on expected")
    path = picture_path(options.out or Path(cfg.MISC.CKPT) / "data", options.split)
    task = find_task(Path(options.cfg), type_folder=options.type)
    expected = task.expected_data(cfg) if options.split == "train" else task.expected_test_data(cfg)
    views = data.build_sample_views(cfg, options.split, expected.kinds, prepare=lambda dataset: task.prepare_data(cfg, dataset))
    epochs = options.views if options.split == "train" else 1
    shown = rows(views, options.count, epochs)
    # the pictures of a pair are a row for each view
    pictures = len(data.side_by_side("", views.original(0))) if len(views) else 1
    columns = pictures if pictures > 1 else 1 + epochs
    sheet = data.draw_sample_sheet(shown, visual.build_draw_settings(cfg), columns=columns)
    with writing_errors(f"--out {path}"):
        write_picture(path, sheet)
    print(f"written: {path}")
    return 0


def picture_path(given: Path, split: str) -> Path:
    """Return where the picture goes: to a file, or into a folder.

    Raises:
        OutputError: the name ends like that of another file.
    """
    if given.suffix.lower() in PICTURES:
        return given
    if given.suffix and not given.is_dir():
        raise OutputError(f"--out {given}: a picture is written as {', '.join(PICTURES)}; name such a file, or a folder that is there")
    return given / f"{split}_views.png"


def rows(views: "data.SampleViews", count: int, epochs: int) -> list[tuple[str, dict[str, Any], "visual.TargetNames"]]:
    """Return titles, pictures and names: each sample as it is, then as the first epochs get it."""
    names = visual.TargetNames.of_dataset(views.dataset)
    shown = []
    for index in np.unique(np.linspace(0, len(views) - 1, num=min(count, len(views)), dtype=int)).tolist():
        original = views.original(index)
        pictures = data.side_by_side(data.title_of(original, index), original)
        for epoch in range(epochs):
            sample = views.view(index, epoch)
            height, width = data.sample_size(sample)
            pictures += data.changed_side_by_side(f"view {epoch + 1}: {width} x {height}", sample, original)
        shown += [(title, picture, names) for title, picture in pictures]
    return shown


def main() -> NoReturn:
    """Read the command line, look at the data, and exit."""
    run_tool(browse, package=PACKAGE, description=(__doc__ or "").partition(":")[0], add_options=add_options)
