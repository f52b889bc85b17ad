from .checkpointer import Checkpointer as Checkpointer
from .load_report import LoadReport as LoadReport
from .load_report import Mismatch as Mismatch
from .random_state import preserved_random_state as preserved_random_state
from .random_state import random_state as random_state
from .random_state import restore_random_state as restore_random_state
from .restore import load_model_strict as load_model_strict
from .weights import load_weights as load_weights

__all__ = [
    "Checkpointer",
    "LoadReport",
    "Mismatch",
    "load_model_strict",
    "load_weights",
    "preserved_random_state",
    "random_state",
    "restore_random_state",
]
