from .classification import ClassificationEvaluator as ClassificationEvaluator
from .evaluation import Evaluation as Evaluation
from .evaluation import build_evaluation as build_evaluation
from .evaluator import Evaluator as Evaluator
from .loop import evaluate as evaluate
from .metrics import METRICS as METRICS

__all__ = ["METRICS", "ClassificationEvaluator", "Evaluation", "Evaluator", "build_evaluation", "evaluate"]
