"""Names of samples and of the classes of label images."""

import os
from pathlib import Path

from petlib.errors import DataError


def identifier(name: str, root: Path, seen: set[str]) -> str:
    """Return the id of a sample: the path of its image without suffix, below ``root``, or with it where that is taken.

    Args:
        name: path of the image, absolute or below ``root``.
        root: the folder of the data set.
        seen: ids that are taken; the new one is added.
    """
    # one that lies elsewhere goes by its name: results are written into folders by id
    path = os.path.relpath(name, root) if Path(name).is_absolute() else os.path.normpath(name)
    below = Path(name).name if path.startswith("..") else Path(path).as_posix()
    stem, _ = os.path.splitext(below)  # noqa: PTH122 -- many names
    own = stem if stem not in seen else below
    seen.add(own)
    return own


def check_named(path: Path, classes: list[str] | None) -> list[str]:
    """Return the names of the classes of label images.

    Raises:
        DataError: there are none.
    """
    if not classes:
        raise DataError(
            f"{path}: label images do not say what their numbers mean; set DATA.CLASSES to the names of all classes, "
            "from number 0 on, e.g. [background, road]"
        )
    return classes
