"""How far the names of files that are given in other files may lead."""

import os
from pathlib import Path
from typing import NamedTuple

from pet.data.files.limits import LONGEST_PATH, shown
from petlib.errors import DataError


class Reach(NamedTuple):
    """Where names in lists, COCO and XML files may lead: below the folder that they start from, or below the root of all data.

    A link in such a folder is followed wherever it leads: whoever made the folder made it, and not who wrote the list.

    Attributes:
        root: the root of all data, ``MISC.DATA_ROOT``; None: the folder of the names is all there is.
        anywhere: names may lead anywhere, ``DATA.ALLOW_OUTSIDE``.
    """

    root: Path | None = None
    anywhere: bool = False

    def check(self, name: str, folder: Path, place: str) -> None:
        """Refuse a name that leads out.

        Args:
            name: the path of a file, as it was found.
            folder: the folder that it starts from.
            place: where it was found, for messages.

        Raises:
            DataError: it does, or it is no name of a file.
        """
        if "\0" in name or os.path.normpath(name) in (".", ".."):
            raise DataError(f"{place}: {shown(name)} given, the name of a file expected")
        if len(name) > LONGEST_PATH:
            raise DataError(f"{place}: {shown(name)} given, the name of a file of at most {LONGEST_PATH} letters expected")
        # nearly all names
        if self.anywhere or (".." not in name and not name.startswith(os.sep)):
            return
        target = os.path.normpath(Path(folder).absolute() / name)
        roots = [folder] if self.root is None else [folder, self.root]
        if not any(_lies_below(target, above) for root in roots for above in (root.absolute(), root.resolve())):
            below = " and ".join(dict.fromkeys(map(str, roots)))
            raise DataError(
                f"{place}: {shown(name)} leads out of {below}, and files named by other files have to lie there; if you trust this one, "
                "set Reach.anywhere: True (allow_outside=True in Python)"
            )


INSIDE = Reach()
ANYWHERE = Reach(anywhere=True)


def _lies_below(target: str, folder: Path) -> bool:
    above = os.path.normpath(folder)
    return target.startswith(above.rstrip(os.sep) + os.sep)
