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

__all__ = [
    "ImageInput",
    "NetworkPredictor",
    "OnnxPredictor",
    "Polygon",
    "PredictionSummary",
    "Predictor",
    "WindowSettings",
    "find_images",
    "predict_files",
    "trace_label_image",
]
