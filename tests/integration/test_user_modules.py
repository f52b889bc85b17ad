"""One module in a folder of the user's adds components of each kind, and a config names them: no file of Pet is edited."""

import json
import os
from pathlib import Path

import pytest

from pet.data.datasets.shapes_writing import write_shapes
from tests.integration.conftest import Done, run_command

MODULE = '''
"""A backbone, a neck, a detector with a key of its own, a loss of pixels, two metrics, a data set and a transform."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pet.data import DATASETS, TRANSFORMS, Dataset, DatasetInfo
from pet.evaluation.detection_measures import BOX_METRICS, Score
from pet.evaluation.metrics import METRICS
from pet.losses.pixels.base import PixelLoss
from pet.losses.pixels import PIXEL_LOSSES
from pet.models.detection.one_stage import build_retinanet
from pet.models.feature_extractor import BACKBONES
from pet.models.registries import DETECTORS, NECKS, DetectorEntry, NeckEntry
from petlib.config import Key


class Lateral(nn.Module):
    """A 1x1 convolution of each stage from stride 8 on, without a way from coarse to fine."""

    def __init__(self, channels: tuple[int, ...], strides: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.places = [place for place, stride in enumerate(strides) if stride >= 8]
        self.channels, self.strides, self.num_top = width, tuple(strides[place] for place in self.places), 0
        self.layers = nn.ModuleList(nn.Conv2d(channels[place], width, 1) for place in self.places)

    def forward(self, stages: list[Tensor]) -> dict[str, Tensor]:
        return {str(name): layer(stages[place]) for name, (place, layer) in enumerate(zip(self.places, self.layers))}


def build_neck(cfg, extractor):
    return Lateral(extractor.channels, extractor.strides, cfg.MODEL.LATERAL.WIDTH)


def build_detector(cfg, info):
    print("the detector of the user, sharpened by", cfg.MODEL.BOX.SHARP)
    return build_retinanet(cfg, info)


@BACKBONES.register("stripes")
class Stripes(nn.Module):
    """Three convolutions of strides 8, 2 and 2."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.channels, self.strides = (width,) * 3, (8, 16, 32)
        self.layers = nn.ModuleList(nn.Conv2d(3 if stride == 8 else width, width, stride, stride) for stride in (8, 2, 2))

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = []
        for layer in self.layers:
            images = functional.relu(layer(images))
            maps.append(images)
        return maps


@PIXEL_LOSSES.register("squared")
class SquaredLoss(PixelLoss):
    def __init__(self, *, factor: float = 1.0, ignore_label: int = 255) -> None:
        super().__init__(ignore_label=ignore_label)
        self.factor = factor

    def measure(self, logits: Tensor, labels: Tensor) -> Tensor:
        counted = labels != self.ignore_label
        wrong = 1 - logits.softmax(dim=1).gather(1, labels.where(counted, 0)[:, None])[:, 0]
        return self.factor * (wrong.square() * counted).sum() / counted.sum().clamp(min=1)


@DATASETS.register("squares")
class Squares(Dataset):
    """Black images with a white square."""

    info = DatasetInfo(kinds=frozenset({"semseg"}), semseg_classes=["ground", "square"])

    def __init__(self, source) -> None:
        pass

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int):
        labels = np.zeros((64, 64), np.uint8)
        labels[8 * index : 8 * index + 24, 16:48] = 1
        meta = {"id": index, "file": f"square {index}", "size": (64, 64)}
        return {"image": np.repeat(255 * labels[..., None], 3, axis=2), "semseg": labels, "meta": meta}


@TRANSFORMS.register()
class Invert:
    """Turns bright into dark."""

    def __call__(self, sample, rng):
        print("inverted", sample["meta"]["file"], int(sample["image"][0, 0, 0]))
        return {**sample, "image": 255 - sample["image"]}


@BOX_METRICS.register("found")
def measure_found(classes):
    """The number of detections an image."""

    def measure(truths, detections):
        return Score({"bbox/found": len(detections.scores) / len(truths)}, {}, {})

    return measure


@METRICS.register("images")
class Images:
    """Counts images in dozens."""

    def __init__(self, *, dataset, keep_predictions: bool, dozen: int = 12) -> None:
        self.size, self.dozen, self.count = len(dataset), dozen, 0

    def update(self, batch, predictions) -> None:
        self.count += len(predictions)

    def compute(self) -> dict[str, float]:
        assert self.count == self.size
        return {"images/dozens": self.count / self.dozen}

    def write(self, folder) -> None:
        (folder / "images.txt").write_text(str(self.count))

    def summary(self) -> str:
        return f"test_images: {self.count}"


NECKS.add("lateral", NeckEntry(build_neck, settings={"MODEL": {"LATERAL": {"WIDTH": Key(16, "Channels of the maps.", minimum=1)}}}))
DETECTORS.add(
    "sharp_retinanet",
    DetectorEntry(build_detector, one_stage=True, settings={"MODEL": {"BOX": {"SHARP": Key(1.0, "How sharp.", minimum=0)}}}),
)
'''
CONFIG = """
MISC: {{IMPORTS: [my_parts], TENSORBOARD: False, DISPLAY_ITER: 1}}
ANALYSER: {{ENABLED: False}}
DATA:
  CATALOG: {{tiny: {{type: coco, path: {data}/tiny/images, annotations: {data}/tiny/annotations.json}}}}
MODEL:
  BACKBONE: stripes
  BACKBONE_ARGS: {{width: 4}}
  NUM_CLASSES: 4
  NECK: lateral
  LATERAL: {{WIDTH: 8}}
  HAS_BOX: True
  BOX: {{DETECTOR: sharp_retinanet, SHARP: 2.5, ANCHOR_SIZES: [[16], [32], [64]], CONVOLUTIONS: 1}}
SOLVER: {{SCHEDULER: {{TOTAL_ITERS: 2, WARM_UP_ITERS: 0}}}}
TRAIN: {{DATASETS: [tiny], BATCH_SIZE: 2, NUM_WORKERS: 0, TRANSFORMS: [RandomHorizontalFlip, Normalize]}}
TEST: {{DATASETS: [tiny], NUM_WORKERS: 0, TRANSFORMS: [Normalize]}}
EVAL: {{PERIOD_ITER: 2, BOX_METRICS: [coco, found], METRICS: [{{name: images, dozen: 8}}]}}
"""


