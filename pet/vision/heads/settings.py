"""The settings of the heads. Imports no torch, so that a mistake in a config is reported at once."""

from pet.models.config import LOSSES
from pet.models.registries import DETECTORS, WHOLE
from petlib.config import Effect, Key, Schema, Switch, used_if, with_effect

TOWERS = Switch("MODEL.BOX.DETECTOR", none_of=("faster_rcnn", "cascade_rcnn", "centernet", *WHOLE))
REGIONS = Switch("MODEL.BOX.DETECTOR", none_of=("retinanet", "fcos", "centernet", *WHOLE))
ANCHORS = Switch("MODEL.BOX.DETECTOR", none_of=("fcos", "centernet", *WHOLE))
SUPPRESSES = Switch("MODEL.BOX.DETECTOR", none_of=WHOLE, also=(Switch("TEST.VIEWS.SCALES"), Switch("TEST.VIEWS.FLIP")))
"""What the detectors look at; one of a user may look at everything."""

RPN: Schema = {
    "PRE_NMS_TRAIN": Key(2000, "Best anchors of each level that are looked at in training.", minimum=1),
    "PRE_NMS_TEST": Key(1000, "The same in evaluation.", minimum=1),
    "POST_NMS_TRAIN": Key(2000, "Proposals of an image that are left after suppression in training.", minimum=1),
    "POST_NMS_TEST": Key(1000, "The same in evaluation.", minimum=1),
    "NMS": Key(0.7, "Intersection over union from which the weaker proposal is dropped.", minimum=0),
    "BATCH_SIZE": Key(256, "Anchors of an image that the loss takes.", minimum=1),
    "POSITIVE_FRACTION": Key(0.5, "Greatest share of objects among them.", minimum=0),
    "POSITIVE_IOU": Key(0.7, "Intersection over union from which an anchor is an object.", minimum=0),
    "NEGATIVE_IOU": Key(0.3, "Intersection over union below which it is background.", minimum=0),
}

ROI: Schema = {
    "BATCH_SIZE": Key(512, "Proposals of an image that the box head learns from.", minimum=1),
    "POSITIVE_FRACTION": Key(0.25, "Greatest share of objects among them.", minimum=0),
    "POSITIVE_IOU": Key(
        0.5,
        "Intersection over union from which a proposal is an object; the cascade uses CASCADE_IOUS.",
        minimum=0,
        used_if=(Switch("MODEL.BOX.DETECTOR", none_of=("cascade_rcnn",)),),
    ),
    "POOL": Key(7, "Height and width that a region's features are pooled to.", unit="pixels", minimum=1),
    "HIDDEN": Key(1024, "Length of the two hidden layers.", minimum=1),
    "CASCADE_IOUS": Key(
        [0.5, 0.6, 0.7],
        "Intersection over union of each stage of the cascade.",
        type=list[float],
        used_if=(Switch("MODEL.BOX.DETECTOR", none_of=("faster_rcnn",)),),
    ),
}

BOX: Schema = {
    "MODEL": {
        "BOX": {
            "DETECTOR": Key("faster_rcnn", "Kind of detector.", choices=DETECTORS),
            "ANCHOR_SIZES": Key(
                [],
                "Edges of the anchors of each level, e.g. [[32], [64], [128], [256], [512]]. Empty: those, for RetinaNet three scales of each.",
                type=list[list[int]],
                unit="pixels",
                used_if=(ANCHORS,),
            ),
            "ASPECT_RATIOS": Key([0.5, 1.0, 2.0], "Height / width of the anchors.", type=list[float], used_if=(ANCHORS,)),
            "RPN": used_if(RPN, REGIONS),
            "ROI": used_if(ROI, REGIONS),
            "PRIOR": Key(0.01, "Probability of an object that RetinaNet and FCOS begin with.", minimum=0, used_if=(TOWERS,)),
            "CONVOLUTIONS": Key(4, "Convolutions of each tower of RetinaNet and FCOS.", minimum=1, used_if=(TOWERS,)),
        }
    },
    "EVAL": {
        "BOX_METRICS": Key(
            ["coco"],
            "How boxes are measured: coco (twelve numbers), voc (AP50 under the curve), voc07 (AP50 at eleven points).",
            type=list[str],
            effect=Effect.EVALUATIONS,
        )
    },
    "TEST": with_effect(
        Effect.EVALUATIONS,
        {
            "SCORE_THRESHOLD": Key(0.05, "Detections with a lower score are dropped.", minimum=0),
            "NMS": Key(
                0.5, "Intersection over union from which the weaker detection of a class is dropped.", minimum=0, used_if=(SUPPRESSES,)
            ),
            "DETECTIONS_PER_IMAGE": Key(
                100, "Greatest number of detections of an image, or of each of its windows (TEST.SLIDING).", minimum=1
            ),
            "SOFT_NMS": {
                "METHOD": Key(
                    "never",
                    "Lower the scores of overlapping detections instead of dropping them (https://arxiv.org/abs/1704.04503).",
                    choices=("never", "linear", "gaussian"),
                    used_if=(SUPPRESSES,),
                ),
                "SIGMA": Key(0.5, "Width of the gaussian.", minimum=0, used_if=(Switch("TEST.SOFT_NMS.METHOD", one_of=("gaussian",)),)),
            },
        },
    ),
}

