from .classification import ClassificationEvaluator as ClassificationEvaluator
from .evaluate import evaluate as evaluate
from .evaluation import Evaluation as Evaluation
from .evaluator import Evaluator as Evaluator

__all__ = ["ClassificationEvaluator", "Evaluation", "Evaluator", "evaluate"]
