from .curves import draw_run as draw_run
from .names import TargetNames as TargetNames
from .settings import DrawSettings as DrawSettings
from .settings import build_draw_settings as build_draw_settings
