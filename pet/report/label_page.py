"""The pages of labels: those that a model doubts most, and images that are most worth labelling."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.targets.dataset import Dataset
from pet.data.targets.drawing import draw_predictions
from pet.data.targets.label_doubts import Doubt, kinds_of
from pet.data.targets.observation import SamplePlace
from pet.report.blocks import Block, Section, samples_block, table_block
from pet.report.document import render_document, render_section
from pet.report.finding_pictures import PICTURE, Illustrator, Picture, as_picture
from pet.visual.canvas import scale_to_fit
from pet.visual.names import TargetNames
from pet.visual.settings import DrawSettings
from petlib.files import write_text_atomically, writing_errors

FIX_FIRST = (
    "The most doubtful label comes first. Look at each: where the model is right, correct the label; where the label is right, the sample "
    "is hard, and more of its kind helps."
)
UNFIT_SHARE = 0.5
"""A model that contradicts more of the labels says more about itself than about them."""
Predicted = Mapping[SamplePlace, Picture]
"""What the model found in a sample, drawn."""


def write_doubts_page(
    path: Path,
    doubts: Sequence[Doubt],
    *,
    compared: int,
    doubted_share: float,
    shown: int,
    dataset: Mapping[str, Dataset],
    predicted: Predicted,
    settings: DrawSettings,
    title: str,
) -> None:
    """Write the page of the labels that a model doubts.

    Args:
        path: the file.
        doubts: all of them, ranked.
        compared: samples whose labels were compared with predictions.
        doubted_share: share of the labels that the model contradicts.
        shown: how many of the doubts are shown.
        dataset: the data by their name.
        predicted: what the model found in the samples of those that are shown.
        settings: what is drawn.
        title: the name of the run.
    """
    illustrator = Illustrator(dataset, settings)
    records = []
    for rank, doubt in enumerate(doubts[:shown], start=1):
        record = illustrator.record(doubt.finding)
        found = predicted.get(doubt.finding.samples[0])
        if record["pictures"] and found is not None:
            illustrator.add(record, found)
        remark = f"{doubt.finding.kind}; {record['remark']}; {doubt.score:.2f}"
        records.append({**record, "name": f"{rank}. {record['name']}", "remark": remark})
    kinds = kinds_of(doubts)
    blocks: list[Block] = [{"kind": "tiles", "tiles": [("samples compared", compared), ("doubtful labels", len(doubts))]}]
    if unfit := describe_unfit(doubted_share):
        blocks.append({"kind": "advice", "title": "The model is not good enough to judge", "lines": [unfit]})
    if kinds:
        blocks.append(table_block("Doubts", ("what", "how often"), [[kind, count] for kind, count in kinds.items()], text=True))
    rest = len(doubts) - len(records)
    note = f"and {rest:,} more, see doubts.json" if rest else ""
    sections = [Section("summary", "Summary", blocks)]
    if records:
        sections.append(Section("first", "What to fix first", [samples_block("", records, lead=FIX_FIRST, note=note)]))
    _write(path, f"Doubtful labels: {title}", sections)


def describe_unfit(doubted_share: float) -> str:
    """Return what to think of a model that contradicts this share of the labels; empty: it may judge them."""
    if doubted_share <= UNFIT_SHARE:
        return ""
    return (
        f"It contradicts {doubted_share:.0%} of the labels. These doubts say more about the model than about the labels: train it further, "
        "or look at the figures of its test and at its data first; where it is good enough, a few labels in a hundred remain."
    )


def write_choice_page(
    path: Path,
    chosen: Sequence[tuple[str, Picture, float | None]],
    *,
    looked_at: int,
    settings: DrawSettings,
    title: str,
    note: str,
) -> None:
    """Write the page of the images that are most worth labelling.

    Args:
        path: the file.
        chosen: of each its name, what the model found, drawn, and how unsure it was.
        looked_at: number of images without labels.
        settings: what is drawn.
        title: the name of the run.
        note: how they were chosen.
    """
    illustrator, records = Illustrator({}, settings), []
    for rank, (name, picture, uncertainty) in enumerate(chosen, start=1):
        record: dict[str, Any] = {"name": f"{rank}. {name}", "remark": "", "pictures": []}
        if uncertainty is not None:
            record["remark"] = f"uncertainty {uncertainty:.2f}"
        illustrator.add(record, picture)
        records.append(record)
    tiles: Block = {"kind": "tiles", "tiles": [("images without labels", looked_at), ("chosen", len(chosen))]}
    sections = [Section("summary", "Summary", [tiles]), Section("first", "What to label first", [samples_block("", records, lead=note)])]
    _write(path, f"Images most worth labelling: {title}", sections)


def draw_found(image: np.ndarray, found: Mapping[str, Any], names: TargetNames, settings: DrawSettings) -> Picture:
    """Return what a model found in an image, uint8 (H, W, 3), drawn."""
    fitting = settings._replace(scale=scale_to_fit((image.shape[0], image.shape[1]), PICTURE))
    return as_picture("prediction", draw_predictions(image, found, names, fitting))


def _write(path: Path, title: str, sections: Sequence[Section]) -> None:
    text = render_document(title, str(path.absolute().parent), [render_section(one, one.title) for one in sections])
    with writing_errors(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, text)
