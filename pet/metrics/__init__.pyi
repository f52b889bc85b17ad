from .classification import ClassificationMetrics as ClassificationMetrics
from .classification import ClassificationResult as ClassificationResult
from .results import write_metrics_json as write_metrics_json
from .results import write_predictions as write_predictions
from .segmentation import ForegroundFigures as ForegroundFigures
from .segmentation import SegmentationMetrics as SegmentationMetrics
from .segmentation import SegmentationResult as SegmentationResult
from .segmentation import report_lines as report_lines

__all__ = [
    "ClassificationMetrics",
    "ClassificationResult",
    "ForegroundFigures",
    "SegmentationMetrics",
    "SegmentationResult",
    "report_lines",
    "write_metrics_json",
    "write_predictions",
]
