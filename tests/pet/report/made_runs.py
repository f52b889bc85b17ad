"""Folders of runs as a training and a test leave them."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pet.visual.charts import Chart, Line, LineChart, Table, make_calibration, make_confusion, make_histogram, write_charts

METRICS = {"bbox/AP": 0.4321987654321, "bbox/APl": None, "bbox/AP/cat": 0.51234567891, "bbox/AP/dog": 0.3, "bbox/AP/</script>": 0.1}
CLASSES = ("first", "second", "</script><script>alert(1)</script>")


def write_run(folder: Path, *, lr: float = 0.1, tested: bool = True, images: int = 200, pictures: int = 2) -> Path:
    """Write the files of a run and return its folder."""
    (folder / "logs").mkdir(parents=True)
    rows: list[dict[str, Any]] = [
        {"iteration": place, "lr": lr, "iter_time": 0.2, "data_time": 0.1, "memory_mb": 900.0, "loss": 5 / place} for place in range(1, 41)
    ]
    rows += [{"iteration": place, "bbox/AP": 0.4 + (place == 20) * 0.2} for place in (10, 20, 30, 40)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"iteration": 41, "lo')
    facts = {
        "state": "running" if not tested else "finished",
        "settings": [{"key": "SOLVER.OPTIMIZER.BASE_LR", "value": lr, "default": 0.1, "place": "command line"}],
        "versions": {"torch": "2.0"},
        "hardware": {"device": "a processor"},
        "weights": {"began with": "random weights"},
        "classes": {"boxes": ["cat", "dog", "</script>"]},
        "seconds": 83.0,
        "iterations": 40,
    }
    (folder / "run.json").write_text(json.dumps(facts))
    lines = ["[11-29 18:23:46] WARNING: an image is left out: <b>", "[11-29 18:23:46] |-[a.yaml]-[iter: 30/40]-[lr: 0.1]-[eta: 0:00:10]"]
    (folder / "logs" / "train_rank0.log").write_text("\n".join(lines))
    write_pictures(folder / "latest", 2)
    if tested:
        (folder / "test").mkdir()
        (folder / "test" / "metrics.json").write_text(json.dumps(METRICS))
        write_charts(folder / "test" / "charts.json", made_charts(images))
        write_pictures(folder / "test" / "samples", pictures)
    return folder


def made_charts(images: int) -> list[Chart]:
    rng = np.random.default_rng(0)
    scores, right = rng.random(images * 20), rng.random(images * 20) < 0.5
    curve = np.linspace(0, 1, images * 20)
    return [
        Table("Classes", ["class", "samples", "recall %"], [[name, 3, 0.5] for name in CLASSES]),
        make_confusion("Confusion", CLASSES, np.arange(9).reshape(3, 3)),
        make_calibration(scores, right, what="boxes"),
        make_histogram("Scores", "score", {"right": scores[right], "wrong": scores[~right]}),
        LineChart("Precision and recall", "recall", "precision", [Line(CLASSES[2], curve, 1 - curve)]),
    ]


def write_pictures(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    records = []
    for number in range(count):
        picture = np.random.default_rng(number).integers(0, 255, (240, 320, 3), np.uint8)
        picture = cv2.GaussianBlur(picture, (0, 0), 4)
        cv2.imwrite(str(folder / f"{number}.jpg"), picture)
        shown = [{"title": title, "file": f"{number}.jpg", "width": 320, "height": 240} for title in ("truth", "prediction")]
        records.append({"sort": "worst", "name": f"image {number} <i>", "score": 0.1, "remark": "1 of 2 found", "pictures": shown})
    (folder / "samples.json").write_text(json.dumps(records))
