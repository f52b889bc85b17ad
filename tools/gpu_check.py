"""Proves Pet on a GPU in at most 8 minutes: python tools/gpu_check.py --out result.json (one GPU, 16 cores).

The most important parts come first below; each runs in a process of its own with a limit of its own, so that one that fails or
hangs leaves the others. What only has to work runs side by side, what is measured runs alone. Prints a table and writes a JSON file.
A machine without a network first needs the wheels of tools/ci/offline_bundle.sh. ``--dry`` runs the parts on the CPU with tiny sizes.

The exit code is 0 where everything passed, else 1.
"""

import argparse
import contextlib
import datetime
import importlib.util
import json
import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).resolve().parent / "gpu"
sys.path.append(str(FOLDER))

from task_table import TASKS  # noqa: E402 -- in the folder of the parts

PRELOADED = [
    *("torch", "torchvision", "timm", "segmentation_models_pytorch", "cv2", "torch.utils.tensorboard", "matplotlib.pyplot"),
    *("pycocotools.coco", "faster_coco_eval", "fvcore.nn", "thop", "sklearn.datasets", "rich.progress"),
    *("torch._dynamo", "torch.export", "torch.distributed.checkpoint"),
]
"""Libraries that are imported once, in the process that all parts are forks of."""


class Part(NamedTuple):
    """A part of the check: a script of tools/gpu with its options.

    Attributes:
        name: as ``--parts`` takes it.
        script: the file.
        options: of the script.
        seconds: its limit.
        alone: nothing else runs meanwhile.
    """

    name: str
    script: str
    options: tuple[str, ...] = ()
    seconds: float = 120
    alone: bool = False


PARTS = [
    Part("tests", "marked_tests.py", seconds=150),
    *(Part(f"task-{name}", "tasks.py", (name,), seconds=150) for name in TASKS),
    Part("step-classification", "steps.py", ("classification",), 150, alone=True),
    Part("step-detection", "steps.py", ("detection",), 70, alone=True),
    Part("step-segmentation", "steps.py", ("segmentation",), 70, alone=True),
    Part("cifar", "cifar.py", seconds=90, alone=True),
    Part("input", "inputs.py", seconds=90, alone=True),
    Part("memory", "memory.py", seconds=60, alone=True),
    Part("export", "exported.py", seconds=150),
    Part("ranks", "ranks.py", seconds=150),
]


def choose_parts(wanted: list[str]) -> list[Part]:
    """Return the parts of these names, or where there is none of a name those that begin so."""
    names = {part.name for part in PARTS}
    return [part for part in PARTS if any(part.name == name or (name not in names and part.name.startswith(name)) for name in wanted)]


def run_part(script: str, words: list[str], log: str) -> None:
    """Run a script as the main program of this process."""
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = [script, *words]
    sys.path.insert(0, str(Path(script).parent))
    runpy.run_path(script, run_name="__main__")


def try_part(part: Part, context: ForkServerContext, folder: Path, deadline: float, *, dry: bool) -> dict[str, Any]:
    """Run a part within its limit and return what it found."""
    rows, log = folder / f"{part.name}.jsonl", folder / f"{part.name}.log"
    rows.touch()
    log.touch()
    words = [*part.options, "--rows", str(rows), *(["--dry"] if dry else [])]
    begin = time.monotonic()
    limit = min(part.seconds, deadline - begin)
    if limit < 1:
        return {"name": part.name, "status": "no time left", "seconds": 0.0, "rows": [], "log": ""}
    process = context.Process(target=run_part, args=(str(FOLDER / part.script), words, str(log)))
    process.start()
    process.join(limit)
    code = process.exitcode
    if process.pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.join()
    found = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    good = code == 0 and all(row["passed"] is not False for row in found)
    status = "stopped at its limit" if code is None else "passed" if good else "failed"
    text = "" if good else "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])
    return {"name": part.name, "status": status, "seconds": round(time.monotonic() - begin, 1), "rows": found, "log": text}


