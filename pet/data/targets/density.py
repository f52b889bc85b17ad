"""Maps of how much of what is counted lies where: what a network finds, drawn over its image."""

import cv2
import numpy as np

from pet.data.targets.kind import Fields, Kind
from pet.structures.moves import Size
from pet.visual.canvas import Canvas
from pet.visual.names import TargetNames
from pet.visual.palette import BLACK
from pet.visual.settings import DrawSettings
from pet.visual.sheet import Legend


class Density(Kind):
    """``density``, float32 (h, w): what lies in each cell; its sum is the count. ``density_cell`` (2,): height and width of a cell, pixels.

    Networks predict it; no data set has it. The last row and column of cells may reach beyond the image.
    """

    name = "density"
    fields = ("density", "density_cell")
    has_places = True
    layer = 10

    def restore(self, predictions: Fields, inverse: np.ndarray, size: Size | None) -> Fields:
        """Return the size of a cell in pixels of the file."""
        scale = predictions["density_cell"].new_tensor(np.abs([inverse[1, 1], inverse[0, 0]]))
        return {"density_cell": predictions["density_cell"] * scale}

    def draw(self, canvas: Canvas, fields: Fields, names: TargetNames, settings: DrawSettings) -> Legend:
        """Tint the image from blue over green to red, the more the more lies in a cell, and write the sum."""
        density = fields["density"]
        if settings.density:
            height, width = (
                max(round(float(length)), 1) for length in density.shape * np.asarray(fields["density_cell"]) * canvas.factor[::-1]
            )
            spread = cv2.resize(np.ascontiguousarray(density, np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
            canvas.draw_heat(spread / max(float(density.max()), 1e-6), settings.density_alpha)
            canvas.labels.add("sum", f"{density.sum():.1f}", (0, 0, canvas.size[1], canvas.size[0]), BLACK)
        return {}