MASK: Schema = {
    "MODEL": {
        "MASK": {
            "POOL": Key(
                14,
                "Height and width that a region's features are pooled to; masks have twice as many pixels.",
                minimum=1,
                used_if=(REGIONS,),
            ),
            "CHANNELS": Key([256, 256, 256, 256], "Channels of the convolutions.", type=list[int], used_if=(REGIONS,)),
        }
    }
}

KEYPOINTS: Schema = {
    "MODEL": {
        "KEYPOINTS": {
            "NUM_KEYPOINTS": Key(17, "Number of keypoints of an object.", minimum=1),
            "LABELS": Key([], "Labels of the classes that have keypoints, where pictures and files show them. Empty: all.", type=list[int]),
            "POOL": Key(14, "Height and width that a region's features are pooled to; heatmaps are four times as wide.", minimum=1),
            "CHANNELS": Key([512] * 8, "Channels of the convolutions.", type=list[int]),
        }
    }
}

PARSING: Schema = {
    "MODEL": {
        "PARSING": {
            "NUM_PARTS": Key(20, "Number of part labels, with the background.", minimum=2),
            "LABELS": Key([], "Labels of the classes that have parts, where pictures and files show them. Empty: all.", type=list[int]),
            "POOL": Key(32, "Height and width that a region's features are pooled to; part maps are four times as wide.", minimum=1),
            "CHANNELS": Key([256] * 4, "Channels of the convolutions.", type=list[int]),
            "CONTEXT": Key(True, "Join features of several dilations and non-local ones first (https://arxiv.org/abs/1811.12596)."),
            "RESCORE": Key(True, "Learn how good a part map is and rank detections by it."),
            "LOSS_WEIGHT": Key(1.0, "Weight of the loss of the part maps.", minimum=0),
            "RESCORE_LOSS_WEIGHT": Key(1.0, "Weight of the loss of the estimate.", minimum=0, used_if=(Switch("MODEL.PARSING.RESCORE"),)),
        }
    },
    "TEST": {
        "PARSING_THRESHOLD": Key(
            0.3, "Part maps with a lower score are left out of an image's label image.", minimum=0, effect=Effect.EVALUATIONS
        )
    },
}

IDENTITY: Schema = {
    "MODEL": {
        "IDENTITY": {
            "NUM_IDENTITIES": Key(0, "Number of identities of the training data, which a classifier learns; a test needs none.", minimum=0),
            "HIDDEN": Key(256, "Channels between the two convolutions.", minimum=1),
            "EMBEDDING": Key(128, "Length of an embedding.", minimum=1),
        }
    },
    "TEST": {
        "TRACKER": Key(
            "fairmot",
            "What follows objects in the sequences of a test: sort, bytetrack or fairmot, or its name with arguments, {name: sort, buffer: 2.0}; empty: tracks are not measured.",
            type=str | dict,
            effect=Effect.EVALUATIONS,
            arguments=("build_tracker.entry",),
        )
    },
}

SURFACE: Schema = {
    "MODEL": {
        "SURFACE": {
            "NUM_PARTS": Key(25, "Number of parts of the surface, with the background.", minimum=2),
            "POOL": Key(28, "Height and width that a region's features are pooled to; maps are four times as wide.", minimum=1),
            "CHANNELS": Key([512] * 8, "Channels of the convolutions.", type=list[int]),
            "CONTEXT": Key(False, "Join features of several dilations and non-local ones first (https://arxiv.org/abs/1811.12596)."),
            "DECODER": Key(
                False,
                "Join all maps of the neck to one first (https://arxiv.org/abs/1901.02446), which regions of every size are pooled from.",
            ),
            "POSITIVE_IOU": Key(0.7, "Intersection over union with its object from which the head learns from a proposal.", minimum=0),
            "LOSS_WEIGHTS": {
                "PART": Key(1.0, "Weight of the loss of the parts.", minimum=0),
                "MASK": Key(5.0, "Weight of the loss of object and background.", minimum=0),
                "UV": Key(0.02, "Weight of the loss of u and v, which is summed over the points of an image.", minimum=0),
            },
        }
    },
}

