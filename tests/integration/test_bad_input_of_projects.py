"""Wrong files of sequences, dots and surfaces, by the command lines: one message that names the file, or a line that counts them."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pet.data.datasets.mannequins import write_mannequins
from pet.data.datasets.walkers import write_walkers
from tests.integration.conftest import ROOT, Done
from tests.integration.many_runs import run_many

SHORT = [
    *("SOLVER.SCHEDULER.TOTAL_EPOCHS=0", "SOLVER.SCHEDULER.TOTAL_ITERS=1", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=0", "TRAIN.BATCH_SIZE=2"),
    *("ANALYSER.ENABLED=False", "MISC.TENSORBOARD=False", "TEST.DATASETS=[]", "TRAIN.DATASETS=[own]"),
]
CONFIGS = {
    "fairmot": ("walkers/fairmot_R-18.yaml", "{type: mot, path: own, split: train}", ["MODEL.BACKBONE=timm/test_resnet"]),
    "crowdcounting": (
        "crowds/crowds_resnet10.yaml",
        "{type: dots, path: own/train.list}",
        [
            "MODEL.BACKBONE_ARGS={channels: [8, 8, 8, 8], stem_width: 8, out_indices: [2]}",
            "TRAIN.TRANSFORMS=[{name: RandomCrop, size: 32}, Normalize]",
        ],
    ),
    "densepose": (
        "mannequins_R-18-FPN.yaml",
        "{type: coco, path: own/train/images, annotations: own/train/annotations.json, mesh: own/train/mesh.npz}",
        ["MODEL.BACKBONE=timm/test_resnet", "MODEL.FPN.CHANNELS=16", "MODEL.BOX.ROI.HIDDEN=32", "MODEL.SURFACE.CHANNELS=[16]"],
    ),
}
TOLERATED = ("no frame rate", "frames missing", "boxes without image", "dots outside")
SEQUENCE = "train/WALKERS-01"

Spoil = Callable[[Path], None]


def remove(name: str) -> Spoil:
    """Return what removes a file."""
    return lambda folder: (folder / name).unlink()


def write(name: str, text: str, *, mode: str = "w") -> Spoil:
    """Return what writes a file, or adds lines to it (``mode`` "a")."""

    def spoil(folder: Path) -> None:
        with (folder / name).open(mode, encoding="utf-8") as file:
            file.write(text)

    return spoil


def remove_frames(step: int) -> Spoil:
    """Return what removes one of so many frames."""

    def spoil(folder: Path) -> None:
        for path in sorted((folder / SEQUENCE / "img1").iterdir())[::step]:
            path.unlink()

    return spoil


def set_entry(key: str, value: Any) -> Spoil:
    """Return what changes an entry of the first annotation."""

    def spoil(folder: Path) -> None:
        path = folder / "train" / "annotations.json"
        content = json.loads(path.read_text())
        content["annotations"][0][key] = value
        path.write_text(json.dumps(content))

    return spoil


def change_mesh(**arrays: np.ndarray) -> Spoil:
    """Return what changes arrays of the mesh."""

    def spoil(folder: Path) -> None:
        path = folder / "train" / "mesh.npz"
        with np.load(path) as content:
            whole = {name: content[name] for name in content.files}
        np.savez(path, **{**whole, **arrays})

    return spoil


GT, INFO, MESH = f"{SEQUENCE}/gt/gt.txt", f"{SEQUENCE}/seqinfo.ini", "train/mesh.npz"
SPOIL: dict[str, dict[str, tuple[Spoil, str]]] = {
    "fairmot": {
        "no frame rate": (remove(INFO), r"no frameRate in seqinfo.ini, 30 frames a second"),
        "frames missing": (remove_frames(2), r"img1: 30 of the 60 frames that seqinfo.ini says \(seqLength\) are there"),
        "boxes without image": (remove_frames(3), r"while reading: \d+ x box of a frame without an image \(the first: frame 1, id \d+ of"),
        "no frames": (remove_frames(1), r"img1: no images of the sequence WALKERS-01 in it"),
        "ids that clash": (
            write(GT, "2,901,5,5,9,9,1,1,1\n2,901,50,5,9,9,1,1,1\n", mode="a"),
            r"gt.txt: the id 901 occurs several times in frame 2",
        ),
        "a word": (write(GT, "2,901,5,five,9,9,1,1,1\n", mode="a"), r"gt.txt: the annotations has a line that cannot be read: .*'five'"),
        "few columns": (write(GT, "2,901,5\n", mode="a"), r"gt.txt: the annotations has a line that cannot be read"),
        "frame zero": (
            write(GT, "0,901,5,5,9,9,1,1,1\n", mode="a"),
            r"gt.txt: line \d+ of the annotations: 0, 901, 5, 5, 9, 9, 1, 1 given",
        ),
        "no annotations": (
            remove(GT),
            r"TRAIN.DATASETS \(own\): the data have no annotations: nothing can be learned from them; there is no .*gt/gt\.txt; choose",
        ),
        "a frame rate below 0": (write(INFO, "[Sequence]\nframeRate=-3\n"), r"seqinfo.ini: framerate is '-3', a number above 0 expected"),
    },
    "crowdcounting": {
        "dots outside": (write("1.txt", "500 10\n-7 3\n"), r"checkpoints, metrics and curves are in"),
        "no file of dots": (remove("1.txt"), r"1.txt: the dots of an image cannot be read: No such file"),
        "no image": (remove("1.png"), r"1.png: "),
        "a damaged image": (write("1.png", "no image"), r"1.png: "),
        "words": (write("1.txt", "ten twenty\n"), r"1.txt:1: 'ten twenty' given, a line 'x y' expected"),
        "an empty list": (write("train.list", ""), r"train.list: the list names no images"),
    },
    "densepose": {
        "a column too short": (set_entry("dp_U", [0.5]), r"annotation 10 .*its dp_U has 1 numbers, its dp_x \d+; the same expected"),
        "places as text": (set_entry("dp_x", "far"), r"its dp_x is 'far', a list of numbers expected"),
        "masks of other values": (
            set_entry("dp_masks", [[1, 2, 3]]),
            r"its dp_masks have .*; compressed RLEs of 256 x 256 pixels expected",
        ),
        "no mesh": (remove(MESH), r"mesh.npz: no such mesh; tools/data/convert_surface.py makes one"),
        "charts of other lengths": (
            change_mesh(u=np.zeros(5)),
            r"mesh.npz: arrays of the shapes part \(\d+,\), u \(5,\), v .*; one length for part, u, v, vertex expected",
        ),
        "too few distances": (change_mesh(geodesic=np.zeros(10, np.float32)), r"mesh.npz: 10 distances, those of 1080 vertices expected"),
        "text as a mesh": (write(MESH, "u v"), r"mesh.npz: no mesh, or a damaged one"),
    },
}
"""Project -> mistake -> what makes it in a folder that is good before, and what the output says of it."""


def write_good(name: str, folder: Path) -> None:
    """Write few images of a project."""
    if name == "fairmot":
        write_walkers(folder, split="train", count=1)
    elif name == "densepose":
        write_mannequins(folder, split="train", count=4)
    else:
        folder.mkdir(parents=True)
        for number in range(4):
            cv2.imwrite(str(folder / f"{number}.png"), np.full((48, 64, 3), 60 * number, np.uint8))
            (folder / f"{number}.txt").write_text("10 20\n30.5 40\n")
        (folder / "train.list").write_text("".join(f"{number}.png {number}.txt\n" for number in range(4)))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Done]]:
    """Project -> mistake -> what a training prints."""
    folder = tmp_path_factory.mktemp("spoiled")
    lines: dict[tuple[str, str], tuple[str, list[str | Path]]] = {}
    for project, mistakes in SPOIL.items():
        config, entry, options = CONFIGS[project]
        for number, (mistake, (spoil, _)) in enumerate(mistakes.items()):
            root = folder / project / str(number)
            write_good(project, root / "own")
            spoil(root / "own")
            own = [f"DATA.CATALOG={{own: {entry}}}", f"MISC.DATA_ROOT={root}", f"MISC.CKPT={root}/run", *SHORT, *options]
            lines[project, mistake] = f"projects/{project}/train_net.py", ["--cfg", ROOT / "cfgs/projects" / project / config, *own]
    done = dict(zip(lines, run_many(list(lines.values()), folder), strict=True))
    return {project: {mistake: done[project, mistake] for mistake in mistakes} for project, mistakes in SPOIL.items()}


@pytest.mark.parametrize(("project", "mistake"), [(project, mistake) for project, mistakes in SPOIL.items() for mistake in mistakes])
def test_a_mistake_is_one_message(outputs: dict[str, dict[str, Done]], project: str, mistake: str) -> None:
    done = outputs[project][mistake]
    assert re.search(SPOIL[project][mistake][1], done.output), done.output
    assert "Traceback" not in done.output, done.output
    if mistake not in TOLERATED:
        assert done.code == 2 and done.output.count("error: ") == 1, done.output
