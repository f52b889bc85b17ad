"""Keys of the configs of the first Pet, and what says the same here; docs/from_pet.md shows the table. Imports no torch."""

TRANSFORMS_KEYS = "TRAIN.TRANSFORMS and TEST.TRANSFORMS"

FORMER_KEYS: dict[str, str] = {
    "DATA.DATASET_TYPE": "the type of an entry of DATA.CATALOG, or name a data set that Pet knows in TRAIN.DATASETS",
    "DATA.PIXEL_MEAN": f"mean of {{name: Normalize, mean: [...], std: [...]}} at the end of {TRANSFORMS_KEYS}, in the order R, G, B",
    "DATA.PIXEL_STD": f"std of {{name: Normalize, mean: [...], std: [...]}} at the end of {TRANSFORMS_KEYS}, in the order R, G, B",
    "EVAL.RECORD": "nothing: the results of a run lie in its folder, metrics.jsonl and test/metrics.json",
    "MISC.NUM_GPUS": "nothing: the launcher's --gpu_id and --nproc say it",
    "MODEL.AUXDET": "a hook of your project, see docs/from_pet.md",
    "MODEL.CIFAR": "MODEL.BACKBONE, e.g. resnet110, and MODEL.BACKBONE_ARGS",
    "MODEL.GLOBAL_HEAD.CLS": "MODEL.HAS_CLS",
    "MODEL.GLOBAL_HEAD.SEMSEG": "MODEL.HAS_SEMSEG and MODEL.SEMSEG",
    "MODEL.IMS_PER_GPU": "TRAIN.BATCH_SIZE, the samples of all processes together",
    "MODEL.ONEHOT.NUM_CLASSES": "MODEL.NUM_CLASSES",
    "MODEL.RESNET": "MODEL.BACKBONE, e.g. torchvision/resnet50, and MODEL.BACKBONE_ARGS",
    "MODEL.ROI_HEAD.GRID": "MODEL.HAS_BOX and MODEL.BOX",
    "SOLVER.OPTIMIZER.TYPE": "SOLVER.OPTIMIZER.NAME",
    "SOLVER.SCHEDULER.LR_POW": "SOLVER.SCHEDULER.POWER",
    "SOLVER.SCHEDULER.POLICY": "SOLVER.SCHEDULER.NAME, in small letters: step, cosine, poly",
    "SOLVER.SNAPSHOT_EPOCHS": "SOLVER.SNAPSHOT_EPOCH",
    "TEST.CENTER_CROP": "{name: CenterCrop, size: 32} in TEST.TRANSFORMS",
    "TEST.RESIZE.MAX_SIZE": "max_size of {name: ResizeShortestEdge, max_size: 1333} in TEST.TRANSFORMS",
    "TEST.RESIZE.SCALE": "TEST.RESIZE.SCALES, a list",
    "TEST.SIZE_DIVISIBILITY": "{name: Pad, divisor: 32} in TEST.TRANSFORMS, where the network needs it",
    "TRAIN.COLOR_JITTER": "{name: ColorJitter, brightness: 0.4} in TRAIN.TRANSFORMS",
    "TRAIN.LOADER_THREADS": "TRAIN.NUM_WORKERS",
    "TRAIN.RANDOM_CROP": "{name: RandomCrop, size: 32, padding: 4} in TRAIN.TRANSFORMS",
    "TRAIN.RESIZE.MAX_SIZE": "max_size of {name: ResizeShortestEdge, max_size: 1333} in TRAIN.TRANSFORMS",
    "TRAIN.RESIZE.SCALES_SAMPLING": "sample of {name: ResizeShortestEdge, sample: choice} in TRAIN.TRANSFORMS",
    "TRAIN.SIZE_DIVISIBILITY": "{name: Pad, divisor: 32} in TRAIN.TRANSFORMS, where the network needs it",
}
"""Old key, or section -> what to write in its place."""
