from .inputs import Inputs as Inputs
from .inputs import count_frames as count_frames
from .inputs import find_inputs as find_inputs
from .names import find_names as find_names
from .predictor import Predictor as Predictor
from .predictor import build_predictor as build_predictor
from .records import describe_predictions as describe_predictions
from .run import Summary as Summary
from .run import run_inference as run_inference

__all__ = [
    "Inputs",
    "Predictor",
    "Summary",
    "build_predictor",
    "count_frames",
    "describe_predictions",
    "find_inputs",
    "find_names",
    "run_inference",
]
