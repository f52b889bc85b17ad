"""Looks at images or videos: python tools/inference.py --cfg PATH --images FOLDER|FILE|PATTERN --out FOLDER [--weights FILE].

Writes each image with what was found drawn on it, and a JSON file beside; of a video a drawn video. The weights are those that
TEST.WEIGHTS means: by default the best or else the latest of the training with this config. VIS.* keys set what is drawn.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pet import data, visual
from pet.vision import inference
from petlib import engine
from petlib.config import CfgNode, ConfigError
from petlib.errors import DataError
from petlib.launch import run_tool

if TYPE_CHECKING:
    from pet.vision.inference import Inputs, Summary

ROOT = Path(__file__).resolve().parents[1]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument(
        "--images", required=True, metavar="PATH", help="a folder, an image, a video, or a pattern in quotes, e.g. 'a/*.jpg'"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where the results go")
    parser.add_argument("--weights", default="", metavar="FILE", help="a checkpoint (default: what TEST.WEIGHTS says)")


def infer(cfg: CfgNode, options: argparse.Namespace) -> int:
    """Look at the files, and say what was found."""
    # slow, and only needed here
    from rich.progress import Progress

    if "HAS_CLS" not in cfg.MODEL:
        raise ConfigError(f"{options.cfg}: inference is there for the configs of cfgs/vision; this one is of another task")
    if options.weights:
        cfg.defrost()
        cfg.set("TEST.WEIGHTS", options.weights)
        cfg.freeze()
    inputs, settings, names = inference.find_inputs(options.images), visual.build_draw_settings(cfg), inference.find_names(cfg)
    with engine.open_run(cfg, record=str(options.out.absolute() / "config.yaml")) as device:
        data.prepare_readers(cfg)
        predictor = inference.build_predictor(cfg, device)
        with Progress(transient=True) as bar:
            task = bar.add_task("inference", total=len(inputs.images) + sum(map(inference.count_frames, inputs.videos)))
            summary = inference.run_inference(
                predictor, inputs, options.out, names=names, settings=settings, progress=lambda: bar.advance(task)
            )
    print(describe(inputs, summary, options.out))
    if not summary.images and not summary.frames:
        raise DataError(f"--images {options.images}: {counted(len(summary.unreadable), 'file')} there, none of which can be read")
    return 0


def describe(inputs: "Inputs", summary: "Summary", folder: Path) -> str:
    """Return what was done, in a few lines."""
    looked = [counted(summary.images, "image")] if inputs.images else []
    if inputs.videos:
        looked.append(f"{counted(summary.frames, 'frame')} of {counted(len(inputs.videos), 'video')}")
    found = ", ".join(f"{name} x {count:,}" for name, count in summary.objects.most_common(10)) or "nothing above VIS.SCORE_THRESHOLD"
    lines = [f"{' and '.join(looked)}: {found}"]
    if summary.unreadable:
        lines.append(f"{counted(len(summary.unreadable), 'file')} left out, not to be read")
    return "\n".join([*lines, f"results are in {folder}"])


def counted(count: int, what: str) -> str:
    """Return a number and what it counts."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


if __name__ == "__main__":
    run_tool(infer, package="pet", description=(__doc__ or "").partition(":")[0], add_options=add_options, repository=ROOT)
