"""The settings of pictures: what is drawn, and how. Imports no torch."""

from typing import NamedTuple

from pet.typed import PetConfig
from petlib.config import ConfigError, Effect, Key, Schema, with_effect


class DrawSettings(NamedTuple):
    """What is drawn on an image, and how.

    Attributes:
        score_threshold: objects with a lower score are left out.
        scale: factor by which images are resized first; 0: small ones are enlarged so that text can be read.
        labels: write class and score next to each object.
        legend: name the colours of pixel classes and parts below the image.
        classes: how many of the most probable classes of a whole image are written; 0: none.
        boxes: draw boxes.
        masks: draw masks.
        mask_alpha: share of the colour in a mask, from 0 to 1.
        keypoints: draw keypoints and their skeleton.
        keypoint_threshold: keypoints with a lower score are left out.
        parsing: draw parts.
        parsing_alpha: share of the colour in a part.
        semseg: draw the classes of pixels.
        semseg_alpha: share of the colour in them.
        dots: draw dots and their number.
        density: draw maps of density and their sum.
        density_alpha: share of the colour where there is most.
    """

    score_threshold: float = 0.5
    scale: float = 0.0
    labels: bool = True
    legend: bool = True
    classes: int = 1
    boxes: bool = True
    masks: bool = True
    mask_alpha: float = 0.45
    keypoints: bool = True
    keypoint_threshold: float = 0.0
    parsing: bool = True
    parsing_alpha: float = 0.6
    semseg: bool = True
    semseg_alpha: float = 0.5
    dots: bool = True
    density: bool = True
    density_alpha: float = 0.6


def build_draw_settings(cfg: PetConfig) -> DrawSettings:
    """Return what the section ``VIS`` of a config says; the defaults where a task has no such section.

    Raises:
        ConfigError: an ``ALPHA`` lies above 1.
    """
    if "VIS" not in cfg:
        return DrawSettings()
    vis = cfg.VIS
    for name in ("MASK", "PARSING", "SEMSEG", "DENSITY"):
        if vis[name].ALPHA > 1:
            raise ConfigError(f"VIS.{name}.ALPHA: {vis[name].ALPHA:g} given, a share from 0 to 1 expected")
    return DrawSettings(
        score_threshold=vis.SCORE_THRESHOLD,
        scale=vis.SCALE,
        labels=vis.LABELS,
        legend=vis.LEGEND,
        classes=vis.CLS.TOP_COUNT if vis.CLS.ENABLED else 0,
        boxes=vis.BOX.ENABLED,
        masks=vis.MASK.ENABLED,
        mask_alpha=vis.MASK.ALPHA,
        keypoints=vis.KEYPOINTS.ENABLED,
        keypoint_threshold=vis.KEYPOINTS.SCORE_THRESHOLD,
        parsing=vis.PARSING.ENABLED,
        parsing_alpha=vis.PARSING.ALPHA,
        semseg=vis.SEMSEG.ENABLED,
        semseg_alpha=vis.SEMSEG.ALPHA,
        dots=vis.DOTS.ENABLED,
        density=vis.DENSITY.ENABLED,
        density_alpha=vis.DENSITY.ALPHA,
    )


VIS: Schema = {
    "SCORE_THRESHOLD": Key(0.5, "Objects with a lower score are not drawn.", minimum=0),
    "SCALE": Key(
        0.0,
        "Factor by which images are resized before they are drawn on. 0: small ones are enlarged until their longer edge has about 480 pixels, so that text can be read; larger ones stay as they are.",
        minimum=0,
    ),
    "LABELS": Key(True, "Write class and score next to each object; none where they would cover more than half of the picture."),
    "LEGEND": Key(True, "Name the colours of pixel classes and parts below the image."),
    "CLS": {
        "ENABLED": Key(True, "Write the most probable class of an image on it."),
        "TOP_COUNT": Key(1, "How many of the most probable classes are written.", minimum=1),
    },
    "BOX": {"ENABLED": Key(True, "Draw the boxes of objects.")},
    "MASK": {
        "ENABLED": Key(True, "Draw the masks of objects."),
        "ALPHA": Key(0.45, "How much a mask covers the image: 0 leaves only its outline, 1 hides the image.", minimum=0),
    },
    "KEYPOINTS": {
        "ENABLED": Key(True, "Draw keypoints and the lines between them."),
        "SCORE_THRESHOLD": Key(0.0, "Keypoints with a lower score are not drawn; scores are heights of heatmaps, without an upper limit."),
    },
    "PARSING": {
        "ENABLED": Key(True, "Draw the parts of objects."),
        "ALPHA": Key(0.6, "How much parts cover the image, from 0 to 1.", minimum=0),
    },
    "SEMSEG": {
        "ENABLED": Key(True, "Draw the classes of pixels."),
        "ALPHA": Key(0.5, "How much they cover the image, from 0 to 1.", minimum=0),
    },
    "DOTS": {"ENABLED": Key(True, "Draw the dots of what is counted, and write their number.")},
    "DENSITY": {
        "ENABLED": Key(True, "Draw how densely what is counted lies, and write the sum."),
        "ALPHA": Key(0.6, "How much the densest places are covered, from 0 to 1.", minimum=0),
    },
}

VIS_SCHEMA: Schema = {"VIS": with_effect(Effect.NONE, VIS)}
