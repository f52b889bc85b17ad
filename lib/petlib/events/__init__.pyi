from .build import build_writers as build_writers
from .storage import EvaluationRecord as EvaluationRecord
from .storage import EventStorage as EventStorage
from .storage import TrainingRecord as TrainingRecord
from .storage import Writer as Writer

__all__ = ["EvaluationRecord", "EventStorage", "TrainingRecord", "Writer", "build_writers"]
