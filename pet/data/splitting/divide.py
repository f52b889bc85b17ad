"""Which images are for training and which for validation: at random, by class, in groups."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from petlib.errors import ConfigError, DataError
from petlib.suggest import counted

Division = tuple[list[int], list[int]]
"""Places of the images for training, and of those for validation."""


def number_for_validation(total: int, *, val_count: int | None, val_percent: float | None) -> int:
    """Return how many images are for validation.

    Args:
        total: number of images.
        val_count: number of those for validation.
        val_percent: their percentage instead, rounded to whole images.

    Raises:
        ConfigError: not exactly one of number and percentage is given, or it is no percentage.
        DataError: one of both would be empty.
    """
    if (val_count is None) == (val_percent is None):
        raise ConfigError("one of --val-count and --val-percent is expected, and not both")
    if val_percent is not None and not 0.0 < val_percent < 100.0:
        raise ConfigError(f"--val-percent {val_percent:g}: a number above 0 and below 100 expected")
    count = val_count if val_count is not None else round(total * (val_percent or 0.0) / 100.0)
    if not 0 < count < total:
        given = f"--val-count {val_count}" if val_count is not None else f"--val-percent {val_percent:g}"
        raise DataError(f"{given} of {total} images: {count} for validation leave {total - count} for training; both need at least one")
    return count


def divide_at_random(total: int, count: int, seed: int) -> Division:
    """Return the places in random order.

    The order is that of Python's ``random.shuffle`` after ``random.seed(seed)``, and its beginning is for validation: the same list
    of names gives the split of the buildseg notebook (https://github.com/deepbands/buildseg), whose seed is 24.
    """
    order = list(range(total))
    random.Random(seed).shuffle(order)
    return order[count:], order[:count]


def divide_evenly(groups: Sequence[str], labels: Sequence[frozenset[str]], count: int, seed: int) -> Division:
    """Return the places, in ascending order, such that groups stay together and each class has its share of the validation.

    Groups are put in order by the rarest class that they have, at random within a class, and along that order each goes to the side that
    lacks most of its images so far. So ``count`` is met exactly where a group is one image, and the images whose rarest class is the same
    are divided as all are, up to one.

    Args:
        groups: the group of each image.
        labels: the classes of each image; empty sets: they do not count.
        count: number of images for validation.
        seed: of the order.

    Raises:
        DataError: one side would be empty.
    """
    members: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        members.setdefault(group, []).append(place)
    frequencies = Counter(label for own in labels for label in own)
    rarest = {
        group: min(((frequencies[label], label) for place in places for label in labels[place]), default=(0, ""))
        for group, places in members.items()
    }
    order = list(members)
    random.Random(seed).shuffle(order)
    order.sort(key=rarest.__getitem__)
    training, validation = list[int](), list[int]()
    share, seen = count / len(groups), 0
    for group in order:
        seen += len(members[group])
        lack = share * seen - len(validation)
        (validation if lack > seen - share * seen - len(training) else training).extend(members[group])
    if not training or not validation:
        raise DataError(
            f"{counted(len(members), 'group')} of {counted(len(groups), 'image')} cannot be divided so: one side would be empty; group by "
            "a smaller part"
        )
    return sorted(training), sorted(validation)


def groups_by(names: Iterable[str], pattern: str) -> list[str]:
    """Return the group of each image: what the regular expression finds in its name, or its first parentheses where it has some.

    Raises:
        ConfigError: it is no regular expression.
        DataError: it finds nothing in a name.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"--group {pattern!r}: a regular expression expected: {error}") from error
    groups = []
    for name in names:
        found = expression.search(name)
        if found is None:
            raise DataError(f"--group {pattern!r} finds nothing in {name!r}; every image needs a group")
        groups.append(found.group(1 if expression.groups else 0) or "")
    return groups


def classes_of_sides(division: Division, labels_of: Callable[[int], frozenset[str]]) -> list[Counter[str]]:
    """Return how many images of each class are for training, and for validation."""
    return [Counter(label for place in side for label in sorted(labels_of(place))) for side in division]
