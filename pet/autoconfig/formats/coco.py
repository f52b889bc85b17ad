"""Images with COCO files, one for all of them or one for each part: COCO's own folders, those of Roboflow, CVAT and Label Studio."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pet.autoconfig.formats.found import EXAMINED, FoundData, below, files_named, folders_in, part_named
from pet.data.files.json_files import read_json
from petlib.errors import DataError

DEPTH = 2
"""How deep below the folder JSON files are looked for."""
TABLES = ("images", "annotations", "categories")
OBJECTS = "instances"
"""In the names of COCO's own files, which has others of the same images: keypoints, captions."""


def find(folder: Path) -> FoundData | None:
    """Return the COCO files of a folder with the folder of their images; None: there is none.

    Raises:
        DataError: two files are of one part of the data, or their images are not there.
    """
    contents = {file: names for file in files_named(folder, (".json",), depth=DEPTH) if (names := _names_of_images(file))}
    if not contents:
        return None
    files = _one_for_each_part(folder, list(contents))
    entries = {
        part: {"type": "coco", "path": below(_folder_of(contents[file], file, folder, part), folder), "annotations": below(file, folder)}
        for part, file in files.items()
    }
    return FoundData("COCO", entries, ", ".join(below(file, folder) for file in files.values()))


def _names_of_images(file: Path) -> list[str]:
    """Return the first names of images of a COCO file; none: it is another JSON file."""
    try:
        content = read_json(file, what="the JSON file")
    except DataError:
        return []
    if not isinstance(content, Mapping) or not all(isinstance(content.get(name), list) for name in TABLES):
        return []
    rows: Sequence[Any] = content["images"][:EXAMINED]
    return [str(row["file_name"]) for row in rows if isinstance(row, Mapping) and row.get("file_name")]


def _one_for_each_part(folder: Path, files: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, list[Path]] = {}
    for file in files:
        part = part_named(file.stem) or (part_named(file.parent.name) if file.parent != folder else None)
        found.setdefault(part or "train", []).append(file)
    for part, own in found.items():
        objects = [file for file in own if OBJECTS in file.stem]
        if len(own) > 1 and len(objects) != 1:
            names = " and ".join(below(file, folder) for file in own[:3])
            raise DataError(
                f"{folder}: {names} are COCO files of one part of the data ({part}); leave one of them there, or name it in a config"
            )
        found[part] = objects if len(own) > 1 else own
    if "train" not in found and len(found) == 1:
        return {"train": next(iter(found.values()))[0]}
    return {part: own[0] for part, own in found.items()}


def _folder_of(names: Sequence[str], file: Path, folder: Path, part: str) -> Path:
    """Return the folder that has the images: next to the file, of the part, or any other."""
    near = [folder / "images" / file.stem, folder / "images" / part, folder / part, folder / "images", file.parent / "images"]
    others = [path for child in (folder, *folders_in(folder)) for path in (child, *folders_in(child))]
    candidates = [file.parent, *(path for path in near if path.is_dir()), *others]
    hits = {path: sum((path / name).is_file() for name in names) for path in candidates}
    best = max(candidates, key=lambda path: (hits[path], part_named(path.name) == part))
    if not hits[best]:
        raise DataError(f"{file}: its images are not there: {names[0]!r} is in no folder of {folder}; put them into {folder / 'images'}")
    return best
