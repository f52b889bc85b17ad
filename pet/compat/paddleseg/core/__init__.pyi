from .evaluating import EvaluationFigures as EvaluationFigures
from .evaluating import evaluate as evaluate
from .predicting import predict as predict
from .training import train as train
