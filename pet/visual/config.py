"""The settings of pictures. Imports no torch."""

from petlib.config import Effect, Key, Schema, with_effect

VIS: Schema = {
    "SCORE_THRESHOLD": Key(0.5, "Objects with a lower score are not drawn.", minimum=0),
    "SCALE": Key(
        0.0,
        "Factor by which images are resized before they are drawn on. 0: small ones are enlarged until their longer edge has about 480 pixels, so that text can be read; larger ones stay as they are.",
        minimum=0,
    ),
    "LABELS": Key(True, "Write class and score next to each object."),
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
}

VIS_SCHEMA: Schema = {"VIS": with_effect(Effect.NONE, VIS)}
