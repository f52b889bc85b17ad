from .confusion_matrix import draw_confusion_matrix as draw_confusion_matrix
from .curves import draw_curves as draw_curves
from .curves import draw_run as draw_run
from .names import TargetNames as TargetNames
from .palette import class_colour as class_colour
from .palette import class_colours as class_colours
from .settings import DrawSettings as DrawSettings
from .settings import build_draw_settings as build_draw_settings
from .sheet import make_sheet as make_sheet

__all__ = [
    "DrawSettings",
    "TargetNames",
    "build_draw_settings",
    "class_colour",
    "class_colours",
    "draw_confusion_matrix",
    "draw_curves",
    "draw_run",
    "make_sheet",
]
