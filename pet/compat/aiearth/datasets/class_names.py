"""Which classes of a data set are meant by the class names of a job."""

from collections.abc import Sequence

from pet.data.datasets.public_set import BACKGROUNDS
from petlib.errors import ConfigError


def match_classes(own: Sequence[str], wanted: Sequence[str], *, name: str) -> list[int]:
    """Return for each class of a data set the place of its name among the classes of a job.

    Names decide, whatever their order and their case; all names of the background are alike. Where there are two classes, one whose
    name the other side does not know is the one that is left: what one calls ``target`` another calls ``water``.

    Args:
        own: the classes of the data set.
        wanted: the classes of the job.
        name: what the data set is called in messages.

    Raises:
        ConfigError: the classes are not the same.
    """
    theirs, ours = [_plain(label) for label in own], [_plain(label) for label in wanted]
    if sorted(theirs) == sorted(ours):
        return [ours.index(label) for label in theirs]
    if len(theirs) == len(ours) == 2:
        return [1, 0] if theirs[0] == ours[1] or theirs[1] == ours[0] else [0, 1]
    raise ConfigError(
        f"{name} has {len(own)} classes and the job {len(wanted)}; {_only(own, ours, 'the data')}{_only(wanted, theirs, 'the job')}"
        f"set classes of the job to {list(own)}, in any order, or choose some of them with classes_filter"
    )


def _plain(label: str) -> str:
    label = label.strip().lower()
    return BACKGROUNDS[0] if label in BACKGROUNDS else label


def _only(labels: Sequence[str], others: Sequence[str], where: str) -> str:
    alone = [label for label in labels if _plain(label) not in others]
    return f"only {where} {'has' if where == 'the job' else 'have'} {', '.join(alone)}; " if alone else ""