PIXELS = ["MODEL.HAS_BOX=False", "MODEL.NECK=''", "MODEL.HAS_SEMSEG=True", "MODEL.NUM_CLASSES=5", "MODEL.BACKBONE=timm/test_resnet"]
PIXELS += ["MODEL.BACKBONE_ARGS={}"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the module of a user, a config that needs it, and data."""
    folder = tmp_path_factory.mktemp("project")
    write_shapes(folder / "data", split="tiny", count=4, size=64)
    (folder / "my_parts.py").write_text(MODULE, encoding="utf-8")
    path = folder / "cfgs" / "vision" / "mine.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(CONFIG.format(data=folder / "data"), encoding="utf-8")
    return folder


def train(project: Path, *options: str, launcher: bool = False) -> Done:
    """Train with the project on Python's path."""
    paths = {"PYTHONPATH": os.pathsep.join([str(project), os.environ.get("PYTHONPATH", "")])}
    started = ["train_net_all.py", "--type", "vision", "--nproc", "1"] if launcher else ["vision/train_net.py"]
    script, *words = [*started, "--cfg", "cfgs/vision/mine.yaml", *options]
    return run_command(script, *words, folder=project, variables=paths, timeout=180, launcher=launcher)


def test_components_of_a_users_module_train_and_are_measured(project: Path) -> None:
    output = train(project, launcher=True).succeeded().output
    assert "the detector of the user, sharpened by 2.5" in output
    lines = [json.loads(line) for line in (project / "ckpts" / "vision" / "mine" / "metrics.jsonl").read_text().splitlines()]
    assert {"loss_class", "loss_box"} <= lines[0].keys()
    measured = next(line for line in lines if "bbox/AP" in line)
    assert measured["bbox/found"] >= 0
    assert measured["images/dozens"] == 0.5


def test_a_loss_of_a_users_module_is_learned_from(project: Path) -> None:
    losses = "[cross_entropy, {name: squared, factor: 3.0}]"
    train(project, *PIXELS, f"MODEL.SEMSEG.LOSSES={losses}", "MISC.CKPT=pixels").succeeded()
    lines = [json.loads(line) for line in (project / "pixels" / "metrics.jsonl").read_text().splitlines()]
    assert {"loss_semseg_cross_entropy", "loss_semseg_squared"} <= lines[0].keys()


def test_a_data_set_and_a_transform_of_a_users_module_are_learned_from(project: Path) -> None:
    data = [
        "DATA.CATALOG.squares.type=squares",
        "TRAIN.DATASETS=[squares]",
        "TEST.DATASETS=[squares]",
        "TRAIN.TRANSFORMS=[Invert, Normalize]",
    ]
    output = train(project, *PIXELS, "MODEL.NUM_CLASSES=2", *data, "MISC.CKPT=squares").succeeded().output
    assert "inverted square 3 " in output
    lines = [json.loads(line) for line in (project / "squares" / "metrics.jsonl").read_text().splitlines()]
    assert any("semseg/mIoU" in line for line in lines)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("MODEL.BOX.SHRP=2", "MODEL.BOX.SHRP: unknown key; did you mean MODEL.BOX.SHARP?"),
        ("EVAL.METRICS=[imags]", "EVAL.METRICS: unknown metric 'imags'; did you mean images?"),
        *(
            pytest.param(*values, marks=pytest.mark.nightly)
            for values in (
                ("MODEL.BOX.DETECTOR=sharp_retinnet", "'centernet', 'dfine', 'rfdetr', 'sharp_retinanet' expected"),
                ("MODEL.NECK=laterl", "one of '', 'fpn', 'dla_up', 'lateral' expected"),
                ("MODEL.HAS_MASK=True", "take faster_rcnn or cascade_rcnn"),
            )
        ),
    ],
)
def test_a_mistake_is_reported_with_the_names_of_the_user_among_the_others(project: Path, option: str, message: str) -> None:
    done = train(project, option, launcher=True)
    assert done.code == 2
    assert message in done.output
