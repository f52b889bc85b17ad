from .classification import ClassificationEvaluator as ClassificationEvaluator
from .evaluation import Evaluation as Evaluation
from .evaluator import Evaluator as Evaluator
from .loop import evaluate as evaluate

__all__ = ["ClassificationEvaluator", "Evaluation", "Evaluator", "evaluate"]
