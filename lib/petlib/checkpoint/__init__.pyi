from .checkpointer import Checkpointer as Checkpointer
from .weights import load_weights as load_weights
