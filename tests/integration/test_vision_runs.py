"""Every kind of head is trained and tested by the real scripts, on a few tiny images."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pet.data.datasets.shapes_writing import write_shapes
from tests.integration.conftest import ROOT, Done, Run, run_command, that_count
from tests.integration.many_runs import run_many

SHAPES = ROOT / "cfgs" / "vision" / "shapes"
CELLS = ROOT / "cfgs" / "vision" / "voc" / "faster_rcnn_R-18-FPN_bccd.yaml"
COUNT, ITERATIONS = 8, 4
SMALL = [
    "MODEL.BACKBONE=timm/test_resnet",
    "MODEL.FPN.CHANNELS=32",
    "MODEL.BOX.ROI.HIDDEN=32",
    "MODEL.BOX.CONVOLUTIONS=1",
    "MODEL.MASK.CHANNELS=[16]",
    "MODEL.KEYPOINTS.CHANNELS=[16]",
    "MODEL.PARSING.CHANNELS=[16]",
    "MODEL.PARSING.POOL=8",
    f"SOLVER.SCHEDULER.TOTAL_ITERS={ITERATIONS}",
    "SOLVER.SCHEDULER.WARM_UP_ITERS=2",
    "SOLVER.SNAPSHOT_ITER=2",
    f"EVAL.PERIOD_ITER={ITERATIONS}",
    # batches of images of several sizes
    "TRAIN.RESIZE.SCALES=[80,96,112]",
    "TRAIN.TRANSFORMS=[{name: ResizeShortestEdge, max_size: 128}, RandomHorizontalFlip, Normalize]",
    "TRAIN.BATCH_SIZE=4",
    "TEST.IMS_PER_GPU=4",
    # networks that have learned little find something too
    "TEST.SCORE_THRESHOLD=0.0",
    "MISC.DISPLAY_ITER=1",
    "MISC.TENSORBOARD=False",
    "ANALYSER.ENABLED=False",
]
COMBINED = [
    "MODEL.HAS_KEYPOINTS=True",
    "MODEL.KEYPOINTS.NUM_KEYPOINTS=5",
    "MODEL.HAS_PARSING=True",
    "MODEL.PARSING.NUM_PARTS=7",
    "MODEL.HAS_SEMSEG=True",
    "MODEL.SEMSEG.NUM_CLASSES=5",
]
BOX_NAMES = {f"bbox/{name}" for name in ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")}
MASK_NAMES = {name.replace("bbox", "segm") for name in BOX_NAMES}
KEYPOINT_NAMES = {f"keypoints/{name}" for name in ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")}
PARSING_NAMES = {f"parsing/{name}" for name in ("mIoU", "APp", "APp50", "PCP50")}
SEMSEG_NAMES = {f"semseg/{name}" for name in ("mIoU", "pixel_accuracy", "mean_accuracy", "kappa")}
CONFIGS = {
    "faster_rcnn_R-18-FPN": BOX_NAMES,
    "cascade_rcnn_R-18-FPN": BOX_NAMES,
    "retinanet_R-18-FPN": BOX_NAMES,
    "fcos_R-18-FPN": BOX_NAMES,
    "centernet_R-18": BOX_NAMES,
    "dfine_tiny": BOX_NAMES,
    "mask_rcnn_R-18-FPN": BOX_NAMES | MASK_NAMES,
    "keypoint_rcnn_R-18-FPN": BOX_NAMES | KEYPOINT_NAMES,
    "parsing_rcnn_R-18-FPN": BOX_NAMES | PARSING_NAMES,
    "semseg_R-18": SEMSEG_NAMES,
}
# networks that have learned little do not find figures among other classes
ALONE = {"keypoint_rcnn_R-18-FPN": ["DATA.CLASSES=[figure]", "DATA.OTHER_CLASSES=skip", "MODEL.NUM_CLASSES=1"]}
MEASURED = [(name, kind) for name, names in CONFIGS.items() for kind in ("bbox", "segm", "keypoints") if f"{kind}/AP" in names]


@dataclass(frozen=True)
class Tried:
    """A config that was trained and tested.

    Attributes:
        folder: its output.
        train: how the training ended.
        test: how the test ended.
    """

    folder: Path
    train: Done
    test: Done

    def metrics(self) -> dict[str, float]:
        return read_json(self.folder / "test" / "metrics.json")  # type: ignore[no-any-return]

    def evaluated(self) -> dict[str, float]:
        """Return the metrics of the evaluation during the training."""
        lines = [json.loads(line) for line in (self.folder / "metrics.jsonl").read_text().splitlines()]
        return next(line for line in reversed(lines) if any("/" in name and name.split("/")[0] in KINDS for name in line))  # type: ignore[no-any-return]


KINDS = ("bbox", "segm", "keypoints", "parsing", "semseg")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the split ``tiny`` of shapes, and the same images as if they showed blood cells, in the layout of Pascal VOC."""
    folder = tmp_path_factory.mktemp("data")
    write_shapes(folder, split="tiny", count=COUNT, size=96)
    write_cells(folder / "tiny", folder / "bccd")
    return folder


