from .batch_stream import Batch as Batch
from .batch_stream import BatchStream as BatchStream
from .build import build_checkpointer as build_checkpointer
from .build import build_state as build_state
from .build import build_step as build_step
from .build import build_step_guard as build_step_guard
from .build import build_train_hooks as build_train_hooks
from .build import run_length as run_length
from .hook import Hook as Hook
from .hooks.freeze import FreezeHook as FreezeHook
from .loop import train as train
from .model import analyse as analyse
from .model import find_test_weights as find_test_weights
from .model import load_initial_weights as load_initial_weights
from .model import load_test_weights as load_test_weights
from .model import parallelize as parallelize
from .model import prepare_model as prepare_model
from .run import open_run as open_run
from .snapshot import resume as resume
from .state import TrainState as TrainState
from .step import DefaultStep as DefaultStep

__all__ = [
    "analyse",
    "find_test_weights",
    "load_initial_weights",
    "load_test_weights",
    "parallelize",
    "Batch",
    "BatchStream",
    "DefaultStep",
    "FreezeHook",
    "Hook",
    "TrainState",
    "build_checkpointer",
    "build_state",
    "build_step",
    "build_step_guard",
    "build_train_hooks",
    "open_run",
    "prepare_model",
    "resume",
    "run_length",
    "train",
]
