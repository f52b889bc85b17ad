"""Measures data in shards against their bars: python tools/benchmark/shards.py [--samples 2000] [--edge 384] [--out FILE].

A store of objects is started on this machine (moto, in this process), photographs are packed into it, and measured are

- start: from nothing to the first batch at iteration 10^6, with processor time, bytes of samples that were read, and what is not the batch
- order: the numbers of the samples for 0, 2 and 8 workers and for 1 and 2 ranks
- epoch: bytes that an epoch fetches, by two workers with a cache of a tenth of the data, relative to the data
- speed: samples a second of processor time from plain files, from local shards and from a warm cache, in turn, in one process
"""

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from pet.data.datasets.image_folder import ImageFolder
from pet.data.datasets.shards import ShardedDataset
from pet.data.loading.sampling import FetchAhead
from pet.data.shards.reading import READING
from pet.data.shards.writing import write_pack
from petlib.data.build import TrainLoaderSettings, build_train_loader
from petlib.data.samplers import ShuffledSampler
from petlib.data.shard_sampler import ShardSampler
from petlib.data.train_batches import TrainBatches

ADDRESS = "s3://data/photographs"
SHARDS, GROUP, BATCH = 50, 2, 4
ROUNDS = 7
EPOCHS = 3


def write_images(folder: Path, count: int, edge: int) -> None:
    """Write JPEGs of two classes that look and weigh like photographs."""
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = rng.integers(0, 255, (edge // 8, edge // 8, 3), dtype=np.uint8)
        image = cv2.resize(coarse, (edge, edge), interpolation=cv2.INTER_CUBIC)
        path = folder / ("cat", "dog")[number % 2] / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), cv2.add(image, rng.integers(0, 12, image.shape, dtype=np.uint8)))


def numbers_of(dataset: ShardedDataset, folder: Path, *, workers: int, start: int, stop: int) -> list[int]:
    """Return the numbers of the samples of some iterations, as a training loads them."""
    settings = TrainLoaderSettings(
        batch_size=BATCH, num_workers=workers, timeout=300, seed=0, accumulation=1, epochwise=False, prefetch=2, shuffle=True,
        on_error="raise", max_error_share=0.0, folder=folder,
    )  # fmt: skip
    sampler = ShardSampler(dataset.shard_starts(), len(dataset), group=GROUP, seed=0)
    loader = build_train_loader(settings, dataset, torch.device("cpu"), sampler=sampler, ahead=FetchAhead(sampler, dataset))
    batches = loader.batches(start, stop)
    numbers = [meta["index"] for batch in batches for meta in batch["meta"]]
    batches.close()
    return numbers


def measure_start(proxy: Any, folder: Path) -> dict[str, float]:
    """Open the data anew at iteration 10^6, with an empty cache, and read one batch."""
    READING.set(folder=str(folder / "start"), gigabytes=10, retry_seconds=10, grouped=True)
    proxy.forget()
    wall, processor = time.perf_counter(), time.process_time()
    dataset = ShardedDataset(ADDRESS)
    sampler = ShardSampler(dataset.shard_starts(), len(dataset), group=GROUP, seed=0)
    keys = next(TrainBatches(sampler, batch_size=BATCH, epochwise=False).keys(10**6, 10**6 + 1))
    to_keys = time.perf_counter() - wall, time.process_time() - processor
    read_before = sum(count for path, count in proxy.sent.items() if path.endswith(".tar"))
    for key in keys:
        dataset[key.index]
    to_batch = time.perf_counter() - wall
    return {
        "seconds until the samples are known": round(to_keys[0], 3),
        "of these of this processor": round(to_keys[1], 3),
        "bytes of shards read before": read_before,
        "seconds to the first batch": round(to_batch, 3),
        "shards of the first batch": len([path for path in proxy.sent if path.endswith(".tar")]),
    }


def measure_order(folder: Path) -> dict[str, bool]:
    """Compare the order of 30 iterations from 10^6 on among workers and ranks."""
    READING.set(folder=str(folder / "order"), gigabytes=10, retry_seconds=10, grouped=True)
    dataset = ShardedDataset(ADDRESS)
    first = numbers_of(dataset, folder, workers=0, start=10**6, stop=10**6 + 30)
    same = {f"{workers} workers": numbers_of(dataset, folder, workers=workers, start=10**6, stop=10**6 + 30) == first for workers in (2, 8)}
    sampler = ShardSampler(dataset.shard_starts(), len(dataset), group=GROUP, seed=0)
    ranks = [TrainBatches(sampler, batch_size=BATCH, rank=rank, world_size=2, epochwise=False) for rank in range(2)]
    parts = zip(*(batches.keys(10**6, 10**6 + 30) for batches in ranks), strict=True)
    return {**same, "2 ranks": [key.index for keys in parts for part in keys for key in part] == first}


