"""What a rank needs at a scale that no test has: python tools/benchmark/scale.py [--samples 1000000000].

Measured here are the memory and the processor time of a rank's order: the table of shards, the first keys at iteration 10^6, and the keys
of an iteration. Printed beyond that is arithmetic for 1, 8, 64 and 512 nodes from the figures that are given, no measurement.
"""

import argparse
import json
import resource
import time
import tracemalloc

import numpy as np
from counts import count

from pet.data.shards.layout import SAMPLE_ROW, SHARD_ROW
from petlib.data.shard_sampler import ShardSampler
from petlib.data.train_batches import TrainBatches

NODES = (1, 8, 64, 512)


def measure_rank(samples: int, per_shard: int, group: int, batch: int) -> dict[str, float]:
    """Build what a rank knows of all samples, and begin at iteration 10^6."""
    tracemalloc.start()
    begin = time.process_time()
    table = np.zeros(-(-samples // per_shard), SHARD_ROW)
    starts = np.arange(len(table), dtype=np.int64) * per_shard
    sampler = ShardSampler(starts, samples, group=group, seed=0)
    batches = TrainBatches(sampler, batch_size=batch, world_size=8, epochwise=False)
    next(batches.keys(10**6, 10**6 + 1))
    started = time.process_time() - begin
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    begin = time.process_time()
    computed = sum(len(keys) for keys in batches.keys(10**6, 10**6 + 100))
    return {
        "shards": len(table),
        "seconds to the first keys": round(started, 3),
        "MB held": round(held / 1e6, 1),
        "MB at most": round(peak / 1e6, 1),
        "microseconds a key": round((time.process_time() - begin) / computed * 1e6, 2),
        "MB of the process": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1),
    }


def arithmetic(options: argparse.Namespace) -> list[dict[str, float]]:
    """Return requests and bytes a second for each number of nodes."""
    rows = []
    for nodes in NODES:
        per_second = nodes * options.devices * options.images_a_second
        size = per_second * options.sample_bytes
        rows.append(
            {
                "nodes": nodes,
                "samples a second": per_second,
                "GB a second": round(size / 1e9, 3),
                "of a node, GB a second": round(size / nodes / 1e9, 3),
                "requests a second by shards": round(per_second / options.per_shard * nodes, 2),
                "GB a second where every node reads all shards": round(size * nodes / 1e9, 3),
                "GB a second by lanes": round(size * (1 + (nodes - 1) * options.per_shard / options.samples) / 1e9, 3),
                "requests a second by lanes": round(per_second / options.per_shard, 2),
                "requests a second one by one": per_second,
                "hours of an epoch": round(options.samples / per_second / 3600, 2),
                "MB of indexes that a node keeps": round(2 * options.group * options.per_shard * SAMPLE_ROW.itemsize / 1e6, 2),
            }
        )
    return rows


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=count, default=10**9)
    parser.add_argument("--per_shard", type=count, default=2500)
    parser.add_argument("--sample_bytes", type=count, default=100_000)
    parser.add_argument("--group", type=count, default=16)
    parser.add_argument("--devices", type=count, default=8, help="of a node")
    parser.add_argument("--images_a_second", type=count, default=1000, help="that a device trains on")
    parser.add_argument("--batch", type=count, default=4096)
    parser.add_argument("--repeats", type=count, default=3, help="of the measurement; the quickest counts")
    options = parser.parse_args()
    for row in arithmetic(options):
        print(f"arithmetic: {json.dumps(row)}")
    print("measured:")
    found = [measure_rank(options.samples, options.per_shard, options.group, options.batch) for _ in range(options.repeats)]
    print(json.dumps(min(found, key=lambda figures: figures["seconds to the first keys"])))


if __name__ == "__main__":
    main()
