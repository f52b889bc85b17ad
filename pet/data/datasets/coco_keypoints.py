"""What the keypoints of a COCO file are."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pet.data.files.json_values import as_numbers, as_whole_number
from pet.data.files.limits import shown
from pet.data.files.opening import is_name
from pet.data.targets.dataset import KeypointSet
from pet.data.targets.left_right import Pair, swap_from_names, swap_from_pairs
from petlib.errors import DataError

logger = logging.getLogger(__name__)

COCO_SIGMAS = (0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089)
"""Spreads of the 17 keypoints of a person as published by COCO (https://cocodataset.org/#keypoints-eval)."""

DEFAULT_SIGMA = 0.05
GREATEST_SIGMA = 1000.0


def keypoint_set(
    path: Path, categories: Sequence[dict[str, Any]], annotations: Sequence[Any], flip_pairs: Sequence[Pair] | None = None
) -> KeypointSet | None:
    """Return the keypoints that the categories share; None: neither they nor their annotations have any.

    Names and skeleton come from the first category that has keypoints; where none names them, those of the first annotation with
    keypoints are called 0, 1, ... Left and right are ``flip_pairs``, or come from the names. The spreads are the category's ``sigmas``
    (an extension of ours), else COCO's for 17 keypoints, else 0.05.

    Args:
        path: the file, for messages.
        categories: the chosen ones.
        annotations: all rows of the file, not checked.
        flip_pairs: pairs of names, or of numbers from 0, that change places in a mirrored image; None: as the names say.

    Raises:
        DataError: categories have different numbers of keypoints, or entries are wrong (with file and category).
        ConfigError: ``flip_pairs`` names something that is no keypoint, or one of them twice.
    """
    owners = [category for category in categories if category.get("keypoints")]
    if not owners:
        chosen = {category["id"] for category in categories}
        return _numbered([row for row in annotations if isinstance(row, dict) and row.get("category_id") in chosen], flip_pairs)
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
                f"({first['name']!r}) has {len(names)}; all classes need the same number: choose with Source.classes"
            )
    skeleton, sigmas = _skeleton(where, first, len(names)), _sigmas(where, first, len(names))
    return _make([name.strip() for name in names], flip_pairs, skeleton, sigmas)


def _numbered(annotations: Sequence[dict[str, Any]], flip_pairs: Sequence[Pair] | None) -> KeypointSet | None:
    """Return keypoints without names, as many as the first annotation that has any; no number is left or right by itself."""
    given = next((row["keypoints"] for row in annotations if row.get("keypoints")), None)
    if not isinstance(given, list) or len(given) < 3:
        return None
    names = [str(number) for number in range(len(given) // 3)]
    return _make(names, flip_pairs, (), _default_sigmas(len(names)))


def _make(
    names: Sequence[str], flip_pairs: Sequence[Pair] | None, skeleton: tuple[tuple[int, int], ...], sigmas: tuple[float, ...]
) -> KeypointSet:
    swap = swap_from_names(names) if flip_pairs is None else swap_from_pairs(names, flip_pairs)
    return KeypointSet(tuple(names), swap, skeleton, sigmas, swap_given=flip_pairs is not None)


def _skeleton(where: str, category: dict[str, Any], count: int) -> tuple[tuple[int, int], ...]:
    """Return the lines between places from 0; the file counts from 1. Only pictures have them: a wrong list is reported and left out."""
    lines = category.get("skeleton") or []
    if not isinstance(lines, list):
        logger.warning("%s: its skeleton is %s, a list of pairs of keypoints expected; pictures have no lines", where, shown(lines))
        return ()
    ends = [[as_whole_number(end) or 0 for end in line] if isinstance(line, list) else [] for line in lines]
    for line, pair in zip(lines, ends, strict=True):
        if len(pair) != 2 or not all(1 <= end <= count for end in pair):
            expected = f"two numbers from 1 to {count} expected"
            logger.warning("%s: the line %s of its skeleton; %s; pictures have no lines", where, shown(line), expected)
            return ()
    return tuple((start - 1, end - 1) for start, end in ends)


def _default_sigmas(count: int) -> tuple[float, ...]:
    return COCO_SIGMAS if count == len(COCO_SIGMAS) else (DEFAULT_SIGMA,) * count


def _sigmas(where: str, category: dict[str, Any], count: int) -> tuple[float, ...]:
    given = category.get("sigmas")
    if given is None:
        return _default_sigmas(count)
    sigmas = as_numbers(given)
    if sigmas is None or len(sigmas) != count or not all(0 < sigma <= GREATEST_SIGMA for sigma in sigmas):
        raise DataError(f"{where}: its sigmas are {shown(given)}, {count} numbers above 0 expected, up to {GREATEST_SIGMA:g}")
    return tuple(map(float, sigmas))
