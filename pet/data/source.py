"""Where the samples of a data set come from."""

from pathlib import Path
from typing import NamedTuple


class Source(NamedTuple):
    """What a type of data sets gets to know.

    Attributes:
        path: folder or file; meaningless for data that come with a library.
        split: ``train`` or ``test``, for types whose files hold both.
        classes: names of the classes in the order of their labels; None: the type finds them.
    """

    path: Path
    split: str
    classes: list[str] | None
