"""Exports of CVAT (XML for images), labelme and Label Studio (JSON) in formats of their own."""

from pathlib import Path

from pet.autoconfig.formats.found import EXAMINED, Entry, FoundData, below, files_named, first_files, folders_of_parts, part_named
from pet.data.datasets.cvat import ROOT_ELEMENT, WHAT, cvat_subsets
from pet.data.datasets.label_studio import is_label_studio
from pet.data.datasets.labelme import is_labelme
from pet.data.files.json_files import read_json
from pet.data.files.xml_files import read_xml
from petlib.errors import DataError


def find_cvat(folder: Path) -> FoundData | None:
    """Return CVAT's XML file in a folder, with the subsets of its images as parts; None: there is none."""
    for file in files_named(folder, (".xml",)):
        root = read_xml(file, what=WHAT)
        if root.tag == ROOT_ELEMENT:
            subsets = {part: name for name in cvat_subsets(root.findall("image")) if (part := part_named(name))}
            parts = subsets if "train" in subsets else {"train": ""}
            entry: Entry = {"type": "cvat", "path": ".", "annotations": below(file, folder)}
            return FoundData("CVAT", {part: {**entry, "split": name} for part, name in parts.items()}, file.name)
    return None


def find_labelme(folder: Path) -> FoundData | None:
    """Return labelme's JSON files, one for each image at any depth, or those of the folders ``train``, ``val`` and ``test``.

    None: the first JSON files are none.
    """
    own = _labelme_file(folder)
    if own is None:
        return None
    parts = {part: path for part, path in folders_of_parts(folder).items() if _labelme_file(path) is not None}
    if "train" not in parts:
        return FoundData("labelme", {"train": {"type": "labelme", "path": "."}}, f"{below(own, folder)} and others")
    entries = {part: {"type": "labelme", "path": below(path, folder)} for part, path in parts.items()}
    return FoundData("labelme", entries, ", ".join(f"{below(path, folder)}/*.json" for path in parts.values()))


def _labelme_file(folder: Path) -> Path | None:
    return next((file for file in first_files(folder, (".json",), EXAMINED) if is_labelme(_content(file))), None)


def find_label_studio(folder: Path) -> FoundData | None:
    """Return Label Studio's JSON export in a folder; None: there is none."""
    own = next((file for file in files_named(folder, (".json",)) if is_label_studio(_content(file))), None)
    if own is None:
        return None
    entry: Entry = {"type": "label_studio", "path": ".", "annotations": below(own, folder)}
    return FoundData("Label Studio", {"train": entry}, own.name)


def _content(file: Path) -> object:
    try:
        content: object = read_json(file, what="the JSON file")
    except DataError:
        return None
    return content
