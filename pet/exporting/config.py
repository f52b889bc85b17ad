"""The settings of an export, which all tasks share. Imports no torch."""

import importlib.util

from pet.models.config import has_views
from pet.typed import AnyConfig, PetConfig
from petlib.config import ConfigError, Effect, Key, Schema, Switch, with_effect
from petlib.suggest import did_you_mean

COMPARE_SCORE = Key(0.3, "Detections from this score on are compared. Where no image has any, the best of each image are.", minimum=0)
"""For tasks that find objects."""

FORMATS = ("openvino", "int8", "openvino_int8")
"""What can be made of an ONNX file."""

TENSORRT = "tensorrt"

EXPORT_SCHEMA: Schema = {
    "EXPORT": with_effect(
        Effect.NONE,
        {
            "SIZE": Key(
                [],
                "Height and width of the exported network's images. Empty: TEST.RESIZE.SCALES[0] twice, or where no transform takes its size from there, that of the test images.",
                type=list[int],
                unit="pixels",
            ),
            "BATCH": Key(1, "Images of a batch, where shapes are fixed; detectors take one.", minimum=1),
            "DYNAMIC": Key(False, "The exported network takes batches and images of any size; detectors one image of any size."),
            "NORMALIZE": Key(True, "Pixels from 0 to 255 go in, and the exported network normalises them itself."),
            "INPUT_NAMES": Key([], "Names of the inputs. Empty: images, and of pairs images and images2.", type=list[str]),
            "OUTPUT_NAMES": Key(
                [],
                "Names of the outputs, in their order. Empty: those of the task, e.g. logits, or boxes, scores and labels.",
                type=list[str],
            ),
            "HALF": Key(
                False,
                "Weights and computation in float16, apart from normalisation and the arithmetic of boxes; inputs and outputs stay float32.",
                arguments=("ExportSettings.half",),
            ),
            "SAMPLES": Key(
                4,
                "Samples of TEST.DATASETS that the exported network is compared with PyTorch on; 0: random images only.",
                minimum=0,
                arguments=("export_model.samples",),
            ),
            "TOLERANCE": Key(
                1e-3, "Greatest difference between PyTorch and the exported network; of values above 1 as a share.", minimum=0
            ),
            "TIME_LIMIT": Key(
                900.0,
                "What tracing and conversion may take; 0: no limit. The message after it says what to do.",
                unit="seconds",
                minimum=0,
                arguments=("export_model.time_limit",),
            ),
            "FORMATS": Key(
                [],
                "Further files that are made of the ONNX file: openvino (NAME.xml), int8 (NAME_int8.onnx, by calibration) and openvino_int8 (NAME_int8.xml). Each is measured on TEST.DATASETS.",
                type=list[str],
                arguments=("export_formats.formats",),
            ),
            "CALIBRATION": Key(
                128,
                "Samples of TRAIN.DATASETS, after TEST.TRANSFORMS, that the ranges of values of int8 files are taken from.",
                minimum=1,
            ),
            "MAX_DROP": Key(
                0.02,
                "What a further file may be worse by than PyTorch in EVAL.BEST_METRIC; above it there is no file. Of a metric that is better when greater in its unit, 0.02 being two points; of another one as a share.",
                minimum=0,
            ),
            "FLOAT_LAYERS": Key(
                [],
                "Layers that stay in float32 in int8 files, in addition to the last ones: regular expressions for the names of their weights.",
                type=list[str],
                arguments=("quantise.float_layers",),
            ),
            "HALF_TOLERANCE": Key(2e-2, "The same with HALF, against PyTorch in float32.", minimum=0, used_if=(Switch("EXPORT.HALF"),)),
        },
    )
}


def check_export(cfg: PetConfig) -> None:
    """Check the ``EXPORT`` section.

    Raises:
        ConfigError: a size has not two numbers, or a name is given twice.
    """
    size = cfg.EXPORT.SIZE
    if len(size) not in (0, 2) or min(size, default=1) < 1:
        raise ConfigError(f"EXPORT.SIZE: {list(size)} given, [height, width] expected, e.g. [512, 512]")
    if any(name.lower() == TENSORRT for name in cfg.EXPORT.FORMATS):
        lacking = "" if importlib.util.find_spec(TENSORRT) else ", and the package tensorrt is not installed here"
        raise ConfigError(
            f"EXPORT.FORMATS: {TENSORRT} given, but Pet makes no engines{lacking}; its own tool makes one of the ONNX file on the machine that "
            "is to run it: trtexec --onnx=model.onnx --saveEngine=model.engine (docs/export.md)"
        )
    unknown = [name for name in cfg.EXPORT.FORMATS if name not in FORMATS]
    if unknown:
        raise ConfigError(f"EXPORT.FORMATS: {unknown[0]!r} given, some of {', '.join(FORMATS)} expected{did_you_mean(unknown[0], FORMATS)}")
    names = [*cfg.EXPORT.INPUT_NAMES, *cfg.EXPORT.OUTPUT_NAMES]
    if len(set(names)) < len(names) or "" in names:
        raise ConfigError(f"EXPORT.INPUT_NAMES, EXPORT.OUTPUT_NAMES: {', '.join(map(repr, names))} given, different names expected")


def check_single_view(cfg: AnyConfig) -> None:
    """Check that the model looks at each image once, as an exported file does.

    Raises:
        ConfigError: ``TEST.VIEWS`` asks for several views.
    """
    if "VIEWS" in cfg.TEST and has_views(cfg):
        raise ConfigError("TEST.VIEWS: an exported network looks at an image once; leave SCALES empty and FLIP False")


def export_size(cfg: PetConfig) -> tuple[int, int]:
    """Return height and width of the exported network's images.

    Raises:
        ConfigError: neither ``EXPORT.SIZE`` nor ``TEST.RESIZE.SCALES`` says one.
    """
    size = list(cfg.EXPORT.SIZE) or list(cfg.TEST.RESIZE.SCALES[:1]) * 2
    if not size:
        raise ConfigError("EXPORT.SIZE: nothing given, and TEST.RESIZE.SCALES is empty; set it to [height, width], e.g. [224, 224]")
    return size[0], size[1]


def chosen_names(given: list[str], default: list[str], key: str) -> list[str]:
    """Return the names of a config, or those of the task where it gives none.

    Raises:
        ConfigError: there are not as many as the network needs.
    """
    if given and len(given) != len(default):
        raise ConfigError(f"{key}: {len(given)} names given ({', '.join(given)}), {len(default)} expected, for {', '.join(default)}")
    return list(given) or default
