"""Says what this installation can do: versions, devices, extras, disk, and a short training: pet-doctor [--folder FOLDER] [--no_training].

The text is made to be pasted into a bug report: it names no files of the user but the folder that was asked for.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from pet.autoconfig import run_training
from pet.task import PACKAGE
from petlib.errors import OutputError, note_if_interrupted
from petlib.files import not_a_folder
from petlib.launch.process.tool import run_plain_tool

DISTRIBUTION = "pet-vision"
LIBRARIES = ("torch", "torchvision", "timm", "numpy", "opencv-python-headless", "pycocotools", "faster-coco-eval", "scipy", "yacs")
EXTRAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "demo": ("the digits of scikit-learn", ("sklearn",)),
    "export": ("ONNX files", ("onnx", "onnxscript", "onnxruntime")),
    "openvino": ("OpenVINO files", ("openvino",)),
    "geo": ("TIFFs with a place on the earth", ("rasterio",)),
    "detr": ("D-FINE and RF-DETR", ("transformers",)),
    "check": ("images that are nearly the same", ("imagehash",)),
    "search": ("pet-search", ("optuna", "sklearn")),
    "remote": ("data and checkpoints in a store", ("obstore",)),
    "slurm": ("jobs on Slurm", ("submitit",)),
    "ray": ("jobs on Ray", ("ray",)),
    "mlflow": ("MISC.TRACKERS: [mlflow]", ("mlflow", "sqlalchemy", "alembic")),
    "wandb": ("MISC.TRACKERS: [wandb]", ("wandb",)),
    "trackio": ("MISC.TRACKERS: [trackio]", ("trackio",)),
}
"""Extra of the installation -> what it is for, and the modules that it brings."""
MEGABYTE = 2**20
LARGE, SMALL, SMALL_FILES = 64 * MEGABYTE, 100_000, 200
TRAINING = "vision/digits/resnet20_digits.yaml"
ITERATIONS = 60
SETTINGS = (
    *("SOLVER.SCHEDULER.TOTAL_EPOCHS=0", f"SOLVER.SCHEDULER.TOTAL_ITERS={ITERATIONS}", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=0"),
    *("EVAL.PERIOD_EPOCH=0", "MISC.DISPLAY_ITER=10", "SOLVER.SNAPSHOT_EPOCH=0"),
)
LONGEST_TRAINING = 300
"""Seconds after which a training of a few seconds counts as hanging."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("--folder", type=Path, default=Path(), metavar="FOLDER", help="whose disk is measured, e.g. that of the data")
    parser.add_argument("--no_training", action="store_true", help="leave out the short training")


def examine(options: argparse.Namespace) -> int:
    """Print what is found, line by line, and return 1 where something does not work."""
    if not options.folder.is_dir():
        raise OutputError(f"--folder {options.folder}: {not_a_folder(options.folder)}")
    with note_if_interrupted("nothing was kept"):
        for line in findings(options.folder):
            print(line, flush=True)
        if options.no_training:
            return 0
        line, works = short_training()
    print(line)
    return 0 if works else 1


def findings(folder: Path) -> Iterator[str]:
    """Yield a line for all that is found without a training.

    Raises:
        OutputError: nothing can be written into the folder.
    """
    yield from versions()
    yield from devices()
    yield from extras()
    yield disk(folder)


def versions() -> Iterator[str]:
    """Yield lines about Pet, Python, the system and the libraries."""
    yield f"pet        {_version(DISTRIBUTION)} on Python {platform.python_version()}, {platform.platform()}"
    yield "libraries  " + ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def devices() -> Iterator[str]:
    """Yield lines about processors, memory and GPUs."""
    # slow, and the first lines are to come before
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = torch.get_num_threads()
    yield f"processor  {usable} of {os.cpu_count()} cores may be used, {memory:.0f} GiB of memory, {threads} threads of torch"
    if not torch.cuda.is_available():
        built = f"torch was built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch was built without CUDA"
        yield f"GPU        none that torch sees; {built}"
        return
    for number in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(number)
        bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        yield f"GPU {number}      {found.name}, {found.total_memory / 2**30:.0f} GiB, compute {found.major}.{found.minor}, {bf16}"
    yield f"CUDA       {torch.version.cuda}, {torch.cuda.device_count()} in all"


def extras() -> Iterator[str]:
    """Yield a line for each extra: what it is for, and whether it is installed."""
    for name, (what_for, modules) in EXTRAS.items():
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        state = f"missing {', '.join(missing)}: pip install '{DISTRIBUTION}[{name}]'" if missing else "installed"
        yield f"extra      {name} ({what_for}): {state}"


def disk(folder: Path) -> str:
    """Return how fast files in a folder are written and read, and how much room there is.

    Raises:
        OutputError: nothing can be written there.
    """
    try:
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            large = Path(temporary, "large")
            written = LARGE / MEGABYTE / _seconds_to_write(large, LARGE)
            read = LARGE / MEGABYTE / _seconds_to_read([large])
            small = [Path(temporary, str(number)) for number in range(SMALL_FILES)]
            for path in small:
                _seconds_to_write(path, SMALL)
            rate = SMALL_FILES / _seconds_to_read(small)
    except OSError as error:
        raise OutputError(f"--folder {folder}: files cannot be written there: {error.strerror}") from error
    free = shutil.disk_usage(folder).free / 2**30
    return f"disk       {written:,.0f} MB/s written, {read:,.0f} MB/s read, {rate:,.0f} files of 100 kB a second; {free:.0f} GiB free"


def _seconds_to_write(path: Path, size: int) -> float:
    content = os.urandom(MEGABYTE)
    begin = time.perf_counter()
    with path.open("wb") as file:
        for start in range(0, size, MEGABYTE):
            file.write(content[: min(MEGABYTE, size - start)])
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - begin


def _seconds_to_read(paths: Sequence[Path]) -> float:
    """Return how long it takes to read files that the system is asked to forget first."""
    if hasattr(os, "posix_fadvise"):
        for path in paths:
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    begin = time.perf_counter()
    for path in paths:
        path.read_bytes()
    return time.perf_counter() - begin


def short_training() -> tuple[str, bool]:
    """Train a small network on the digits as a user does, and return a line about it and whether it worked."""
    if importlib.util.find_spec("sklearn") is None:
        return f"training   not tried: it needs scikit-learn, see the extra demo; {PACKAGE} itself trains without it", True
    with tempfile.TemporaryDirectory() as folder:
        lines: list[str] = []
        begin = time.perf_counter()
        try:
            words = ["--cfg", TRAINING, f"MISC.CKPT={folder}/run", *SETTINGS]
            code = run_training(words, lines.append, folder=Path(folder), seconds=LONGEST_TRAINING)
        except TimeoutError:
            return f"training   FAILED: it had not ended after {LONGEST_TRAINING} s", False
        seconds = time.perf_counter() - begin
        if code != 0:
            return f"training   FAILED with exit code {code}; its last lines:\n{''.join(lines[-20:]).rstrip()}", False
        rows = [json.loads(line) for line in Path(folder, "run", "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [row["loss_cls"] for row in rows if "loss_cls" in row]
    step = min(row["iter_time"] for row in rows if "iter_time" in row)
    return (
        f"training   {ITERATIONS} iterations of 64 digits: loss {losses[0]:.2f} -> {losses[-1]:.2f}, {1000 * step:.0f} ms an iteration, "
        f"{seconds:.0f} s with start, launch and checkpoint"
    ), True


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Read the command line, examine, and exit."""
    run_plain_tool(examine, description=(__doc__ or "").partition(":")[0], add_options=add_options, argv=argv)
