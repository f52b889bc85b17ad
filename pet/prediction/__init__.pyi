from .build import build_whole_images as build_whole_images
from .inputs import FileInput as FileInput
from .inputs import Inputs as Inputs
from .inputs import find_inputs as find_inputs
from .output import Output as Output
from .output import Predictions as Predictions
from .output import PredictionSummary as PredictionSummary
from .run import FilePredictor as FilePredictor
from .run import predict_files as predict_files
from .videos import count_frames as count_frames
from .whole_images import SamplePredictor as SamplePredictor
from .whole_images import WholeImages as WholeImages
from .windows import LabelledWindows as LabelledWindows
from .windows import WindowSettings as WindowSettings

__all__ = [
    "FileInput",
    "FilePredictor",
    "Inputs",
    "LabelledWindows",
    "Output",
    "PredictionSummary",
    "Predictions",
    "SamplePredictor",
    "WholeImages",
    "WindowSettings",
    "build_whole_images",
    "count_frames",
    "find_inputs",
    "predict_files",
]