SEMSEG: Schema = {
    "MODEL": {
        "SEMSEG": {
            "DECODER": Key(
                "fpn",
                "What turns the stages of the backbone into a label image: a decoder of segmentation-models-pytorch, or fcn, which joins all stages.",
                choices=("fcn", "fpn", "unet", "upernet", "deeplabv3plus", "pspnet", "segformer"),
                arguments=("build_decoder.name",),
            ),
            "DECODER_ARGS": Key({}, "Further arguments of the decoder by its own names.", arguments=("build_decoder.args",)),
            "NUM_CLASSES": Key(0, "Number of classes; 0: MODEL.NUM_CLASSES.", minimum=0),
            "LOSSES": LOSSES,
            "LOSS_WEIGHT": Key(1.0, "Weight of the loss.", minimum=0),
            "CLASS_WEIGHTS": Key(
                [],
                "How much a pixel of each class counts in the cross entropy. Empty: all the same.",
                type=list[float],
                arguments=("weigh_classes.weights",),
            ),
        }
    }
}

DENSITY: Schema = {
    "MODEL": {
        "DENSITY": {
            "STRIDE": Key(8, "Height and width of a cell, of which the head says how much lies in it.", unit="pixels", minimum=1),
            "CHANNELS": Key([256, 128], "Channels of the 3 x 3 convolutions.", type=list[int]),
            "DILATION": Key(1, "Dilation of the convolutions; 2 in CSRNet.", minimum=1),
            "ACTIVATION": Key(
                "softplus",
                "What keeps densities from being negative. relu, as published, may end in a network that counts nothing.",
                choices=("softplus", "relu"),
            ),
            "COUNT_WEIGHT": Key(1.0, "Weight of the difference of the counts; 0: off.", minimum=0),
            "VARIATION_WEIGHT": Key(
                0.01, "Weight of the difference of normalised maps (https://arxiv.org/abs/2009.13077); 0: off.", minimum=0
            ),
            "TRANSPORT": {
                "WEIGHT": Key(0.1, "Weight of the optimal transport of the density to the dots (likewise); 0: off.", minimum=0),
                "REGULARIZATION": Key(
                    10.0, "Weight of its entropy.", unit="square pixels", minimum=0, used_if=(Switch("MODEL.DENSITY.TRANSPORT.WEIGHT"),)
                ),
                "ITERATIONS": Key(100, "Iterations of its solver.", minimum=1, used_if=(Switch("MODEL.DENSITY.TRANSPORT.WEIGHT"),)),
            },
            "SQUARED": {
                "WEIGHT": Key(0.0, "Weight of the squared differences to Gaussians around the dots (CSRNet); 0: off.", minimum=0),
                "SIGMA": Key(
                    15.0,
                    "Standard deviation of the Gaussians, each of which sums to 1 inside of the image.",
                    unit="pixels",
                    minimum=0.01,
                    used_if=(Switch("MODEL.DENSITY.SQUARED.WEIGHT"),),
                ),
            },
        }
    }
}

DOTS: Schema = {
    "MODEL": {
        "DOTS": {
            "STRIDE": Key(8, "Height and width of a cell, that of the map that the head looks at.", unit="pixels", minimum=1),
            "LINES": Key(2, "Proposals of a cell along each axis.", minimum=1),
            "CHANNELS": Key(256, "Channels of the convolutions.", minimum=1),
            "CONVOLUTIONS": Key(4, "Convolutions of the towers of scores and of offsets.", minimum=1),
            "DISTANCE_WEIGHT": Key(
                0.05, "Weight of a pixel of distance against the score, where dots are matched with proposals.", minimum=0
            ),
            "BACKGROUND_WEIGHT": Key(0.5, "Weight of proposals without a dot in the loss of the scores.", minimum=0),
            "OFFSET_WEIGHT": Key(0.0002, "Weight of the loss of the places.", minimum=0),
        }
    },
    "TEST": {"DOT_THRESHOLD": Key(0.5, "Score from which a proposal is a dot that counts.", minimum=0, effect=Effect.EVALUATIONS)},
    "EVAL": {
        "DOT_RADII": Key(
            [4.0, 8.0], "Distances up to which a found dot is right.", type=list[float], unit="pixels", effect=Effect.EVALUATIONS
        )
    },
}

COUNTS: Schema = used_if(
    {
        "TEST": {
            "INTERVAL": with_effect(
                Effect.EVALUATIONS,
                {
                    "CALIBRATION": Key(
                        "",
                        "Table counts.csv that a test wrote on images that were not trained on: from its errors follows an interval around each count. Empty: none.",
                    ),
                    "SHARE": Key(
                        0.9,
                        "Share of images whose true count the interval is to hold.",
                        minimum=0,
                        used_if=(Switch("TEST.INTERVAL.CALIBRATION"),),
                    ),
                },
            )
        }
    },
    Switch("MODEL.HAS_DENSITY", also=(Switch("MODEL.HAS_DOTS"),)),
)
"""What heads that count have in common."""
