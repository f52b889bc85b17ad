"""Names of files that were written on another system or from another folder."""

import logging
import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from pet.data.files.limits import LONGEST_PATH, shown
from petlib.errors import DataError

DRIVE = re.compile(r"[A-Za-z]:/")

logger = logging.getLogger(__name__)


class PathVariants:
    """Finds the files that names in a list, a COCO or another file mean, where the names as they are lead to none.

    Read are backslashes for slashes, ``%20`` and the like for letters, letters with marks of their own (decomposed Unicode), the name of
    the folder itself before those of its files, and absolute paths of another machine, of which the end counts that leads to a file.

    Args:
        folder: where names start from.
        others: further folders whose names may be before those of files, as that of the images where names are ids of annotation files.
        leads: says whether a name leads to a file, where it is not the path of one; None: it has to be.
    """

    def __init__(self, folder: Path, *others: Path, leads: Callable[[str], bool] | None = None) -> None:
        self._folder = folder
        self._own = [own.absolute().parts for own in (folder, *others)]
        self._leads = leads or self._is_file
        self._names: dict[str, str] = {}

    def find(self, name: str, place: str) -> str:
        """Return the name that leads to a file, or the given one where none does or nothing about it is odd.

        Args:
            name: the name as it was found.
            place: where it was found, for messages.

        Raises:
            DataError: several files may be meant, or the file is what another name means too.
        """
        if not self._is_odd(name) or self._leads(name):
            return name
        found = sorted({variant for variant in self._variants(name) if self._leads(variant)})
        if not found:
            return name
        if len(found) > 1:
            raise DataError(f"{place}: there is no {shown(name)} below {self._folder}; {' and '.join(map(shown, found[:2]))} may be meant")
        other = self._names.setdefault(found[0], name)
        if other != name:
            raise DataError(f"{place}: {shown(name)} and {shown(other)} would both be {shown(found[0])} below {self._folder}; correct them")
        return found[0]

    def log(self) -> None:
        """Say once how names were read."""
        if self._names:
            variant, name = next(iter(self._names.items()))
            logger.warning("%s: %d names of files are read in another way, e.g. %r as %r", self._folder, len(self._names), name, variant)

    def _is_odd(self, name: str) -> bool:
        """Return whether a name may need another reading; nearly none does, and files are looked for only then."""
        if len(name) > LONGEST_PATH:
            return False
        first = name.removeprefix("./").partition("/")[0]
        return "\\" in name or "%" in name or name.startswith("/") or not name.isascii() or any(first in own for own in self._own)

    def _variants(self, name: str) -> Iterator[str]:
        for text in dict.fromkeys((name, unquote(name, errors="replace"))):
            path = text.replace("\\", "/")
            for form in ("NFC", "NFD"):
                yield from self._shortened(unicodedata.normalize(form, path))

    def _shortened(self, path: str) -> Iterator[str]:
        """Yield the path, or what is left without the folders that are those of the folder itself, or another machine's."""
        if "\0" in path:
            return
        parts = PurePosixPath(path).parts
        if path.startswith("/") or DRIVE.match(path):
            ends = ("/".join(parts[start:]) for start in range(1, len(parts)))
            yield next(filter(self._leads, ends), path)
            return
        yield "/".join(parts)
        for own in self._own:
            yield from ("/".join(parts[count:]) for count in range(1, len(parts)) if parts[:count] == own[-count:])

    def _is_file(self, name: str) -> bool:
        return "\0" not in name and os.path.isfile(self._folder / name)  # noqa: PTH113 -- takes names of any length
