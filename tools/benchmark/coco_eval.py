"""Seconds that the matching of COCO takes: Pet's (faster-coco-eval) compared with pycocotools' own, on the same random boxes.

Images have 7 objects of 80 classes and 100 detections each, about COCO's numbers. The two take turns, medians are shown. Both
get the ground truth and the detections as lists in memory and end with the twelve numbers, which have to be equal. Two ratios:
all of pycocotools' work by all of ours, and pycocotools' matching (``evaluate`` and ``accumulate``) by all of ours.
The last line is one JSON object.

    python tools/benchmark/coco_eval.py [--images 5000] [--repeats 3]
"""

import argparse
import contextlib
import copy
import io
import json
import statistics
import time
from typing import Any

import numpy as np
from counts import count
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pet.metrics.coco import Record, coco_precision

CLASSES = 80
OBJECTS = 7
DETECTIONS = 100
WIDTH, HEIGHT = 640, 480


def main() -> None:
    """Measure, print a table, and print the figures as one JSON object in the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=count, default=5000, help="with 100 detections each")
    parser.add_argument("--repeats", type=count, default=3, help="evaluations of each kind")
    arguments = parser.parse_args()
    figures = measure(arguments.images, arguments.repeats)
    print(f"{arguments.images} images with {DETECTIONS} detections each")
    print(f"{'pycocotools':<34}{figures['pycocotools_s']:>9.2f} s")
    print(f"{'  of it evaluate and accumulate':<34}{figures['pycocotools_matching_s']:>9.2f} s")
    print(f"{'pet.metrics.coco':<34}{figures['ours_s']:>9.2f} s")
    print(f"{figures['ratio']:.1f} times as fast; {figures['matching_ratio']:.1f} times as its matching alone (at least 4 is wanted)")
    print(json.dumps(figures))


def measure(images: int, repeats: int) -> dict[str, float]:
    """Return the figures, times in seconds, medians over ``repeats``."""
    rng = np.random.default_rng(0)
    truth = make_truth(rng, images)
    detections = make_detections(rng, truth)
    rows: list[tuple[float, float, float]] = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = coco_precision(truth, detections, "bbox")
        ours = time.perf_counter() - start
        whole, matching, stats = run_pycocotools(truth, detections)
        # pycocotools says -1 where there is nothing to find
        assert np.abs(np.array(list(result.figures.values())) - stats.clip(min=0)).max() < 1e-6, "the two do not agree"
        rows.append((ours, whole, matching))
    ours, whole, matching = (statistics.median(column) for column in zip(*rows, strict=True))
    return {
        "images": images,
        "ours_s": round(ours, 3),
        "pycocotools_s": round(whole, 3),
        "pycocotools_matching_s": round(matching, 3),
        "ratio": round(whole / ours, 2),
        "matching_ratio": round(matching / ours, 2),
        "AP": round(result.figures["AP"], 4),
    }


def run_pycocotools(truth: dict[str, Any], detections: list[Record]) -> tuple[float, float, np.ndarray]:
    """Return the seconds of all work and of the matching, and the twelve numbers."""
    # it writes into what it is given
    truth, detections = copy.deepcopy(truth), copy.deepcopy(detections)
    with contextlib.redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        expected = COCO()
        expected.dataset = truth
        expected.createIndex()
        evaluation = COCOeval(expected, expected.loadRes(detections), "bbox")
        begin = time.perf_counter()
        evaluation.evaluate()
        evaluation.accumulate()
        matching = time.perf_counter() - begin
        evaluation.summarize()
    return time.perf_counter() - start, matching, evaluation.stats


def make_truth(rng: np.random.Generator, images: int) -> dict[str, Any]:
    """Return objects as in a COCO file, every hundredth a crowd."""
    total = images * OBJECTS
    sizes = np.exp(rng.uniform(np.log(8), np.log(400), (total, 2)))
    boxes = np.concatenate([rng.random((total, 2)) * (np.array([WIDTH, HEIGHT]) - sizes), sizes], axis=1)
    columns = boxes.tolist(), rng.integers(1, CLASSES + 1, total).tolist(), sizes.prod(axis=1).tolist(), (rng.random(total) < 0.01).tolist()
    return {
        "info": {},
        "images": [{"id": number, "height": HEIGHT, "width": WIDTH} for number in range(1, images + 1)],
        "categories": [{"id": number, "name": f"class {number}"} for number in range(1, CLASSES + 1)],
        "annotations": [
            {"id": place + 1, "image_id": place // OBJECTS + 1, "bbox": box, "category_id": label, "area": area, "iscrowd": int(crowd)}
            for place, (box, label, area, crowd) in enumerate(zip(*columns, strict=True))
        ],
    }


def make_detections(rng: np.random.Generator, truth: dict[str, Any]) -> list[Record]:
    """Return shifted objects of their image, six in ten with the right class, as in a COCO result file."""
    total = len(truth["images"]) * DETECTIONS
    images = np.repeat(np.arange(len(truth["images"])), DETECTIONS)
    objects = images * OBJECTS + rng.integers(0, OBJECTS, total)
    boxes = np.array([item["bbox"] for item in truth["annotations"]])[objects]
    boxes += rng.normal(0, 0.1, (total, 4)) * boxes[:, [2, 3, 2, 3]]
    boxes[:, 2:] = boxes[:, 2:].clip(min=1)
    labels = np.array([item["category_id"] for item in truth["annotations"]])[objects]
    labels = np.where(rng.random(total) < 0.6, labels, rng.integers(1, CLASSES + 1, total))
    columns = (images + 1).tolist(), boxes.tolist(), labels.tolist(), rng.random(total).tolist()
    return [
        {"image_id": image, "bbox": box, "category_id": label, "score": score} for image, box, label, score in zip(*columns, strict=True)
    ]


if __name__ == "__main__":
    main()
