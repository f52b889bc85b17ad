"""Which kinds of targets a data set is to give."""

from pathlib import Path

from petlib.errors import DataError


def choose_kinds(path: Path, available: frozenset[str], wanted: frozenset[str] | None) -> frozenset[str]:
    """Return the kinds that are wanted, or all that there are where ``wanted`` is None.

    Args:
        path: file or folder of the data set, for the message.
        available: the kinds that it has, keys of :data:`pet.data.targets.kinds.TARGET_FIELDS`.
        wanted: the kinds that the heads of a model learn from.

    Raises:
        DataError: a wanted kind is not there.
    """
    missing = sorted((wanted or frozenset()) - available)
    if missing:
        raise DataError(
            f"{path}: no {' and no '.join(missing)} in these data; they have {', '.join(sorted(available)) or 'images only'}. "
            "Choose other data, or turn off the head that learns from them (MODEL.HAS_...)"
        )
    return available if wanted is None else wanted