def measure_epoch(proxy: Any, folder: Path, size: int) -> dict[str, float]:
    """Count the bytes that an epoch of two workers fetches, of three from an empty cache of a tenth of the data on.

    At their end the first group of the fourth has been fetched as well.
    """
    READING.set(folder=str(folder / "epoch"), gigabytes=0.1 * size / 10**9, retry_seconds=10, grouped=True)
    dataset = ShardedDataset(ADDRESS)
    proxy.forget()
    numbers = numbers_of(dataset, folder, workers=2, start=0, stop=EPOCHS * len(dataset) // BATCH)
    fetched = sum(count for path, count in proxy.sent.items() if path.endswith(".tar"))
    requests = sum(count for (_, path), count in proxy.requests.items() if path.endswith(".tar"))
    assert sorted(numbers[: len(dataset)]) == list(range(len(dataset)))
    share = round(fetched / size / EPOCHS, 3)
    return {"bytes fetched / bytes of the data": share, "requests of an epoch": requests / EPOCHS, "shards": len(dataset.shard_starts())}


def measure_speed(sources: dict[str, Any], sampler: ShardSampler | ShuffledSampler, count: int) -> dict[str, float]:
    """Read samples in an order from each source, in turn, and return samples a second of processor time."""
    seconds: dict[str, list[float]] = {name: [] for name in sources}
    for epoch in range(ROUNDS):
        order = sampler.indices(epoch, np.arange(min(count, 600))).tolist()
        for name, dataset in sources.items():
            begin = time.process_time()
            for index in order:
                dataset[index]
            seconds[name].append(time.process_time() - begin)
    files = seconds["files"]
    found = {f"{name}, samples a second": round(len(order) / median(times), 1) for name, times in seconds.items()}
    for name in ("shards", "warm cache"):
        found[f"{name} / files"] = round(median(own / other for own, other in zip(files, seconds[name], strict=True)), 3)
    return found


def measure(folder: Path, samples: int, edge: int, proxy: Any) -> dict[str, dict[str, Any]]:
    """Write the data, pack them twice and measure everything."""
    write_images(folder / "files", samples, edge)
    files = ImageFolder(folder=folder / "files")
    size = sum(path.stat().st_size for path in (folder / "files").glob("*/*"))
    written = write_pack(files, ADDRESS, source={}, shard_bytes=size // SHARDS)
    write_pack(files, str(folder / "pack"), source={}, shard_bytes=size // SHARDS)
    found: dict[str, dict[str, Any]] = {"data": {"samples": samples, "bytes a file": size // samples, "bytes of shards": written.size}}
    steps: Sequence[tuple[str, Callable[[], dict[str, Any]]]] = (
        ("start", lambda: measure_start(proxy, folder)),
        ("order", lambda: measure_order(folder)),
        ("epoch", lambda: measure_epoch(proxy, folder, written.size)),
    )
    for name, step in steps:
        found[name] = step()
        print(f"{name}: {found[name]}", flush=True)
    READING.set(folder=str(folder / "warm"), gigabytes=10, retry_seconds=10, grouped=True)
    cached = ShardedDataset(ADDRESS)
    assert all(cached[index]["label"] == files[index]["label"] for index in range(samples)), "it is warm from here on"
    sources = {"files": files, "shards": ShardedDataset(folder / "pack"), "warm cache": cached}
    orders = {
        "speed": ShardSampler(cached.shard_starts(), samples, group=GROUP, seed=0),
        "speed in random order": ShuffledSampler(samples, 0),
    }
    for name, sampler in orders.items():
        found[name] = measure_speed(sources, sampler, samples)
        print(f"{name}: {found[name]}", flush=True)
    return found


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--edge", type=int, default=384, help="of an image, pixels")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[2]))
    # the store is the one of the tests
    from tests.object_stores import open_store

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, open_store("data", patch.setenv) as proxy:
        found = measure(Path(folder), options.samples, options.edge, proxy)
    if options.out is not None:
        options.out.write_text(json.dumps(found, indent=1))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
