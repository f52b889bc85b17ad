from .build import build_writers as build_writers
from .records import EvaluationRecord as EvaluationRecord
from .records import TrainingRecord as TrainingRecord
from .records import Writer as Writer
from .storage import EventStorage as EventStorage

__all__ = ["EvaluationRecord", "EventStorage", "TrainingRecord", "Writer", "build_writers"]
