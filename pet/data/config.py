"""The settings of data that every vision task has. Imports no torch."""

from typing import Any

from pet.data.files.limits import MOST_FILE_BYTES, MOST_PIXELS
from petlib.config import Effect, Key, Schema, Switch, used_if, with_effect

SCALES = Key(
    [32],
    "Sizes of the images; a transform whose size is left out takes the first. The analyser counts at the first one of TRAIN.",
    type=list[int],
    unit="pixels",
)
TRANSFORMS_MEANING = (
    "a list of names or of mappings {name: RandomResizedCrop, ...its arguments}. A Normalize at the end is applied on the device."
)

MIXUP: Schema = {
    "MIXUP_ALPHA": Key(0.0, "Strength of mixup (https://arxiv.org/abs/1710.09412), usually 0.2; 0: off.", minimum=0),
    "CUTMIX_ALPHA": Key(0.0, "Strength of CutMix (https://arxiv.org/abs/1905.04899), usually 1.0; 0: off.", minimum=0),
    "PROBABILITY": Key(
        1.0,
        "Share of the batches that are mixed.",
        minimum=0,
        arguments=("MixupCutmix.probability",),
        used_if=(Switch("TRAIN.MIXUP.MIXUP_ALPHA", also=(Switch("TRAIN.MIXUP.CUTMIX_ALPHA"),)),),
    ),
    "SWITCH_PROBABILITY": Key(
        0.5,
        "Share of these that CutMix mixes where both are on.",
        minimum=0,
        arguments=("MixupCutmix.switch_probability",),
        used_if=(Switch("TRAIN.MIXUP.MIXUP_ALPHA"), Switch("TRAIN.MIXUP.CUTMIX_ALPHA")),
    ),
}
"""``TRAIN.MIXUP``, for tasks that learn a label of the whole image."""
FILTER_EMPTY = Key(True, "Leave images without objects out of the training of detectors.", arguments=("without_empty",))
"""For tasks that find objects."""
TRAINED_WINDOWS: Schema = {
    "SIZE": Key(
        0,
        "Learn from windows of so many pixels, cut from the files as they are: each object is whole in at least one, if it fits; 0: from whole images. Transforms see the windows.",
        unit="pixels",
        minimum=0,
        arguments=("TrainingWindows.size",),
    ),
    **used_if(
        {
            "BACKGROUND": Key(
                0.1, "Share of the windows that have no object, from 0 to below 1.", minimum=0, arguments=("TrainingWindows.background",)
            ),
            "MIN_SHARE": Key(
                0.3,
                "Share of the area of its box that must be in a window, or an object is none there.",
                minimum=0,
                arguments=("TrainingWindows.min_share",),
            ),
        },
        Switch("TRAIN.SLIDING.SIZE"),
    ),
}
"""``TRAIN.SLIDING``, for the general CNN with objects; ``TEST.SLIDING`` is in :mod:`pet.models.config`."""