def write_cells(coco: Path, voc: Path) -> None:
    content = read_json(coco / "annotations.json")
    names = {"circle": "RBC", "square": "WBC", "triangle": "Platelets", "figure": "RBC"}
    cells = {row["id"]: names[row["name"]] for row in content["categories"]}
    shutil.copytree(coco / "images", voc / "JPEGImages")
    (voc / "Annotations").mkdir()
    (voc / "ImageSets" / "Main").mkdir(parents=True)
    stems = [Path(row["file_name"]).stem for row in content["images"]]
    for split in ("train", "test"):
        (voc / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(stems) + "\n")
    for row, stem in zip(content["images"], stems, strict=True):
        objects = [item for item in content["annotations"] if item["image_id"] == row["id"]]
        text = "".join(voc_object(cells[item["category_id"]], item["bbox"]) for item in objects)
        size = f"<size><width>{row['width']}</width><height>{row['height']}</height><depth>3</depth></size>"
        (voc / "Annotations" / f"{stem}.xml").write_text(f"<annotation><filename>{row['file_name']}</filename>{size}{text}</annotation>")


def voc_object(name: str, box: list[float]) -> str:
    left, top, width, height = box
    # pixels of the object, from 1
    edges = {"xmin": left + 1, "ymin": top + 1, "xmax": left + width, "ymax": top + height}
    inner = "".join(f"<{edge}>{value}</{edge}>" for edge, value in edges.items())
    return f"<object><name>{name}</name><difficult>0</difficult><bndbox>{inner}</bndbox></object>"


def options(data: Path, name: str, *more: str) -> list[str | Path]:
    """Return the command line of a small run of a config, on the tiny images under the names that the config has for its data."""
    entry = f"{{type: coco, path: {data}/tiny/images, annotations: {data}/tiny/annotations.json}}"
    catalog = f"DATA.CATALOG={{shapes_train: {entry}, shapes_test: {entry}}}"
    return ["--cfg", SHAPES / f"{name}.yaml", catalog, *that_count(SHAPES / f"{name}.yaml", [*SMALL, *more])]


@pytest.fixture(scope="module")
def tried(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tried]:
    """Each config of the folder, and that of blood cells, trained and tested."""
    folder = tmp_path_factory.mktemp("runs")
    lines = {name: options(data, name, f"MISC.CKPT={folder}/{name}", *ALONE.get(name, [])) for name in CONFIGS}
    lines["cells"] = ["--cfg", CELLS, *that_count(CELLS, SMALL), f"MISC.DATA_ROOT={data}", f"MISC.CKPT={folder}/cells"]
    scripts = ("vision/train_net.py", "test_net.py")
    done = run_many([(script, line) for line in lines.values() for script in scripts], folder)
    return {name: Tried(folder / name, *done[2 * place : 2 * place + 2]) for place, name in enumerate(lines)}


