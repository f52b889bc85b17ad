from .confusion_matrix import draw_confusion_matrix as draw_confusion_matrix
from .curves import draw_curves as draw_curves
from .curves import draw_run as draw_run

__all__ = ["draw_confusion_matrix", "draw_curves", "draw_run"]
