"""Images with an XML file each, in Pascal VOC's folders, in those of labelling tools, or next to each other in a folder for each part."""

import re
from pathlib import Path

from pet.autoconfig.formats.found import PARTS, FoundData, below, first_files, folders_of_parts
from pet.data.datasets.voc_layout import find_layout, list_file
from petlib.errors import DataError

FORMAT = "Pascal VOC"
ROOT_ELEMENT = re.compile(r"<annotation[\s>]")
BOTH = "trainval"
HEAD = 2000
"""Characters of a file that show its first element."""


def find(folder: Path) -> FoundData | None:
    """Return the lists of a folder in VOC's format, or its folders ``train``, ``val`` and ``test``; None: there are no such XML files."""
    parts = {part: path for part, path in folders_of_parts(folder).items() if _has_annotations(path)}
    if "train" in parts:
        entries = {part: {"type": "voc", "path": below(path, folder), "split": ""} for part, path in parts.items()}
        return FoundData(FORMAT, entries, ", ".join(f"{below(path, folder)}/*.xml" for path in parts.values()))
    if not _has_annotations(folder):
        return None
    layout = find_layout(folder)
    lists = {part: next((name for name in names if _has_list(folder, name)), None) for part, names in PARTS.items()}
    if lists["train"] is None or (lists["val"] is None and _has_list(folder, BOTH)):
        lists = {**lists, "train": BOTH if _has_list(folder, BOTH) else ""}
    entries = {part: {"type": "voc", "path": ".", "split": name} for part, name in lists.items() if name is not None}
    evidence = f"{below(layout.annotations, folder)}/*.xml"
    return FoundData(FORMAT, entries if lists["train"] else {"train": entries["train"]}, evidence)


def _has_list(folder: Path, name: str) -> bool:
    try:
        return list_file(find_layout(folder), "Main", name) is not None
    except DataError:
        return False


def _has_annotations(folder: Path) -> bool:
    files = first_files(folder, (".xml",), 1)
    return bool(files) and ROOT_ELEMENT.search(files[0].read_text(encoding="utf-8", errors="replace")[:HEAD]) is not None
