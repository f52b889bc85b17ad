"""What to do about each kind of finding, a sentence each."""

from pet.data.report import dataset_report, examination, overview, shared
from pet.data.targets import (
    boxes,
    boxes3d,
    clip,
    identities,
    keypoints,
    label,
    label_maps,
    masks,
    observation,
    pixel_types,
    plausibility,
    points,
    surface,
)

FIX_ANNOTATIONS = "Correct the annotation in the labelling tool, or leave the object out."
LEAVE_OUT = "Repair or replace the files, or leave these samples out with a list (only: of the entry in DATA.CATALOG)."
ONE_SIDE = "Keep them on one side: tools/data/split.py --group PATTERN keeps together what belongs together. Else metrics are too good."
OTHER_CLASSES = "Correct the label, or name all classes: DATA.CLASSES, and MODEL.NUM_CLASSES: 0 takes their number."

REMEDIES = {
    examination.UNREADABLE: LEAVE_OUT,
    examination.WRONG_IMAGE: LEAVE_OUT,
    examination.BOX_OUTSIDE: "Boxes are cut off at the border. Many of them: the images may have had another size when they were marked.",
    examination.DIFFERS: FIX_ANNOTATIONS,
    dataset_report.DUPLICATE_ID: "Give every image an id of its own: results of an evaluation are found by it.",
    dataset_report.DUPLICATE_FILE: "Name each file once: what is there twice counts twice.",
    dataset_report.NO_SAMPLE: "Look at the paths of the entry in DATA.CATALOG, and at what was noted while reading.",
    overview.NO_DATASET: "Do what the message says; paths start from MISC.DATA_ROOT.",
    overview.NO_FIT: "Choose the data or the settings of the model that the message names.",
    overview.NO_JOIN: "Give all data sets the same classes with DATA.CLASSES, or train on one of them.",
    overview.OTHER_NAMES: "Choose another MISC.CKPT, or the data that the run began with.",
    overview.TOO_FEW: "Make TRAIN.BATCH_SIZE smaller, or add samples.",
    shared.SHARED: ONE_SIDE,
    shared.SHARED_PIXELS: ONE_SIDE,
    shared.SHARED_IDENTITY: ONE_SIDE,
    shared.SHARED_GROUP: ONE_SIDE,
    shared.NEARLY_SHARED: f"Look whether they show the same thing. {ONE_SIDE}",
    shared.NEARLY_SAME: "Look whether they show the same thing: copies cost time and count twice; frames that follow each other may stay.",
    observation.LABEL_OUTSIDE: OTHER_CLASSES,
    label.SEVERAL_CLASSES: "Decide which class is right, and remove the other copies.",
    label.NO_IMAGE: "Add images, or take the class out of DATA.CLASSES.",
    label.ONE_IMAGE: "Add images: a class cannot be learned from one, and not be measured either.",
    boxes.NO_AREA: FIX_ANNOTATIONS,
    boxes.NO_OBJECTS: "Look whether the annotations belong to these images, and whether classes were left out.",
    boxes3d.NO_POINTS: "Look at the calibration and at the object: without points it can hardly be found.",
    boxes3d.BEYOND: "Widen what the model looks at, or accept that these are never found.",
    masks.NO_RASTER: FIX_ANNOTATIONS,
    masks.EMPTY_MASK: FIX_ANNOTATIONS,
    keypoints.POINT_OUTSIDE: FIX_ANNOTATIONS,
    surface.POINT_OUTSIDE: FIX_ANNOTATIONS,
    surface.NO_POINT: "Choose data with marked points of surfaces.",
    identities.TWICE: "Give each object of a frame a number of its own.",
    identities.NONE_AT_ALL: "Choose data with identities: nothing can be learned of them here.",
    label_maps.ALL_IGNORED: "Look at the label images and at ignore_values: these images teach nothing.",
    label_maps.ONLY_BACKGROUND: "Set label_values or ignore_values of the entry, as the message says.",
    points.FEW_POINTS: "Look whether the frame was recorded whole.",
    clip.UNREADABLE_FRAMES: LEAVE_OUT,
    clip.MISCOUNTED: "Nothing has to be done: what can be decoded counts. Many missing frames: the file may be cut off.",
    clip.OTHER_RATE: "Give steps of clips in time: frame_rate of RandomClip and EvenClips.",
    pixel_types.MIXED: "Convert the images to one type, or train on one sort of them.",
    pixel_types.UNUSED_RANGE: "Set maximum of Normalize to the greatest value of the data.",
    plausibility.OTHER_FORM: "Write the boxes in the form that the message names.",
    plausibility.SHARES: "Multiply the numbers by the size of the image.",
    plausibility.REPEATED: "Leave the repetitions out.",
    plausibility.WRONG_AREA: "Correct the areas, or leave them out of the file.",
    plausibility.ELSEWHERE["outlines"]: "Write outlines in pixels of the image.",
    plausibility.ELSEWHERE["keypoints"]: "Write keypoints in pixels of the image.",
}
"""Kind of finding -> what to do."""


def remedy_of(kind: str) -> str:
    """Return what to do about a kind of finding; about one that a kind of target of one's own reports, a word that always holds."""
    return REMEDIES.get(kind, "Look at the samples, and correct or leave them out.")
