"""What a mirror does to the names of keypoints and parts."""

import re
from collections.abc import Sequence

_SIDE = re.compile(r"(?:(?<![A-Za-z])(?:left|right|LEFT|RIGHT)|Left|Right)(?![a-z])")
_OTHER = {"left": "right", "right": "left"}


def swap_from_names(names: Sequence[str]) -> tuple[int, ...]:
    """Return for each name the place of the one on the other side: ``left_eye`` and ``right_eye`` swap, ``nose`` stays.

    ``left`` and ``right`` count as words, in upper or lower case, with any separator or none (``leftEye``, ``eyeLeft``).
    A name without a partner stays.
    """
    places = {name.lower(): place for place, name in enumerate(names)}
    partners = (_SIDE.sub(lambda match: _OTHER[match[0].lower()], name).lower() for name in names)
    return tuple(places.get(partner, place) for place, partner in enumerate(partners))