DATA_SCHEMA: Schema = {
    "MISC": {
        "DATA_ROOT": Key("data", "Folder that the paths of the catalogue start from.", effect=Effect.NONE, arguments=("Source.root",))
    },
    "DATA": {
        "CATALOG": Key(
            {},
            "Data sets of your own by name: {flowers_train: {type: image_folder, path: flowers/train}}; types: digits, cifar10, cifar100, image_folder, images (without classes, at any depth), list_file; coco (with annotations: a JSON file), voc, yolo, cvat, labelme, label_studio, shards (what pet-pack wrote, in a folder or in a store, s3://...), semseg_folder (with annotations: a folder, and images2 for pairs of dates), label_list, label_records, public_set, ade20k, cihp, shapes, confetti; to count dots (files of dots, or boxes in VOC's layout or of a COCO file as annotations, whose centres count; classes names those that do) and crowds; of sequences with identities mot (step: every how many frames one is read; split: train_half and val_half too) and walkers, and with annotations jde (the list of images) and crowdhuman (box: full, visible or head); of faces face_records, face_templates (the folder of IJB-C), verification_pairs (with annotations: the list of pairs), verification_bin, facets; of videos motions, video_folder, video_list and frame_list (with frame_name: img_{:05}.jpg), and with annotations ucf101, something_something, kinetics. Data with label images also take classes, classes_filter, label_values, ignore_values, label_colours, ignore_colours (semseg_folder label_ending too), raw_labels, bands, window, stride; all with targets share and seed, and only: a list of the names of images that are taken, one a line; coco with keypoints flip_pairs: pairs of names, or of numbers from 0, that change places in a mirrored image, where the names do not say it.",
            arguments=("CatalogEntry",),
        ),
        "CLASSES": Key(
            [],
            "Names of the classes in the order of their labels. Empty: the class folders or names that are there, sorted.",
            type=list[str],
            arguments=("Source.classes",),
        ),
        "OTHER_CLASSES": Key(
            "refuse",
            "What is done with classes that the training does not name (DATA.CLASSES, or the names of the training data). refuse: one message before anything runs. skip: their images and objects are left out and counted; their pixels count nowhere.",
            choices=("refuse", "skip"),
            arguments=("with_names.others",),
        ),
        "ALLOW_OUTSIDE": Key(
            False,
            "Let the names of files in lists, COCO and XML files lead out of their folder and of MISC.DATA_ROOT: for files that you trust.",
            arguments=("Reach.anywhere",),
        ),
        "MAX_PIXELS": Key(
            MOST_PIXELS,
            "Greatest image, or part of one, that is read; larger ones are refused by their head.",
            unit="pixels",
            minimum=1,
            arguments=("set_limits.pixels",),
        ),
        "MAX_FILE_BYTES": Key(
            MOST_FILE_BYTES, "Greatest COCO file or list that is read.", unit="bytes", minimum=1, arguments=("set_limits.file_bytes",)
        ),
        "CACHE": Key(
            "none",
            "Whether image files are decoded once for all epochs, processes and workers of a machine. disk: into DATA.CACHE_FOLDER, for later runs too. memory: into the memory, until the last run ends. The samples are the same, bit for bit; changed files are decoded again. Label images too; no videos, point clouds and GeoTIFFs. device: of tasks with a label of the whole image, the training images lie on the training device from its beginning, and are cropped, mirrored, coloured and covered there, in batches.",
            choices=("none", "disk", "memory", "device"),
            effect=Effect.NONE,
            arguments=("open_cache.kind",),
        ),
        "CACHE_FOLDER": Key(
            "",
            "Where decoded images are; empty: pet/images in the user's folder of caches.",
            effect=Effect.NONE,
            arguments=("open_cache.folder",),
            used_if=(Switch("DATA.CACHE", one_of=("disk",)),),
        ),
        "CACHE_SPARE": Key(
            5.0,
            "How much of the disk, of the memory or of the device stays free: beyond it images are decoded each time, and those of a device are refused.",
            unit="percent",
            minimum=0,
            effect=Effect.NONE,
            arguments=("open_cache.spare",),
            used_if=(Switch("DATA.CACHE", none_of=("none",)),),
        ),
        "SHARDS": {
            "GROUP": Key(
                0,
                "Order for data sets of the type shards that lie in a store: the shards are shuffled, so many of them at a time are a group, and the samples of each group are shuffled, so that every shard is fetched once an epoch. The cache holds two groups and a shard. 0: all samples are shuffled together.",
                unit="shards",
                minimum=0,
                effect=Effect.OTHER_ORDER,
                arguments=("ShardSampler.group",),
            ),
            "LANES": Key(
                1,
                "With GROUP, for several nodes: the shuffled shards are dealt out to so many lanes, groups are made in each, and each batch has as many samples of every lane, so that a node reads the shards of its own lanes alone. A multiple of the number of nodes that divides the batch; it belongs to the order, whatever the number of nodes.",
                minimum=1,
                effect=Effect.OTHER_ORDER,
                arguments=("LaneSampler.lanes",),
                used_if=(Switch("DATA.SHARDS.GROUP"),),
            ),
            "CACHE_FOLDER": Key(
                "",
                "Where whole shards of stores are kept on each node, for all of its processes; empty: pet/shards in the user's folder of caches.",
                effect=Effect.NONE,
            ),
            "CACHE_SIZE": Key(
                20.0,
                "Greatest size of that folder. Without GROUP it is used for data that fit in as a whole. 0: samples are read one by one.",
                unit="GB",
                minimum=0,
                effect=Effect.NONE,
                arguments=("ShardCache.most_bytes",),
            ),
            "RETRY_SECONDS": Key(
                60.0,
                "For how long a request to a store that fails is repeated, before the run ends.",
                unit="seconds",
                minimum=0,
                effect=Effect.NONE,
            ),
        },
        "CHECK_SAMPLES": Key(
            16, "How many samples are checked before training, spread over the data set; 0: none.", unit="samples", minimum=0
        ),
    },
    "TRAIN": {
        "DATASETS": Key(
            [],
            "Data to train on: names of the catalogue, image folders or list files; several are joined.",
            type=list[str],
            effect=Effect.OTHER_ORDER,
        ),
        "TRANSFORMS": Key([], f"Augmentation: {TRANSFORMS_MEANING}", type=list[Any], arguments=("TrainLoader.transforms",)),
        "RESIZE": {"SCALES": SCALES},
        "ASPECT_GROUPING": Key(
            False, "Make each batch of wide or of tall images only, so that padding wastes little.", arguments=("AspectRatioSampler",)
        ),
        "REPEAT_THRESHOLD": Key(
            0.0,
            "Show images with rare classes more often: share of images below which a class is rare, LVIS (https://arxiv.org/abs/1908.03195) takes 0.001; 0: off.",
            minimum=0,
            arguments=("RepeatFactorSampler",),
        ),
    },
    "TEST": with_effect(
        Effect.EVALUATIONS,
        {
            "DATASETS": Key([], "Data to evaluate and test on.", type=list[str], arguments=("build_evaluation.dataset",)),
            "TRANSFORMS": Key([], f"Preparation of test images: {TRANSFORMS_MEANING}", type=list[Any]),
            "RESIZE": {"SCALES": SCALES},
        },
    ),
}
