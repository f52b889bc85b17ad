from . import lr as lr
from .adamw import AdamW as AdamW
