"""Predicts images and videos: python tools/inference.py --cfg PATH --images FOLDER|FILE|PATTERN --out FOLDER [--weights FILE].

Detectors, classifiers and networks of several heads draw what was found on each image and write a JSON file next to it; networks of
segmentation write label maps and pictures of them. A GeoTIFF keeps its place on the earth, a video becomes a drawn video with a record
of its frames; with --track the objects of its frames, or of those of a folder, are followed and numbered. The weights are those of
TEST.WEIGHTS: by default the best or else the latest of the training with this config; a file that ends with .onnx is an exported one.
VIS.* keys set what is drawn. A detector of points takes files of points, and draws them from above, next to their images where KITTI's
folders have these.
"""

import argparse
from pathlib import Path
from typing import Any, NoReturn

from pet import data, exporting, models, prediction, visual
from pet.task import PACKAGE, Task, find_task
from pet.tracking import TRACKERS, build_tracker, parse_tracker
from pet.typed import PetConfig
from petlib import engine
from petlib.addresses import local_path
from petlib.errors import ConfigError, DataError, name_in_errors
from petlib.launch import run_tool
from petlib.suggest import counted


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument(
        "--images", required=True, metavar="PATH", help="a folder, an image, a video, or a pattern in quotes, e.g. 'a/*.jpg'; GeoTIFFs too"
    )
    parser.add_argument("--images2", default="", metavar="PATH", help="the later date of each image, for change detection")
    parser.add_argument("--out", required=True, type=local_path, metavar="FOLDER", help="where the results go")
    parser.add_argument(
        "--weights", default="", metavar="FILE", help="a checkpoint or an exported .onnx file (default: what TEST.WEIGHTS says)"
    )
    parser.add_argument(
        "--window",
        type=int,
        default=0,
        metavar="PIXELS",
        help="edge of the windows that images are looked at through (default: TEST.SLIDING.SIZE; else 1024 of segmentation, else none)",
    )
    parser.add_argument(
        "--track",
        default="",
        metavar="NAME",
        help=f"follow objects over frames of videos and folders: {', '.join(TRACKERS.names())}, or '{{name: sort, buffer: 2}}'",
    )
    parser.add_argument("--polygons", action="store_true", help="also write areas and objects as GeoJSON")


OPTIONS = {
    "find_inputs.images": "--images",
    "TEST.WEIGHTS": "--weights (TEST.WEIGHTS)",
    "find_inputs.images2": "--images2",
    "predict_files.folder": "--out",
    "predict_files.polygons": "--polygons",
    "build_predictor.window": "--window",
    "follow_objects.tracker": "--track",
}
"""Arguments, as messages call them -> options of the command line."""


def infer(cfg: PetConfig, options: argparse.Namespace) -> int:
    """Predict the files, and say what was found."""
    if options.track:
        # before the model is read
        build_tracker(parse_tracker(options.track, place="--track"), place="--track")
    task = find_task(Path(options.cfg), type_folder=options.type)
    with name_in_errors(OPTIONS):
        inputs = prediction.find_inputs(options.images, options.images2, suffixes=input_suffixes(task, cfg))
        summary = predict(cfg, task, inputs, options)
    print(describe(inputs, summary, options.out))
    if not summary.images and not summary.frames:
        raise DataError(
            f"--images {options.images}: {counted(len(summary.unreadable), 'file')} given, none of which can be read; the first: "
            f"{summary.unreadable[0]}"
        )
    return 0


def input_suffixes(task: Task[Any], cfg: PetConfig) -> tuple[str, ...]:
    """Return how the names of the files end that the model looks at; empty: they are images and videos."""
    try:
        return prediction.find_suffixes(task.expected_data(cfg).inputs)
    except ConfigError:
        # a task with data of its own
        return ()


def predict(cfg: PetConfig, task: Task[Any], inputs: "prediction.Inputs", options: argparse.Namespace) -> "prediction.PredictionSummary":
    """Write the results of the files, with a bar that shows how far it is."""
    # slow, and only needed here
    from rich.progress import Progress

    exporting.choose_weights(cfg, options.weights)
    drawing = visual.build_draw_settings(cfg)
    models.find_test_weights(cfg)
    record = str(options.out.absolute() / "config.yaml")
    with engine.open_run(cfg, record=record) as device:
        data.prepare_readers(cfg)
        predictor = task.build_predictor(cfg, device, window=options.window)
        if options.track:
            predictor = prediction.follow_objects(predictor, parse_tracker(options.track, place="--track"))
        engine.write_record(cfg, record)
        with Progress(transient=True) as bar:
            frames = sum(prediction.count_frames(video.paths[0]) for video in inputs.videos)
            work = bar.add_task("inference", total=len(inputs.images) + frames)
            return prediction.predict_files(
                predictor,
                inputs,
                options.out,
                drawing=drawing,
                polygons=options.polygons,
                progress=lambda share: bar.advance(work, share),
            )


def describe(inputs: "prediction.Inputs", summary: "prediction.PredictionSummary", folder: Path) -> str:
    """Return what was done, in a few lines."""
    seen = [counted(summary.images, "image")] if inputs.images else []
    if inputs.videos:
        seen.append(f"{counted(summary.frames, 'frame')} of {counted(len(inputs.videos), 'video')}")
    lines = [" and ".join(seen)]
    if summary.objects is not None:
        found = ", ".join(f"{name} ({count:,})" for name, count in summary.objects.most_common(10))
        lines[0] += f"; found by class: {found}" if found else "; nothing above VIS.SCORE_THRESHOLD"
    if summary.unreadable:
        lines.append(f"{counted(len(summary.unreadable), 'file')} left out, not to be read")
    return "\n".join([*lines, f"results are in {folder}"])


def main() -> NoReturn:
    """Read the command line, predict, and exit."""
    run_tool(infer, package=PACKAGE, description=(__doc__ or "").partition(":")[0], add_options=add_options)
