"""A folder of images for each class, in folders for training and validation or not."""

from pathlib import Path

from pet.autoconfig.formats.found import FoundData, below, first_files, folders_in, folders_of_parts
from pet.data.files.listing import SUFFIXES

FORMAT = "a folder of images for each class"


def find(folder: Path) -> FoundData | None:
    """Return the class folders of a folder, or of its folders ``train``, ``val`` and ``test``; None: there are none, or fewer than two."""
    parts = {part: path for part, path in folders_of_parts(folder).items() if classes_in(path)}
    if len(classes_in(parts["train"]) if "train" in parts else []) > 1:
        entries = {part: {"type": "image_folder", "path": below(path, folder)} for part, path in parts.items()}
        return FoundData(FORMAT, entries, ", ".join(f"{below(path, folder)}/{classes_in(path)[0]}" for path in parts.values()))
    classes = [] if parts else classes_in(folder)
    if len(classes) < 2:
        return None
    return FoundData(FORMAT, {"train": {"type": "image_folder", "path": "."}}, f"folders {', '.join(classes[:3])}")


def single_class(folder: Path) -> str:
    """Return the only folder with images in a folder, or in its folder ``train``; empty where there are none or several."""
    classes = classes_in(folders_of_parts(folder).get("train", folder))
    return classes[0] if len(classes) == 1 else ""


def classes_in(folder: Path) -> list[str]:
    """Return the names of the folders in a folder that have images at any depth."""
    return [path.name for path in folders_in(folder) if first_files(path, SUFFIXES, 1)]
