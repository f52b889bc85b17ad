from .classification import ClassificationEvaluator as ClassificationEvaluator
from .evaluation import Evaluation as Evaluation
from .evaluation import build_evaluation as build_evaluation
from .evaluator import Evaluator as Evaluator
from .metrics import METRICS as METRICS
