"""Figures of matplotlib that are made and saved without pyplot."""

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from petlib.files import temporary_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Fonts with Chinese, Japanese and Korean characters, which matplotlib's own font lacks
WIDE_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei")
BORDER = 0.15
"""Inches around all that is drawn."""

logger = logging.getLogger(__name__)


def make_figure(width: float, height: float, dpi: int = 100, *, left: float = 0.0) -> "Figure":
    """Return an empty figure of so many inches whose parts make room for each other, but for the share ``left`` of its width."""
    # slow, and only needed here
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    across, up = BORDER / width, BORDER / height
    layout = ConstrainedLayoutEngine(rect=(left + across, up, 1 - left - 2 * across, 1 - 2 * up))
    figure = Figure(figsize=(width, height), dpi=dpi, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: Path, *, cut: bool = True) -> None:
    """Write the figure as PNG in one go; missing folders are made.

    Args:
        figure: what is written.
        path: the picture.
        cut: leave out the empty borders; takes as long as the drawing itself. Only panels of a fixed shape leave some.
    """
    with temporary_path(path) as temporary, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.savefig(temporary, format="png", bbox_inches="tight" if cut else None, pad_inches=BORDER)
    messages = {str(warning.message) for warning in caught}
    # matplotlib warns of every single character
    if any(message.startswith("Glyph ") for message in messages):
        logger.warning("%s: no installed font has all characters; boxes replace the others", path)
    for message in sorted(message for message in messages if not message.startswith("Glyph ")):
        logger.warning("%s: %s", path, message)


def font_families() -> list[str]:
    """Return matplotlib's own font and what is installed for other scripts, to be looked through for each character."""
    # slow, and only needed here
    from matplotlib.font_manager import get_font_names

    installed = set(get_font_names())
    return ["DejaVu Sans", *(name for name in WIDE_FONTS if name in installed)]


def plain(text: str, length: int = 0) -> str:
    """Return text that matplotlib draws as it is, shortened in the middle to ``length`` characters; 0: as long as it is."""
    text = " ".join(text.split())
    if 0 < length < len(text):
        front = (length - 1) * 2 // 3
        text = text[:front] + "…" + text[len(text) - (length - 1 - front) :]
    return text.replace("$", r"\$")
