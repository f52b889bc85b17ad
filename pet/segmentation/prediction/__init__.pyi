from .description import ModelDescription as ModelDescription
from .inputs import ImageInput as ImageInput
from .inputs import find_images as find_images
from .polygons import Polygon as Polygon
from .polygons import trace_label_image as trace_label_image
from .predictors import NetworkPredictor as NetworkPredictor
from .predictors import OnnxPredictor as OnnxPredictor
from .predictors import Predictor as Predictor
from .run import PredictionSummary as PredictionSummary
from .run import WindowSettings as WindowSettings
from .run import predict_files as predict_files
from .sliding import Strip as Strip
from .sliding import labels_of as labels_of
from .sliding import sliding_window as sliding_window

__all__ = [
    "ImageInput",
    "ModelDescription",
    "NetworkPredictor",
    "OnnxPredictor",
    "Polygon",
    "PredictionSummary",
    "Predictor",
    "Strip",
    "WindowSettings",
    "find_images",
    "labels_of",
    "predict_files",
    "sliding_window",
    "trace_label_image",
]