def check_figures(metrics: dict[str, float | None]) -> None:
    """Check that what is defined lies from 0 to 1; the images are too small for large objects, and for figures of medium size."""
    undefined = {name for name, value in metrics.items() if value is None}
    assert undefined <= {f"{kind}/{figure}" for kind in ("bbox", "segm", "keypoints") for figure in ("APl", "ARl", "APm", "ARm")}
    assert all(0 <= value <= 1 for name, value in metrics.items() if value is not None and name != "semseg/kappa")


def test_every_config_of_the_folder_is_tried() -> None:
    assert {path.stem for path in SHAPES.glob("*.yaml")} - {"base_R-18-FPN"} == set(CONFIGS)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_trains_and_tests(tried: dict[str, Tried], name: str) -> None:
    run = tried[name]
    run.train.succeeded()
    run.test.succeeded()
    assert torch.load(run.folder / "model_latest.pth", weights_only=True)["iteration"] == ITERATIONS
    metrics = run.metrics()
    assert CONFIGS[name] <= metrics.keys()
    check_figures(metrics)
    # the test finds the very figures of the evaluation in the training
    evaluated = run.evaluated()
    assert {metric: evaluated[metric] for metric in CONFIGS[name]} == {metric: metrics[metric] for metric in CONFIGS[name]}
    headline = sorted(CONFIGS[name])[0].split("/")[0]
    assert f"test_{headline}_" in "\n".join(run.test.results[-2:])


@pytest.mark.parametrize(("name", "kind"), MEASURED)
def test_result_files_are_what_pycocotools_reads(tried: dict[str, Tried], data: Path, name: str, kind: str) -> None:
    folder = tried[name].folder / "test"
    results = read_json(folder / f"{kind}.json")
    assert results
    truth = COCO(str(data / "tiny" / "annotations.json"))
    evaluation = COCOeval(truth, truth.loadRes(results), kind)
    if kind == "keypoints":
        evaluation.params.kpt_oks_sigmas = torch.tensor([0.08, 0.1, 0.1, 0.1, 0.1]).numpy()
        evaluation.params.catIds = [4]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    metrics = tried[name].metrics()
    # files hold hundredths of a pixel
    for place, metric in enumerate(("AP", "AP50", "AP75")):
        assert metrics[f"{kind}/{metric}"] == pytest.approx(max(evaluation.stats[place], 0), abs=0.01)
    assert (folder / f"{kind}_per_class_ap.csv").is_file()


def test_label_images_are_written(tried: dict[str, Tried]) -> None:
    assert len([*(tried["semseg_R-18"].folder / "test" / "semseg").glob("*.png")]) == COUNT
    assert (tried["semseg_R-18"].folder / "test" / "semseg_confusion_matrix.png").is_file()
    assert len([*(tried["parsing_rcnn_R-18-FPN"].folder / "test" / "parsing").rglob("*.png")]) >= COUNT


def test_the_layout_of_pascal_voc(tried: dict[str, Tried]) -> None:
    run = tried["cells"]
    run.train.succeeded()
    output = run.test.succeeded().output
    metrics = run.metrics()
    assert BOX_NAMES | {"voc/AP50", "bbox/AP/RBC", "bbox/AP/WBC", "bbox/AP/Platelets", "voc/AP50/RBC"} <= metrics.keys()
    assert {record["image_id"] for record in read_json(run.folder / "test" / "bbox.json")} == {f"{number:06d}" for number in range(COUNT)}
    assert f"voc/AP50: {metrics['voc/AP50']:.2%}" in output or f"AP50: {metrics['voc/AP50']:.2%}" in output


def test_a_stopped_run_ends_with_the_weights_of_one_that_was_not(tried: dict[str, Tried], data: Path, tmp_path: Path, run: Run) -> None:
    name = "mask_rcnn_R-18-FPN"
    reference, folder = tried[name].folder, tmp_path / "run"
    folder.mkdir()
    for copy in ("model_iter2.pth", "model_latest.pth"):
        shutil.copy(reference / "model_iter2.pth", folder / copy)
    line = options(data, name, f"MISC.CKPT={folder}", "TRAIN.NUM_WORKERS=1", "EVAL.PERIOD_ITER=0")
    done = run("vision/train_net.py", *line).succeeded()
    assert f"continuing from iteration 2 of {ITERATIONS}" in done.output
    ours, theirs = (torch.load(place / "model_latest.pth", weights_only=True) for place in (folder, reference))
    assert ours["iteration"] == theirs["iteration"] == ITERATIONS
    assert ours["model"].keys() == theirs["model"].keys()
    for key, value in theirs["model"].items():
        assert torch.equal(ours["model"][key], value), key


