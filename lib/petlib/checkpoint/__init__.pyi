from .checkpointer import Checkpointer as Checkpointer
from .fetch import fetch_run as fetch_run
from .stored import CheckpointStore as CheckpointStore
from .weights import load_weights as load_weights
