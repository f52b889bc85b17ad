from .evaluating import EvaluationFigures as EvaluationFigures
from .evaluating import evaluate as evaluate
from .training import train as train