@pytest.fixture(scope="module")
def combined(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str | Path]:
    """The command line of a model with all heads, which two processes have trained."""
    folder = tmp_path_factory.mktemp("combined")
    line = options(data, "mask_rcnn_R-18-FPN", *COMBINED, f"MISC.CKPT={folder}/run", "TEST.IMS_PER_GPU=1")
    output = run_command("train_net_all.py", *line, "--nproc", "2", "EVAL.PERIOD_ITER=0", folder=folder).succeeded().output
    assert "2 processes on cpu" in output
    for loss in ("loss_box_reg", "loss_mask", "loss_keypoint", "loss_parsing", "loss_semseg"):
        assert loss in output
    return line


@pytest.fixture(scope="module")
def plain_and_views(combined: list[str | Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The output of two tests on one process: as they are, and with several views, soft suppression and few detections."""
    folder = tmp_path_factory.mktemp("tests")
    weights = f"TEST.WEIGHTS={checkpoint_folder(combined)}/model_latest.pth"
    views = ["TEST.VIEWS.FLIP=True", "TEST.VIEWS.SCALES=[1.0,1.25]", "TEST.SOFT_NMS.METHOD=gaussian", "TEST.DETECTIONS_PER_IMAGE=7"]
    lines = {name: [*combined, *more, weights, f"MISC.CKPT={folder}/{name}"] for name, more in (("plain", []), ("views", views))}
    done = run_many([("test_net.py", line) for line in lines.values()], folder)
    for one in done:
        one.succeeded()
        last = [text.partition(":")[0] for text in one.results[-5:]]
        assert last == ["test_bbox_AP", "test_segm_AP", "test_keypoints_AP", "test_parsing_mIoU", "test_semseg_mIoU"]
    return [folder / name / "test" for name in lines]


def checkpoint_folder(line: list[str | Path]) -> Path:
    return Path(next(str(word) for word in line if str(word).startswith("MISC.CKPT=")).removeprefix("MISC.CKPT="))


def test_two_processes_find_what_one_finds(combined: list[str | Path], plain_and_views: list[Path], run: Run) -> None:
    run("test_net_all.py", *combined, "--nproc", "2").succeeded()
    two, one = checkpoint_folder(combined) / "test", plain_and_views[0]
    metrics = read_json(one / "metrics.json")
    assert BOX_NAMES | MASK_NAMES | KEYPOINT_NAMES | PARSING_NAMES | SEMSEG_NAMES <= metrics.keys()
    assert read_json(two / "metrics.json") == metrics
    for kind in ("bbox", "segm", "keypoints"):
        assert (two / f"{kind}.json").read_text() == (one / f"{kind}.json").read_text()
    assert len(read_json(one / "bbox.json")) > COUNT
    written = [sorted(path.relative_to(folder) for path in folder.rglob("*.png")) for folder in (two, one)]
    assert written[0] == written[1]
    assert all((two / path).read_bytes() == (one / path).read_bytes() for path in written[0] if path.parent.name == "semseg")


def test_views_and_soft_suppression(plain_and_views: list[Path]) -> None:
    plain, views = (read_json(folder / "metrics.json") for folder in plain_and_views)
    assert views.keys() >= plain.keys() - {name for name in plain if name.count("/") > 1}
    check_figures(views)
    boxes = read_json(plain_and_views[1] / "bbox.json")
    assert [sum(box["image_id"] == image for box in boxes) for image in range(1, COUNT + 1)] == [7] * COUNT
    assert boxes[:7] != read_json(plain_and_views[0] / "bbox.json")[:7]
