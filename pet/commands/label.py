"""Labels to fix and images to label: pet-label RUN [--split train] [--top N], or pet-label RUN --unlabelled FOLDER --top N.

RUN is the output folder of a training. Without --unlabelled its labels are compared with what the model predicts, and those that it doubts
most are listed with their pictures: what to fix first. With --unlabelled the images of a folder that are most worth labelling are listed,
with predictions that an annotator begins with, for CVAT (COCO) and Label Studio.
"""

import argparse
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from pet import api, data, prediction, visual
from pet.api.runs import Source, load_run_config
from pet.data.report.trained_names import find_trained_names
from pet.data.targets.kinds import kinds_in
from pet.data.targets.label_doubts import CONFIDENT, Doubt, LabelDoubts
from pet.data.targets.observation import SamplePlace
from pet.prediction.worth_labelling import choose_images, look_of, uncertainty_of
from pet.prediction.writers.pre_labels import PreLabels, pre_labels_of
from pet.report.label_page import describe_unfit, draw_found, write_choice_page, write_doubts_page
from petlib.addresses import local_path
from petlib.errors import ConfigError, DataError, name_in_errors
from petlib.files import check_folder, reading_errors, write_text_atomically, writing_errors
from petlib.launch.process.tool import run_plain_tool
from petlib.log import ConsoleHandler
from petlib.suggest import counted

LABELS = "labels"
SHOWN, CHOSEN = 60, 50
AT_ONCE = 16
BY_BOTH = "The model is unsure of these, and they differ from each other. What it found is in the files for annotation tools."
BY_LOOKS = "The predictions do not say how sure the model is, so these are the images that differ most from each other."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the output folder of a training, or weights in it")
    parser.add_argument("--split", choices=("train", "test"), default="train", help="whose labels are compared (default: train)")
    parser.add_argument("--unlabelled", metavar="PATH", help="a folder of images without labels, or a pattern in quotes")
    parser.add_argument("--top", type=int, metavar="N", help=f"how many are shown, or chosen (default: {SHOWN} and {CHOSEN})")
    parser.add_argument(
        "--score",
        type=float,
        default=CONFIDENT,
        metavar="S",
        help="from which score on a found object counts (default: %(default)g)",
    )
    parser.add_argument(
        "--out", type=local_path, metavar="FOLDER", help=f"where the results go (default: {LABELS} in the folder of the run)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")