def run_parts(
    parts: list[Part], folder: Path, deadline: float, save: Callable[[list[dict[str, Any]]], None], *, dry: bool
) -> list[dict[str, Any]]:
    """Run the parts: those side by side first, then those alone; return their results in the order of ``parts``.

    ``save`` gets after each part the results that there are, so that they are kept whatever comes.
    """
    # what runs side by side shares the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1" if dry else "2")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([name for name in PRELOADED if importlib.util.find_spec(name.partition(".")[0])])
    together = [part for part in parts if not part.alone]
    results: dict[str, dict[str, Any]] = {}

    def run(part: Part) -> None:
        results[part.name] = try_part(part, context, folder, deadline, dry=dry)
        save([*results.values()])
        print(f"{results[part.name]['seconds']:>6.1f} s  {part.name}: {results[part.name]['status']}", flush=True)

    with ThreadPoolExecutor(1 if dry else max(1, (os.cpu_count() or 2) - 4)) as pool:
        list(pool.map(run, together))
    for part in parts:
        if part.alone:
            run(part)
    return [results[part.name] for part in parts]


def describe_machine(*, dry: bool) -> dict[str, str]:
    """Return device and versions. Called last, because this process would hold memory of the device from then on."""
    import torch
    import torchvision

    machine = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": "cpu" if dry else torch.cuda.get_device_name(0),
        "cores": str(os.cpu_count()),
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }
    return machine if dry else machine | {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}


def show(results: list[dict[str, Any]]) -> None:
    """Print a table of all rows, and the end of what failed."""
    for result in results:
        print(f"\n{result['name']}: {result['status']}, {result['seconds']} s")
        for row in result["rows"]:
            mark = {True: "ok", False: "FAILED", None: ""}[row["passed"]]
            short = row["note"].replace("\n", " ")[-110:] if row["passed"] is False else row["note"][:110]
            print(f"  {mark:<7}{row['name']:<46}{row['value']!s:>12} {row['unit']:<9}{short}")
        if result["status"] != "passed":
            print("    " + "\n    ".join(result["log"].splitlines()[-12:]))


def _require_gpu(parser: argparse.ArgumentParser) -> None:
    import torch

    if not torch.cuda.is_available():
        parser.error(f"torch {torch.__version__} sees no GPU here; --dry shows on a CPU that the check runs")


def main() -> int:
    """Run the parts that are wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, metavar="FILE", help="write everything that was found as JSON")
    parser.add_argument(
        "--parts", metavar="NAMES", help="only parts whose names begin with one of these, with commas between them (default: all)"
    )
    parser.add_argument("--limit", type=float, default=480, metavar="SECONDS", help="for everything (default: 480)")
    parser.add_argument("--dry", action="store_true", help="on the CPU with tiny sizes: shows that the code runs, and measures nothing")
    parser.add_argument("--list", action="store_true", help="name the parts")
    parser.add_argument("--cifar", type=Path, metavar="FOLDER", help="cifar-10-batches-py, for the time to 94 %% of the part cifar")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(f"{part.name:<32}{part.seconds:>5.0f} s{'  alone' * part.alone}" for part in PARTS))
        return 0
    parts = choose_parts((arguments.parts or "").split(","))
    if not parts:
        parser.error(f"--parts: {arguments.parts} given; there are {', '.join(part.name for part in PARTS)}")
    if arguments.cifar is not None:
        options = ("--cifar", str(arguments.cifar.resolve()))
        parts = [part._replace(options=options) if part.script == "cifar.py" else part for part in parts]
    deadline = time.monotonic() + arguments.limit
    if not arguments.dry:
        _require_gpu(parser)
    machine: dict[str, str] = {}

    def save(results: list[dict[str, Any]]) -> None:
        if arguments.out is not None:
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(json.dumps({"machine": machine, "parts": results}, indent=1) + "\n", encoding="utf-8")

    with tempfile.TemporaryDirectory() as folder:
        results = run_parts(parts, Path(folder), deadline, save, dry=arguments.dry)
    show(results)
    machine |= describe_machine(dry=arguments.dry)
    save(results)
    print("\n" + ", ".join(f"{name} {value}" for name, value in machine.items()))
    passed = sum(result["status"] == "passed" for result in results)
    print(f"{passed} of {len(results)} parts passed")
    return 0 if passed == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
