"""Looks at every sample of a config's data sets: python tools/data/check.py --cfg PATH [--split train] [--out FOLDER].

Prints what there is and what is wrong, and writes ``report.json``, ``samples.png`` and ``check.html``: every finding with its picture and
what to do. Exit code 1: a training would fail on samples; 2: it
would not begin, because a data set cannot be used.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from pet import data, visual
from pet.data import report
from pet.prediction.writers.pictures import write_picture
from pet.report.data_page import DATA_PAGE, write_data_page
from pet.task import PACKAGE, find_task
from pet.typed import PetConfig
from petlib.addresses import local_path
from petlib.errors import USER_ERROR_EXIT_CODE, DataError
from petlib.files import not_a_folder, write_text_atomically, writing_errors
from petlib.launch import run_tool

SPLITS = {"train": ("train",), "test": ("test",), "both": ("train", "test")}
SAMPLES_SHOWN = 16
COLUMNS = 4


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("--split", choices=SPLITS, default="both", help="which data to look at (default: both)")
    parser.add_argument(
        "--out", type=local_path, metavar="FOLDER", help="where report.json, samples.png and check.html go (default: MISC.CKPT/data)"
    )


def check(cfg: PetConfig, options: argparse.Namespace) -> int:
    """Look at the data; return 1 where a training would fail, and 2 where data that it names are missing.

    Raises:
        DataError: there is no such root of data; what draws its own data would make it.
        OutputError: the results cannot be written.
    """
    root = Path(cfg.MISC.DATA_ROOT)
    if "MISC.DATA_ROOT" in cfg.given() and not root.is_dir():
        raise DataError(f"MISC.DATA_ROOT: {root}: {not_a_folder(root)}")
    # slow, and only needed here
    from rich.progress import Progress

    folder = options.out or Path(cfg.MISC.CKPT) / "data"
    if options.out is not None:
        # before all samples are read
        with writing_errors(f"--out {folder}"):
            folder.mkdir(parents=True, exist_ok=True)
    task = find_task(Path(options.cfg), type_folder=options.type)
    expected, tested = task.expected_data(cfg), task.expected_test_data(cfg)
    with Progress(transient=True) as bar:

        def start(name: str, count: int) -> Callable[[], None]:
            task = bar.add_task(name, total=count)
            return lambda: bar.advance(task)

        found, datasets = report.check_run(cfg, SPLITS[options.split], expected, start, tested=tested)
    written = write_results(folder, found, datasets, visual.build_draw_settings(cfg), config=Path(options.cfg))
    print(report.as_text(found))
    print(f"written: {', '.join(map(str, written))}")
    return USER_ERROR_EXIT_CODE if found.lacks_data else int(found.fails)


def write_results(
    folder: Path, found: report.RunReport, datasets: Mapping[str, "data.Dataset"], drawing: visual.DrawSettings, *, config: Path
) -> list[Path]:
    """Write what was found, a sheet of samples and the page; return the files.

    Raises:
        OutputError: one of them cannot be written.
    """
    sheet, written = draw_samples(list(datasets.values()), drawing), [folder / "report.json"]
    with writing_errors(f"--out {folder}"):
        write_text_atomically(written[0], json.dumps({"config": str(config), **found.as_dict()}, indent=1))
        if sheet is not None:
            written.append(folder / "samples.png")
            write_picture(written[-1], sheet)
        written.append(folder / DATA_PAGE)
        write_data_page(written[-1], found, datasets, drawing, title=config.stem)
    return written


def draw_samples(datasets: Sequence["data.Dataset"], settings: visual.DrawSettings) -> np.ndarray | None:
    """Return a sheet of samples, spread over all data sets; None where none can be read and drawn."""
    places = [(dataset, index) for dataset in datasets for index in spread(len(dataset), -(-SAMPLES_SHOWN // len(datasets)))]
    shown, columns = [], COLUMNS
    for dataset, index in places[:SAMPLES_SHOWN]:
        try:
            sample = dataset[index]
            names = visual.TargetNames.of_dataset(dataset)
            pictures = data.side_by_side(data.title_of(sample, index), sample)
            data.draw_targets(pictures[-1][1], names, settings)
        except Exception:  # noqa: BLE001 -- what is wrong with it is in the report
            continue
        shown += [(title, picture, names) for title, picture in pictures]
        columns = len(pictures) if len(pictures) > 1 else columns
    return data.draw_sample_sheet(shown, settings, columns=columns) if shown else None


def spread(length: int, count: int) -> list[int]:
    """Return ``count`` places, evenly spread over ``length``."""
    return np.unique(np.linspace(0, length - 1, num=min(count, length), dtype=int)).tolist() if length else []


def main() -> NoReturn:
    """Read the command line, look at the data, and exit."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    run_tool(check, package=PACKAGE, description=(__doc__ or "").partition(":")[0], add_options=add_options)