def label(options: argparse.Namespace) -> int:
    """List the labels that the model doubts, or the images that are most worth labelling.

    Raises:
        ConfigError: an option is wrong, or the model predicts nothing that labels can be compared with.
        OutputError: the results cannot be written.
    """
    if options.top is not None and options.top < 1:
        raise ConfigError(f"--top {options.top}: a number from 1 on expected")
    if not 0 < options.score < 1:
        raise ConfigError(f"--score {options.score:g}: a number between 0 and 1 expected")
    if options.out is not None:
        # before the model is made and predicts for hours
        check_folder(options.out, f"--out {options.out}")
    logging.getLogger().addHandler(ConsoleHandler())
    model = api.load(options.run, device=options.device)
    folder = options.out or Path(model.cfg.MISC.CKPT) / LABELS
    with writing_errors(f"--out {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
    # what is written is reported as such where it is
    with reading_errors():
        lines = find_doubts(model, folder, options) if options.unlabelled is None else choose_unlabelled(model, folder, options)
    print("\n".join(lines))
    return 0


def find_doubts(model: "api.Model", folder: Path, options: argparse.Namespace) -> list[str]:
    """Write ``doubts.json`` and ``doubts.html``; return what is printed."""
    task, cfg = load_run_config(Source(options.run), {})
    names, expected = cfg[options.split.upper()].DATASETS, task.expected_data(cfg)
    if not names:
        raise ConfigError(f"{options.split.upper()}.DATASETS of {options.run}: nothing given; choose the other --split")
    dataset = data.build_dataset(cfg, names, expected.kinds, names=find_trained_names(cfg, expected.kinds))
    name = ", ".join(names)
    shown_names, drawing = visual.TargetNames.of_dataset(dataset), visual.build_draw_settings(cfg)._replace(score_threshold=options.score)
    doubts = LabelDoubts(shown_names, confident=options.score)
    for number, sample, found in _predict(model, dataset, range(len(dataset)), "labels"):
        doubts.look(SamplePlace(name, number), sample, dataset.truth(number), found)
    if not doubts.compared:
        raise ConfigError(
            f"{options.run}: none of the labels can be compared with its predictions; classes of images, boxes and classes of pixels can be"
        )
    ranked, shown = doubts.ranked(), options.top or SHOWN
    drawn = sorted({doubt.finding.samples[0].number for doubt in ranked[:shown]})
    predicted = {
        SamplePlace(name, number): draw_found(data.side_by_side("", sample)[-1][1]["image"], found, shown_names, drawing)
        for number, sample, found in _predict(model, dataset, drawn, "pictures")
    }
    with writing_errors(f"--out {folder}"):
        write_text_atomically(folder / "doubts.json", json.dumps([_record(doubt) for doubt in ranked], ensure_ascii=False, indent=1))
    page = folder / "doubts.html"
    write_doubts_page(
        page,
        ranked,
        compared=doubts.compared,
        doubted_share=doubts.doubted_share(),
        shown=shown,
        dataset={name: dataset},
        predicted=predicted,
        settings=drawing,
        title=Path(cfg.MISC.CKPT).absolute().name,
    )
    lines = [f"{name}: the labels of {counted(doubts.compared, 'sample')} were compared, {len(ranked):,} are doubtful; the first:"]
    lines += [f"  {doubt.score:.2f}  {doubt.finding.place}: {doubt.finding.detail}" for doubt in ranked[:10]]
    unfit = describe_unfit(doubts.doubted_share())
    warned = [f"the model is not good enough to judge. {unfit}"] if unfit else []
    return [*(lines if ranked else lines[:1]), *warned, f"written: {folder / 'doubts.json'}, {page}"]


def choose_unlabelled(model: "api.Model", folder: Path, options: argparse.Namespace) -> list[str]:
    """Write the list of images, its page and the pre-labels; return what is printed."""
    with name_in_errors({"find_inputs.images": "--unlabelled"}):
        files = [entry.paths[0] for entry in prediction.find_inputs(options.unlabelled).images]
    readable, uncertainties, looks = [], [], []
    for file, image, found in _predict_files(model, files):
        readable.append(file)
        uncertainties.append(uncertainty_of(found))
        looks.append(look_of(image))
    if not readable:
        raise DataError(f"--unlabelled {options.unlabelled}: none of {counted(len(files), 'file')} is an image that can be read")
    sure = [value for value in uncertainties if value is not None]
    known = np.array(sure if len(sure) == len(readable) else [0.0] * len(readable))
    places = choose_images(known, np.stack(looks), options.top or CHOSEN)
    root, drawing = _common_folder(readable), visual.build_draw_settings(model.cfg)._replace(score_threshold=options.score)
    chosen, pre_labels = [], PreLabels(model.names.semseg_classes or model.names.classes)
    for place, (file, image, found) in zip(places, _predict_files(model, [readable[place] for place in places]), strict=True):
        size = image.shape[0], image.shape[1]
        name = file.relative_to(root).as_posix()
        chosen.append((name, draw_found(image, found, model.names, drawing), uncertainties[place]))
        pre_labels.add(name, size, pre_labels_of(found, size, model.names, options.score))
    title = Path(model.cfg.MISC.CKPT).absolute().name
    with writing_errors(f"--out {folder}"):
        written = [folder / "to_label.txt", *pre_labels.write(folder, model=title), folder / "to_label.html"]
        write_text_atomically(written[0], "".join(f"{name}\n" for name, *_ in chosen))
    write_choice_page(
        written[-1],
        chosen,
        looked_at=len(readable),
        settings=drawing,
        title=title,
        note=BY_BOTH if sure else BY_LOOKS,
    )
    left_out = f"; {counted(len(files) - len(readable), 'file')} left out, not to be read" if len(files) > len(readable) else ""
    lines = [f"{counted(len(chosen), 'image')} of {len(readable):,} below {root} chosen{left_out}"]
    return [*lines, *([] if sure else [BY_LOOKS]), f"written: {', '.join(map(str, written))}"]


def _predict(
    model: "api.Model", dataset: "data.Dataset", numbers: Sequence[int], what: str
) -> Iterator[tuple[int, dict[str, Any], dict[str, Any]]]:
    """Yield samples with what the model finds in them, with a bar that shows how far it is."""
    # slow, and only needed here
    from rich.progress import Progress

    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        work = bar.add_task(what, total=len(numbers))
        for start in range(0, len(numbers), AT_ONCE):
            own = numbers[start : start + AT_ONCE]
            samples = [dataset[number] for number in own]
            pictures = [[sample[kind.name] for kind in kinds_in(sample).pixels] for sample in samples]
            later = [images[1] for images in pictures] if len(pictures[0]) > 1 else None
            found = model.predict([images[0] for images in pictures], later)
            for number, sample, one in zip(own, samples, found, strict=True):
                bar.advance(work)
                yield number, sample, dict(one.fields)


def _predict_files(model: "api.Model", files: Sequence[Path]) -> Iterator[tuple[Path, np.ndarray, dict[str, Any]]]:
    """Yield files with their images and what the model finds in them; those that cannot be read are left out."""
    for start in range(0, len(files), AT_ONCE):
        images = []
        for file in files[start : start + AT_ONCE]:
            try:
                images.append((file, data.read_image(file)))
            except DataError as error:
                logging.getLogger(__name__).warning("left out: %s", error)
        found = model.predict([file for file, _ in images]) if images else []
        for (file, image), one in zip(images, found, strict=True):
            yield file, image, dict(one.fields)


def _common_folder(files: Sequence[Path]) -> Path:
    parents = [file.parent for file in files]
    shortest = min(parents, key=lambda parent: len(parent.parts))
    return next(folder for folder in (shortest, *shortest.parents) if all(parent.is_relative_to(folder) for parent in parents))


def _record(doubt: Doubt) -> dict[str, Any]:
    return {"score": round(doubt.score, 4), **doubt.finding.as_dict()}


def main() -> NoReturn:
    """Read the command line, list, and exit."""
    run_plain_tool(label, description=(__doc__ or "").partition(":")[0], add_options=add_options)
