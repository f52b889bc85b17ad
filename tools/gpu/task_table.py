"""The smallest config of each task, and variants of some that reach further code of a device."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import task_data

Data = Callable[[Path, int], list[str]]


def no_data(_: Path, __: int) -> list[str]:
    """Return no settings: the data come with a library."""
    return []


class Task(NamedTuple):
    """A config and what is special about it.

    Attributes:
        scripts: folder of its scripts below tools/.
        config: below cfgs/.
        data: writes its data.
        settings: in addition to those of every task.
        loss: greatest share by which the first losses of GPU and CPU differ; the sampling of detectors draws from each device's own
            generator.
        metric: greatest difference of the metrics of one network on GPU and CPU.
        images: folder of images below the data for ``predict``; empty: not tried.
        launcher: train by the launcher.
    """

    scripts: str
    config: str
    data: Data = no_data
    settings: tuple[str, ...] = ()
    loss: float = 0.01
    metric: float = 0.02
    images: str = ""
    launcher: bool = False


SIZE = ("TRAIN.RESIZE.SCALES=[96]", "TEST.RESIZE.SCALES=[96]")
FLOAT32 = "SOLVER.AMP.ENABLED=False"
BF16 = ("SOLVER.AMP.ENABLED=True", "SOLVER.AMP.DTYPE=bf16")
FP16 = ("SOLVER.AMP.ENABLED=True", "SOLVER.AMP.DTYPE=fp16")
DIGITS = partial(Task, "vision", "vision/digits/resnet20_digits.yaml")
CHANGE_SETTINGS = (*SIZE, "TRAIN.BATCH_SIZE=8", FLOAT32)


CAMERA_BATCH = ("TRAIN.BATCH_SIZE=4", "TEST.IMS_PER_GPU=4", FLOAT32)
MONOFLEX = tuple(f"MODEL.CAMERA.{own}" for own in ("DEPTH=ensemble", "ANGLE=bins", "EDGE_CENTERS=True", "EDGE_FUSION=True"))
CAMERA = partial(
    Task,
    *("tasks/tddet", "tasks/tddet/streets3d/smoke.yaml", task_data.streets3d),
    settings=CAMERA_BATCH,
    images="streets3d/test/training/image_2",
)


def shapes_task(name: str, *settings: str, loss: float = 0.1, **more: Any) -> Task:
    """Return a config of cfgs/vision/shapes."""
    return Task("vision", f"vision/shapes/{name}.yaml", task_data.shapes, settings, loss=loss, images="shapes/test/images", **more)


TASKS = {
    "digits": DIGITS(launcher=True),
    "faster_rcnn": shapes_task("faster_rcnn_R-18-FPN"),
    "mask_rcnn": shapes_task("mask_rcnn_R-18-FPN"),
    "semseg": shapes_task("semseg_R-18", loss=0.01),
    "unet": Task(
        *("projects/buildseg", "projects/buildseg/unet_R-18_cpu.yaml", partial(task_data.scenes, name="buildseg")),
        (*SIZE, "TRAIN.TRANSFORMS=[RandomHorizontalFlip, Normalize]", "TEST.TRANSFORMS=[Normalize]"),
        images="first",
    ),
    "change": Task(
        *("projects/changedet", "projects/changedet/siamese_R-18_cpu.yaml", partial(task_data.scenes, name="changedet", pairs=True)),
        CHANGE_SETTINGS,
    ),
    "finetune": Task(
        *("tasks/cls", "tasks/cls/finetune_resnet18.yaml", task_data.class_folders),
        ("FINETUNE.FREEZE_EPOCHS=0", FLOAT32, "TRAIN.BATCH_SIZE=16", "TRAIN.NUM_WORKERS=2", "TEST.NUM_WORKERS=2", *SIZE),
    ),
    "action": Task("tasks/action", "tasks/action/motions/tsm_test_resnet.yaml", settings=("TRAIN.BATCH_SIZE=8",)),
    "contrast": Task("tasks/contrast", "tasks/contrast/digits/simclr_resnet20.yaml"),
    "face": Task("tasks/face", "tasks/face/facets_iresnet18.yaml", settings=("TRAIN.BATCH_SIZE=16", "MODEL.SAMPLE_RATE=0.5")),
    "instance": Task(
        *("tasks/instance", "tasks/instance/shapes/all_R-18.yaml", task_data.shapes, ("TRAIN.BATCH_SIZE=8",)),
    ),
    "fairmot": Task(
        *("projects/fairmot", "projects/fairmot/walkers/fairmot_R-18.yaml", task_data.walkers),
        ("TRAIN.BATCH_SIZE=4", "TEST.IMS_PER_GPU=4", FLOAT32),
        metric=0.1,
    ),
    "density": Task(
        *("projects/crowdcounting", "projects/crowdcounting/crowds/crowds_resnet10.yaml", task_data.crowds),
        ("TRAIN.BATCH_SIZE=4",),
    ),
    "densepose": Task(
        *("projects/densepose", "projects/densepose/mannequins_R-18-FPN.yaml", task_data.mannequins),
        ("TRAIN.BATCH_SIZE=4", "TEST.IMS_PER_GPU=4"),
        loss=0.1,
        images="mannequins/test/images",
    ),
    "centerpoint": Task(
        *("tasks/tddet", "tasks/tddet/streets3d/centerpoint.yaml", task_data.streets3d),
        ("TRAIN.BATCH_SIZE=4", "TEST.IMS_PER_GPU=4"),
        images="streets3d/test/training/velodyne",
    ),
    "pointpillars": Task(
        *("tasks/tddet", "tasks/tddet/streets3d/pointpillars.yaml", task_data.streets3d),
        ("TRAIN.BATCH_SIZE=4", "TEST.IMS_PER_GPU=4"),
    ),
    "smoke": CAMERA(),
    "monoflex": CAMERA(settings=(*CAMERA_BATCH, *MONOFLEX)),
    "keypoint_rcnn": shapes_task("keypoint_rcnn_R-18-FPN"),
    "parsing_rcnn": shapes_task("parsing_rcnn_R-18-FPN"),
    "retinanet": shapes_task("retinanet_R-18-FPN", loss=0.01),
    "fcos": shapes_task("fcos_R-18-FPN", loss=0.01),
    "centernet": shapes_task("centernet_R-18"),
    "cascade_rcnn": shapes_task("cascade_rcnn_R-18-FPN"),
    "digits-fp16": DIGITS(settings=FP16, loss=0.03, metric=0.05),
    "digits-compiled": DIGITS(settings=(*BF16, "MISC.COMPILE=cuda"), loss=0.05, metric=0.05),
    "digits-deterministic": DIGITS(settings=("MISC.DETERMINISTIC=True",)),
    "digits-averages": DIGITS(
        settings=(
            *("SOLVER.EMA.ENABLED=True", "TEST.PRECISE_BN.ENABLED=True", "TEST.PRECISE_BN.NUM_ITERS=4", "SOLVER.ACCUMULATION=2"),
            *("SOLVER.NONFINITE=skip", "TRAIN.MIXUP.MIXUP_ALPHA=0.2", "TRAIN.MIXUP.CUTMIX_ALPHA=1.0", "TRAIN.NUM_WORKERS=2"),
            *("MISC.PROFILER.ENABLED=True", "MISC.PROFILER.START_ITER=4", "MISC.PROFILER.ITERS=2", "DATA.CACHE=device"),
        ),
    ),
    "mask_rcnn-bf16": shapes_task("mask_rcnn_R-18-FPN", *BF16, metric=0.1),
    "mask_rcnn-views": shapes_task(
        *("mask_rcnn_R-18-FPN", "TEST.VIEWS.FLIP=True", "TEST.VIEWS.SCALES=[1.0, 1.25]", "TEST.SOFT_NMS.METHOD=gaussian"),
        *("SOLVER.NONFINITE=rollback", "TRAIN.NUM_WORKERS=2"),
    ),
    "semseg-fp16": shapes_task("semseg_R-18", *FP16, "TEST.VIEWS.FLIP=True", "SOLVER.NONFINITE=skip", loss=0.03, metric=0.05),
    "landcover-distilled": Task(
        "projects/landcover",
        "projects/landcover/fcn_hr18_1024x1024_16k_landcover_semi.yaml",
        partial(task_data.scenes, classes=11, name="landcover", unlabelled=True),
        ("TRAIN.RESIZE.SCALES=[64]", "TEST.RESIZE.SCALES=[96]", "TRAIN.NUM_WORKERS=2", "TRAIN.BATCH_SIZE=4", FLOAT32),
        loss=0.03,
    ),
    "target-fp16": Task(
        "projects/target_extraction",
        "projects/target_extraction/fcn_hr18_1024x1024_40k4_bceious1w1.0.yaml",
        partial(task_data.scenes, name="target"),
        ("TRAIN.RESIZE.SCALES=[64]", "TEST.RESIZE.SCALES=[96]", "TRAIN.NUM_WORKERS=2", *FP16),
        loss=0.03,
        metric=0.05,
    ),
}
DRY = {
    "digits": ("MODEL.BACKBONE=timm/test_resnet", "TRAIN.RESIZE.SCALES=[32]", "TEST.RESIZE.SCALES=[32]"),
    "semseg": ("MODEL.BACKBONE=timm/test_resnet", "MODEL.SEMSEG.DECODER_ARGS={decoder_channels: [16, 16, 16, 8, 8]}"),
}
"""The tasks that are tried with ``--dry``, and what makes them smaller."""
