"""Latency of a network in PyTorch and of its exported file in onnxruntime, side by side; with --formats also in int8 and in OpenVINO.

A network with random weights is exported, checked against PyTorch and loaded. Then each repeat runs the same image through PyTorch (eager,
in inference mode) and through onnxruntime, one after the other, on the same number of threads; medians count. The detector is exported
with its suppression, so that both give boxes. The last line is one JSON object.

    python tools/benchmark/export.py [--task classification] [--backbone torchvision/resnet18] [--size 224] [--formats]

With --formats the same graph also runs in int8, calibrated on the random image (its results are worth nothing, its speed is that of real
ones), and both files in OpenVINO.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from counts import count

from pet.exporting import OnnxModel, OpenVinoModel, quantise, write_openvino
from pet.vision import TASK, GeneralizedCNN, config
from pet.vision.export import PlainNetwork
from petlib.config import CfgNode

TASKS: dict[str, dict[str, Any]] = {
    "classification": {"MODEL.HAS_CLS": True, "MODEL.NUM_CLASSES": 1000},
    "segmentation": {"MODEL.HAS_SEMSEG": True, "MODEL.NUM_CLASSES": 21},
    "detection": {"MODEL.HAS_BOX": True, "MODEL.NECK": "fpn", "MODEL.NUM_CLASSES": 80},
}
WARM_UP = 2


def build_cfg(task: str, backbone: str, size: int) -> CfgNode:
    """Return the settings of a network for images of ``size`` pixels along both edges."""
    cfg = config.get_base_cfg()
    values: dict[str, Any] = {
        "MODEL.BACKBONE": backbone,
        "EXPORT.SIZE": [size, size],
        "EXPORT.NORMALIZE": False,
        "TEST.TRANSFORMS": ["Normalize"],
    }
    for key, value in {**values, **TASKS[task]}.items():
        cfg.set(key, value)
    config.infer_cfg(cfg)
    cfg.freeze()
    return cfg


def measure(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median time of each, milliseconds; they take turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(WARM_UP + repeats):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - begin) * 1e3)
    return {name: statistics.median(values[WARM_UP:]) for name, values in times.items()}


def further_files(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, OnnxModel | OpenVinoModel]:
    """Return the files that are made of an ONNX file, ready to run."""
    int8 = path.with_name("int8.onnx")
    quantise(path, int8, [arrays])
    for source in (path, int8):
        write_openvino(source, source.with_suffix(".xml"), {})
    return {
        "int8": OnnxModel(int8),
        "openvino": OpenVinoModel(path.with_suffix(".xml")),
        "openvino_int8": OpenVinoModel(int8.with_suffix(".xml")),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--task", default="classification", choices=tuple(TASKS), help="what the network does")
    parser.add_argument("--backbone", default="torchvision/resnet18", help="MODEL.BACKBONE")
    parser.add_argument("--size", type=count, default=224, help="height and width of the image, pixels")
    parser.add_argument("--threads", type=count, default=1, help="threads of both")
    parser.add_argument("--repeats", type=count, default=20, help="runs of each")
    parser.add_argument("--formats", action="store_true", help="also int8 and OpenVINO")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    cfg = build_cfg(options.task, options.backbone, options.size)
    network = GeneralizedCNN(cfg).eval()
    plain = network.backbone if options.task == "classification" else PlainNetwork(network)
    image = torch.rand(1, 3, options.size, options.size)
    with tempfile.TemporaryDirectory() as folder:
        report = TASK.export(cfg, network, Path(folder) / "model.onnx")
        loaded, arrays = OnnxModel(report.path), {"images": image.numpy(), "image_size": np.array(image.shape[2:])}
        arrays = {name: array for name, array in arrays.items() if name in loaded.inputs}

        def run_plain() -> None:
            with torch.inference_mode():
                plain(image)

        further = further_files(report.path, arrays) if options.formats else {}
        runs: dict[str, Callable[[], object]] = {name: partial(model, arrays) for name, model in further.items()}
        times = measure({"PyTorch": run_plain, "onnxruntime": lambda: loaded(arrays), **runs}, options.repeats)
    print(
        f"{options.task}, {options.backbone}, {options.size}x{options.size} pixels, {options.threads} threads, {options.repeats} runs each"
    )
    for name, value in times.items():
        print(f"  {name:12} {value:8.2f} ms")
    ratio = times["PyTorch"] / times["onnxruntime"]
    print(f"  onnxruntime is {ratio:.2f} times as fast; the outputs differ by at most {report.largest_difference:.2g}")
    figures = {"pytorch_ms": times["PyTorch"], "onnxruntime_ms": times["onnxruntime"], "ratio": ratio, "megabytes": report.size / 1e6}
    figures |= {f"{name}_ms": times[name] for name in further}
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
