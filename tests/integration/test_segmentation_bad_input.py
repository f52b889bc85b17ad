"""Wrong label images, pairs, lists and weights: each gives one message that says what to do, and leaves nothing half-written."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from tests.integration.conftest import ROOT, Done
from tests.integration.many_runs import run_many

CFGS = ROOT / "cfgs" / "projects"
SMALL = [
    "MODEL.NETWORK_ARGS={encoder: timm/test_resnet}",
    "SOLVER.SCHEDULER.TOTAL_EPOCHS=0",
    "SOLVER.SCHEDULER.TOTAL_ITERS=2",
    "SOLVER.SCHEDULER.WARM_UP_ITERS=0",
    "TRAIN.BATCH_SIZE=2",
    "TRAIN.NUM_WORKERS=0",
    "TRAIN.RESIZE.SCALES=[32]",
    "TRAIN.TRANSFORMS=[RandomCrop, Normalize]",
    "TEST.RESIZE.SCALES=[32]",
    "TEST.TRANSFORMS=[Normalize]",
    "MISC.TENSORBOARD=False",
    "ANALYSER.ENABLED=False",
]
FOLDERS = "type: semseg_folder, path: images, annotations: labels"
PAIRS = "type: semseg_folder, path: images, images2: later, annotations: labels"
LIST = "type: label_list, path: ., split: list.txt"


class Case(NamedTuple):
    """A mistake: what makes it in a folder of good data, the entry of the catalogue, parts of the message, and further settings."""

    spoil: Callable[[Path], object]
    entry: str
    reported: tuple[str, ...]
    options: tuple[str, ...] = ()
    config: str = "buildseg/unet_R-18_cpu"


def write_data(folder: Path) -> None:
    """Write four images of two dates, labels of 0 and 1, and a list."""
    rng = np.random.default_rng(0)
    for name in ("images", "later", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(4):
        for name in ("images", "later"):
            cv2.imwrite(str(folder / name / f"{number}.png"), rng.integers(0, 255, (32, 32, 3), dtype=np.uint8))
        cv2.imwrite(str(folder / "labels" / f"{number}.png"), rng.integers(0, 2, (32, 32), dtype=np.uint8))
    (folder / "list.txt").write_text("".join(f"images/{number}.png labels/{number}.png\n" for number in range(4)))


def label(pixels: np.ndarray) -> Callable[[Path], object]:
    return lambda folder: cv2.imwrite(str(folder / "labels" / "2.png"), pixels)


def third_line(line: str) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        lines = (folder / "list.txt").read_text().splitlines()
        (folder / "list.txt").write_text("\n".join([*lines[:2], line, *lines[3:]]))

    return spoil


def write_geotiff(folder: Path) -> None:
    """Write an image of four bands."""
    import rasterio  # optional

    (folder / "images" / "2.png").unlink()
    with rasterio.open(folder / "images" / "2.tif", "w", driver="GTiff", width=32, height=32, count=4, dtype="uint8") as file:
        file.write(np.zeros((4, 32, 32), np.uint8))


CASES = {
    "a label outside of the classes": Case(
        label(np.full((32, 32), 7, np.uint8)), FOLDERS, ("labels/2.png", "7", "DATA.CLASSES", "label_values")
    ),
    "painted labels": Case(
        label(np.full((32, 32, 3), (10, 0, 200), np.uint8)), FOLDERS, ("labels/2.png", "colours, [200, 0, 10]", "label_colours", "InitMask")
    ),
    "a label of another size": Case(label(np.zeros((16, 32), np.uint8)), FOLDERS, ("labels/2.png", "16", "32")),
    "an image without label": Case(
        lambda folder: (folder / "labels" / "2.png").unlink(), FOLDERS, ("labels: 2 has no label image there", "/images")
    ),
    "an image without its later date": Case(
        lambda folder: (folder / "later" / "2.png").unlink(), PAIRS, ("later", "2"), config="changedet/siamese_R-18_cpu"
    ),
    "a line with one field": Case(third_line("images/2.png"), LIST, ("list.txt:3", "images/2.png")),
    "a line with a missing file": Case(third_line("images/9.png labels/2.png"), LIST, ("list.txt:3", "images/9.png")),
    "bands of another number": Case(write_geotiff, FOLDERS, ("images/2.tif", "4 bands", "bands")),
    "an empty split": Case(lambda folder: (folder / "list.txt").write_text("\n"), LIST, ("list.txt", "no ")),
    "an empty share": Case(lambda folder: None, f"{FOLDERS}, share: [0.5, 0.5]", ("share", "[0.5, 0.5]")),
    "an unknown network": Case(lambda folder: None, FOLDERS, ("'unett'", "did you mean unet"), ("MODEL.NETWORK=unett",)),
    "an unknown loss": Case(lambda folder: None, FOLDERS, ("'dise'", "did you mean dice"), ("MODEL.LOSSES=[dise]",)),
}


def line_of(case: Case, folder: Path) -> list[str | Path]:
    entry = f"DATA.CATALOG={{mine: {{{case.entry}}}}}"
    data = [f"MISC.DATA_ROOT={folder}", entry, "TRAIN.DATASETS=[mine]", "TEST.DATASETS=[]", f"MISC.CKPT={folder}/run"]
    small = SMALL[1:] if case.options[:1] == ("MODEL.NETWORK=unett",) else SMALL
    return ["--cfg", CFGS / f"{case.config}.yaml", *small, *data, *case.options]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Done]]:
    """How trainings on wrong data ended, by the name of the case, with the folder of the data."""
    folders = {}
    for name, case in CASES.items():
        folders[name] = tmp_path_factory.mktemp(name.replace(" ", "_"))
        write_data(folders[name])
        case.spoil(folders[name])
    lines = [(f"projects/{case.config.partition('/')[0]}/train_net.py", line_of(case, folders[name])) for name, case in CASES.items()]
    done = run_many(lines, tmp_path_factory.mktemp("cases"))
    return {name: (folders[name], one) for name, one in zip(CASES, done, strict=True)}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_reported_once_and_leaves_no_checkpoint(outcomes: dict[str, tuple[Path, Done]], name: str) -> None:
    folder, done = outcomes[name]
    assert_one_message(done, *CASES[name].reported)
    assert not list(folder.rglob("*.pth"))


def assert_one_message(done: Done, *parts: str) -> None:
    assert done.code == 2, done.output
    assert "Traceback" not in done.output, done.output
    messages = [line for line in done.output.splitlines() if "error: " in line]
    assert len(messages) == 1, done.output
    message = done.output[done.output.index("error: ") :]
    for part in parts:
        assert part in message, f"{part!r} is not in:\n{message}"


def test_classes_that_do_not_fit_the_checkpoint(tmp_path: Path) -> None:
    write_data(tmp_path)
    line = line_of(Case(lambda folder: None, FOLDERS, ()), tmp_path)
    three = [*line, "DATA.CLASSES=[ground, building, water]", "MODEL.NUM_CLASSES=3", "MODEL.LOSSES=[cross_entropy]", "TEST.DATASETS=[mine]"]
    predict = [*three, "--images", tmp_path / "images", "--out", tmp_path / "out"]
    train, test, export, predicted = run_many(
        [
            ("projects/buildseg/train_net.py", line),
            ("test_net.py", three),
            ("export_net.py", three),
            ("inference.py", predict),
        ],
        tmp_path,
    )
    train.succeeded()
    for done in (test, export, predicted):
        assert_one_message(done, "model_latest.pth", "network.", "[2, ", "[3, ")
    assert not (tmp_path / "run" / "model.onnx").exists()
    assert not list((tmp_path / "run").glob("test/semseg/*"))
    assert not list(tmp_path.glob("out/*.png"))
