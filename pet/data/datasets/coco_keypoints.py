"""What the keypoints of a COCO file are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pet.data.files.limits import shown
from pet.data.files.opening import is_name
from pet.data.targets.dataset import KeypointSet, swap_from_names
from petlib.errors import DataError

COCO_SIGMAS = (0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089)
"""Spreads of the 17 keypoints of a person as published by COCO (https://cocodataset.org/#keypoints-eval)."""

DEFAULT_SIGMA = 0.05
GREATEST_SIGMA = 1000.0


def keypoint_set(path: Path, categories: Sequence[dict[str, Any]]) -> KeypointSet | None:
    """Return the keypoints that the categories share; None: no category has any.

    Names and skeleton come from the first category that has keypoints, left and right from the names. The spreads are the
    category's ``sigmas`` (an extension of ours), else COCO's for 17 keypoints, else 0.05.

    Raises:
        DataError: categories have different numbers of keypoints, or entries are wrong (with file and category).
    """
    owners = [category for category in categories if category.get("keypoints")]
    if not owners:
        return None
    first = owners[0]
    names = first["keypoints"]
    where = f"{path}: category {first['id']} ({first['name']!r})"
    if not isinstance(names, list) or not all(map(is_name, names)):
        raise DataError(f"{where}: its keypoints are {shown(names)}, a list of names expected")
    for other in owners[1:]:
        if not isinstance(other["keypoints"], list):
            given = shown(other["keypoints"])
            raise DataError(f"{path}: category {other['id']} ({other['name']!r}): its keypoints are {given}, a list expected")
        if len(other["keypoints"]) != len(names):
            raise DataError(
                f"{path}: category {other['id']} ({other['name']!r}) has {len(other['keypoints'])} keypoints, but category {first['id']} "
                f"({first['name']!r}) has {len(names)}; all classes need the same number: choose with DATA.CLASSES"
            )
    return KeypointSet(tuple(names), swap_from_names(names), _skeleton(where, first, len(names)), _sigmas(where, first, len(names)))


def _skeleton(where: str, category: dict[str, Any], count: int) -> tuple[tuple[int, int], ...]:
    """Return the lines between places from 0; the file counts from 1."""
    lines = category.get("skeleton") or []
    if not isinstance(lines, list):
        raise DataError(f"{where}: its skeleton is {shown(lines)}, a list of pairs of keypoints expected")
    for line in lines:
        if not isinstance(line, list) or len(line) != 2 or not all(isinstance(end, int) and 1 <= end <= count for end in line):
            raise DataError(f"{where}: the line {shown(line)} of its skeleton; two numbers from 1 to {count} expected")
    return tuple((start - 1, end - 1) for start, end in lines)


def _sigmas(where: str, category: dict[str, Any], count: int) -> tuple[float, ...]:
    given = category.get("sigmas")
    if given is None:
        return COCO_SIGMAS if count == len(COCO_SIGMAS) else (DEFAULT_SIGMA,) * count
    if not isinstance(given, list) or len(given) != count or not all(map(_is_sigma, given)):
        raise DataError(f"{where}: its sigmas are {shown(given)}, {count} numbers above 0 expected, up to {GREATEST_SIGMA:g}")
    return tuple(map(float, given))


def _is_sigma(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value <= GREATEST_SIGMA
