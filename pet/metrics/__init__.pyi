from .classification import ClassificationMetrics as ClassificationMetrics
from .classification import ClassificationResult as ClassificationResult
from .results import write_metrics_json as write_metrics_json
from .results import write_predictions as write_predictions

__all__ = ["ClassificationMetrics", "ClassificationResult", "write_metrics_json", "write_predictions"]
