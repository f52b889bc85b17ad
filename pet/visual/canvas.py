"""A picture that is drawn on."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from pet.visual.labels import SMALLEST_TEXT, LabelLayer, Rectangle
from pet.visual.palette import BLACK, WHITE, Colour, class_colour

LONGER_EDGE, SHORTER_EDGE = 480, 96
"""Pixels that small images are enlarged to, so that text can be read."""

LONGEST_EDGE = 4096
"""Nothing is enlarged beyond this."""

THINNEST_LINE = 2
"""Pixels."""

PARTS_OF_AN_OBJECT = 12
"""A line is at most this share of the object that it is drawn around, so that small objects of large images stay visible."""

PIXELS_SEEN_FROM = 8
"""From this factor on the pixels of the image stay visible as squares; below, the enlarged image is smooth."""


class Canvas:
    """An image, resized, on which things are drawn that are given in the coordinates of the image.

    Lines and text grow with the picture, and become thinner again for objects that are small in it.

    Args:
        image: uint8 (H, W, 3), RGB; it is not written into.
        scale: factor by which it is resized; 0: small images are enlarged, see :func:`automatic_scale`.

    Attributes:
        pixels: uint8 (height, width, 3), the picture.
        factor: pixels of the picture for one of the image, across and down.
        labels: texts next to objects, written by :meth:`finish`.
    """

    def __init__(self, image: np.ndarray, scale: float = 0.0) -> None:
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3, f"{image.dtype} {image.shape}"
        height, width = image.shape[:2]
        scale = scale or automatic_scale((height, width))
        self.size = max(round(height * scale), 1), max(round(width * scale), 1)
        self.factor = np.array([self.size[1] / width, self.size[0] / height])
        if scale == 1:
            self.pixels = image.copy()
        else:
            method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST if scale >= PIXELS_SEEN_FROM else cv2.INTER_CUBIC
            self.pixels = cv2.resize(image, (self.size[1], self.size[0]), interpolation=method)
        extent = float(np.sqrt(self.size[0] * self.size[1]))
        self.line = max(THINNEST_LINE, round(extent / 320))
        self.text_size = max(SMALLEST_TEXT, round(extent / 52))
        self.labels = LabelLayer(self.size, self.text_size)

    def to_canvas(self, points: np.ndarray) -> np.ndarray:
        """Return points of the image, (..., 2), as points of the picture."""
        moved: np.ndarray = np.asarray(points, np.float64) * self.factor
        return moved

    def box_on_canvas(self, box: np.ndarray) -> Rectangle:
        """Return the pixels of the picture that a box (4,), XYXY, covers: at least one, inside of the picture."""
        corners = np.clip(self.to_canvas(np.asarray(box).reshape(2, 2)), 0, (self.size[1], self.size[0])).round().astype(int)
        left, top = np.minimum(corners[0], (self.size[1] - 1, self.size[0] - 1)).tolist()
        right, bottom = np.maximum(corners[1], (left + 1, top + 1)).tolist()
        return left, top, right, bottom

    def line_for(self, extent: float) -> int:
        """Return the width of lines around an object whose shorter edge has ``extent`` pixels of the picture."""
        return max(min(self.line, int(extent / PARTS_OF_AN_OBJECT)), THINNEST_LINE)

    def draw_box(self, box: np.ndarray, colour: Colour) -> None:
        """Draw a frame along the inner side of a box (4,), XYXY, in coordinates of the image, with a dark rim around it."""
        left, top, right, bottom = self.box_on_canvas(box)
        cv2.rectangle(self.pixels, (left - 1, top - 1), (right, bottom), BLACK, 1)
        for inset in range(self.line_for(min(right - left, bottom - top))):
            if right - left > 2 * inset and bottom - top > 2 * inset:
                cv2.rectangle(self.pixels, (left + inset, top + inset), (right - 1 - inset, bottom - 1 - inset), colour, 1)

    def draw_path(self, points: np.ndarray, colour: Colour) -> None:
        """Draw a line through points (T, 2) of the image, thinner towards the first one."""
        places = np.clip(self.to_canvas(points), -(2**15), 2**15).round().astype(int).tolist()
        for number, (first, second) in enumerate(zip(places, places[1:], strict=False), start=1):
            cv2.line(self.pixels, first, second, colour, max(round(self.line * number / len(places)), 1), cv2.LINE_AA)

    def draw_mask(self, mask: np.ndarray, colour: Colour, alpha: float) -> None:
        """Tint the pixels of a mask and draw its outline; bool or uint8, of the size of the picture or of the image."""
        mask = self._fitted(mask.astype(np.uint8, copy=False))
        left, top, width, height = cv2.boundingRect(mask)
        if not width:
            return
        window = self.pixels[top : top + height, left : left + width]
        inside = np.ascontiguousarray(mask[top : top + height, left : left + width])
        _tint(window, inside.astype(bool), colour, alpha)
        outlines, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        line = self.line_for(min(width, height))
        cv2.drawContours(self.pixels, outlines, -1, colour, max(line // 2, 1), cv2.LINE_AA, offset=(left, top))

    def draw_label_image(
        self, labels: np.ndarray, colour_of: Callable[[int], Colour | None], alpha: float, *, outlines: bool = False
    ) -> list[int]:
        """Tint the pixels of labels, (h, w), of the size of the picture or of the image; return those that have a colour.

        Args:
            labels: numbers.
            colour_of: the colour of a number; None: such pixels stay as they are.
            alpha: share of the colour.
            outlines: also draw the borders of each label.
        """
        labels = self._fitted(labels)
        found = [int(label) for label in np.unique(labels)]
        coloured = [label for label in found if colour_of(label) is not None]
        for label in coloured:
            colour = colour_of(label)
            assert colour is not None, label
            chosen = labels == label
            if outlines:
                self.draw_mask(chosen, colour, alpha)
            else:
                _tint(self.pixels, chosen, colour, alpha)
        return coloured

    def draw_keypoints(self, points: np.ndarray, states: Sequence[int], skeleton: Sequence[tuple[int, int]]) -> None:
        """Draw points (K, 2) and the lines between them.

        Args:
            points: x, y in coordinates of the image.
            states: of each point: 0 not drawn, 1 hollow, 2 filled.
            skeleton: pairs of points that are joined where both are drawn.
        """
        places = [(int(x), int(y)) for x, y in np.clip(self.to_canvas(points), -(2**15), 2**15)]
        lines = [(first, second) for first, second in skeleton if states[first] and states[second]]
        drawn = np.array([place for place, state in zip(places, states, strict=True) if state])
        thick = self.line_for(float(np.ptp(drawn, axis=0).min())) if len(drawn) else self.line
        # a dark rim keeps lines apart from an image of their colour
        for width, rim in ((thick + 2, True), (thick, False)):
            for first, second in lines:
                colour = BLACK if rim else class_colour(second)
                cv2.line(self.pixels, places[first], places[second], colour, width, cv2.LINE_AA)
        radius = thick + max(thick // 2, 1)
        for number, (place, state) in enumerate(zip(places, states, strict=True)):
            if state:
                cv2.circle(self.pixels, place, radius + 1, BLACK, -1, cv2.LINE_AA)
                cv2.circle(self.pixels, place, radius, class_colour(number), -1, cv2.LINE_AA)
            if state == 1:
                cv2.circle(self.pixels, place, max(radius - thick, 1), WHITE, -1, cv2.LINE_AA)

    def draw_discs(self, points: np.ndarray, colour: Colour, *, large: bool) -> None:
        """Draw a disc with a dark rim at each of the points (N, 2), x, y in coordinates of the image."""
        places = np.clip(self.to_canvas(points), -(2**15), 2**15)
        line = self.line_for(_distance_to_next(places)) if len(places) > 1 else self.line
        radius = line + max(line // 2, 1) if large else max(line - 1, 1)
        for x, y in places:
            cv2.circle(self.pixels, (int(x), int(y)), radius + 1, BLACK, -1, cv2.LINE_AA)
            cv2.circle(self.pixels, (int(x), int(y)), radius, colour, -1, cv2.LINE_AA)

    def draw_heat(self, heat: np.ndarray, alpha: float) -> None:
        """Tint the picture by heat (h, w), from 0 to 1, from its upper left corner on; none where it is 0, ``alpha`` where it is 1."""
        heat = np.clip(heat[: self.size[0], : self.size[1]], 0, 1)
        window = self.pixels[: heat.shape[0], : heat.shape[1]]
        colours = cv2.cvtColor(cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
        # the root shows what is thin as well
        share = np.sqrt(heat)[..., None] * alpha
        window[:] = (window * (1 - share) + colours * share).round().astype(np.uint8)

    def finish(self) -> np.ndarray:
        """Write the labels and return the picture."""
        self.labels.write(self.pixels)
        return self.pixels

    def _fitted(self, pixels: np.ndarray) -> np.ndarray:
        if pixels.shape == self.size:
            return np.ascontiguousarray(pixels)
        return cv2.resize(pixels, (self.size[1], self.size[0]), interpolation=cv2.INTER_NEAREST)


def automatic_scale(size: tuple[int, int]) -> float:
    """Return the factor by which an image (height, width) is enlarged so that text on it can be read; 1 for larger ones.

    It is a whole number, so that all pixels stay equally large.
    """
    longer, shorter = max(size), min(size)
    wanted = max(-(-LONGER_EDGE * 9 // (10 * longer)), -(-SHORTER_EDGE // shorter))
    return float(max(min(wanted, LONGEST_EDGE // longer), 1))


def scale_to_fit(size: tuple[int, int], cell: tuple[int, int]) -> float:
    """Return the factor by which an image (height, width) just fits into a cell (height, width)."""
    return min(cell[0] / size[0], cell[1] / size[1])


def _distance_to_next(points: np.ndarray) -> float:
    """Return how far the next of the points (N, 2) is, in the middle of all."""
    # slow, and only needed here
    from scipy.spatial import KDTree

    distances, _ = KDTree(points).query(points, k=2)
    return float(np.median(distances[:, 1]))


def _tint(pixels: np.ndarray, chosen: np.ndarray, colour: Colour, alpha: float) -> None:
    pixels[chosen] = (pixels[chosen] * (1 - alpha) + np.array(colour) * alpha).round().astype(np.uint8)
