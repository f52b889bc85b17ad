"""What a list of very many images costs before a training: time and memory, against the list of tuples of a plain loop.

A list ``path label`` is written and opened in a process of its own by each, in turns. Then a forked process, as a loader's worker is one,
reads rows all over the list, and what memory it has of its own is measured. The last line is one JSON object.

    python tools/benchmark/list_file.py [--lines 1000000] [--repeats 3]
"""

import argparse
import gc
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from counts import count

ROWS_OF_A_WORKER = 200_000
CLASSES = 1000


def write_list(path: Path, lines: int) -> None:
    """Write a list as that of ImageNet, with the names of folders for labels."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(lines):
            label = f"n{number * 7919 % CLASSES:08d}"
            file.write(f"train/{label}/{label}_{number}.JPEG {label}\n")


def plain_loop(path: Path) -> Callable[[int], object]:
    """Return what gives a row of a list of tuples, as hand-written data sets keep it."""
    rows = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            name, label = line.rsplit(maxsplit=1)
            rows.append((name, label))
    numbers = {label: number for number, label in enumerate(sorted({label for _, label in rows}))}
    samples = [(name, numbers[label]) for name, label in rows]
    return samples.__getitem__


def list_file(path: Path) -> Callable[[int], object]:
    """Return what gives a row of Pet's list."""
    from pet.data.datasets.list_file import ListFile  # imports are not measured

    dataset = ListFile(path=path)
    return lambda index: (dataset.file_of(index), dataset.labels_of(index))


READERS = {"pet": list_file, "plain loop": plain_loop}


def own_megabytes() -> float:
    """Return the memory that this process shares with no other, MB, without what is mapped from files."""
    kilobytes, is_file = 0, False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        name, *values = line.split()
        if not name.endswith(":"):
            # permissions, offset, device, inode
            is_file = values[3] != "0"
        elif name == "Private_Dirty:" and not is_file:
            kilobytes += int(values[0])
    return kilobytes / 1e3


def read_rows(row: Callable[[int], object], lines: int, pipe: Connection) -> None:
    """Read rows all over the list and send how much memory that took."""
    gc.disable()
    before = own_megabytes()
    for index in range(0, lines, max(1, lines // ROWS_OF_A_WORKER)):
        row(index)
    pipe.send(own_megabytes() - before)


def open_list(name: str, path: Path, lines: int, pipe: Connection) -> None:
    """Open the list, and send time, processor time and memory."""
    reader = READERS[name]
    # what the reader imports
    reader_path = path.with_name("short.txt")
    reader(reader_path)
    before, most, begin = own_megabytes(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    processor_begin = time.process_time()
    row = reader(path)
    seconds, processor_seconds = time.perf_counter() - begin, time.process_time() - processor_begin
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most
    held = own_megabytes() - before
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=read_rows, args=(row, lines, sender))
    worker.start()
    pipe.send((seconds, processor_seconds, most / 1e3, held, receiver.recv()))
    worker.join()


def in_own_process(name: str, path: Path, lines: int) -> Sequence[float]:
    """Return what :func:`open_list` sends."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process: Any = context.Process(target=open_list, args=(name, path, lines, sender))
    process.start()
    found: Sequence[float] = receiver.recv()
    process.join()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lines", type=count, default=1_000_000)
    parser.add_argument("--repeats", type=count, default=3)
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    found: dict[str, list[Sequence[float]]] = {name: [] for name in READERS}
    with tempfile.TemporaryDirectory(prefix="pet-benchmark-") as folder:
        path = Path(folder) / "list.txt"
        write_list(path, options.lines)
        write_list(path.with_name("short.txt"), 2)
        for _ in range(options.repeats):
            for name in READERS:
                found[name].append(in_own_process(name, path, options.lines))
    names = ("seconds", "processor s", "MB at most", "MB held", "MB of a worker")
    figures: dict[str, float] = {}
    print(f"{options.lines:,} lines".ljust(24) + "".join(f"{name:>16}" for name in names))
    for reader, rows in found.items():
        medians = [statistics.median(column) for column in zip(*rows, strict=True)]
        print(f"{reader:<24}" + "".join(f"{value:>16.2f}" for value in medians))
        figures.update({f"{reader}: {name}": round(value, 2) for name, value in zip(names, medians, strict=True)})
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
