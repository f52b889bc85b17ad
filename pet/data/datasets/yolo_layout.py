"""The ``data.yaml`` of a data set in the format of YOLO: its classes, its keypoints, and which images a split has."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pet.data.files.allowed_paths import INSIDE, Reach
from pet.data.files.json_values import as_whole_number
from pet.data.files.limits import shown
from pet.data.files.listing import SUFFIXES, files_below
from pet.data.files.opening import is_name, read_lines, read_text
from pet.data.files.skipped import SkipCounter
from petlib.errors import DataError
from petlib.suggest import did_you_mean

YAML = (".yaml", ".yml")
SPLITS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
"""Names of a split in a config -> its names in the file."""

WHAT = "the file of a YOLO data set"
EXAMPLE = "train: images/train, val: images/val and names: [cat, dog]"
LABELS, IMAGES, CLASSES = "labels", "images", "classes.txt"


class YoloSet(NamedTuple):
    """What a ``data.yaml`` says.

    Attributes:
        path: the file.
        root: the folder that its paths start from.
        splits: name of a split in the file -> its folders or lists of images.
        classes: names of the classes in the order of their numbers.
        keypoints: names of the keypoints of an object; empty: it has none.
        keypoint_size: numbers of a keypoint: 2, x and y, or 3, with the visibility.
        flip: for each keypoint the one that it becomes in a mirrored image; None: as the names say.
    """

    path: Path
    root: Path
    splits: dict[str, list[str]]
    classes: list[str]
    keypoints: tuple[str, ...]
    keypoint_size: int
    flip: tuple[int, ...] | None

    def images_of(self, split: str, reach: Reach, skipped: SkipCounter) -> list[str]:
        """Return the images of a split, sorted, as paths that start from :attr:`root`.

        Raises:
            DataError: the file has no such split, or it has no images.
        """
        key = next((name for name in SPLITS.get(split, (split,)) if name in self.splits), None)
        if key is None:
            raise DataError(f"{self.path}: it has no split {split!r}{did_you_mean(split, self.splits)}; it has {', '.join(self.splits)}")
        found = sorted({name for place in self.splits[key] for name in self._images_at(place, f"{self.path}: {key}", reach, skipped)})
        if not found:
            raise DataError(f"{self.path}: there are no images in {', '.join(self.splits[key])}, its split {key!r}{skipped.described()}")
        return found

    def _images_at(self, text: str, place: str, reach: Reach, skipped: SkipCounter) -> Iterator[str]:
        """Yield the images of a folder, below it as well, or of a list."""
        # exports of Roboflow name the folders next to the file as if it lay in one of them
        names = (text, text.removeprefix("../"))
        name = next((name for name in names if (self.root / name).exists()), None)
        if name is None:
            raise DataError(
                f"{place}: {shown(text)} given, and there is no {self.root / text}; a folder of images, or a list of them, expected"
            )
        reach.check(name, self.root, place)
        if (self.root / name).is_dir():
            for folder, files in files_below(self.root / name, SUFFIXES, skipped):
                below = Path(folder).relative_to(self.root) if Path(folder).is_relative_to(self.root) else Path(folder)
                yield from (str(below / file) for file in files)
            return
        for number, line in read_lines(self.root / name, what="the list of images"):
            yield self._listed(line, Path(name).parent, f"{self.root / name}:{number}", reach)

    def _listed(self, line: str, folder: Path, place: str, reach: Reach) -> str:
        """Return an image of a list, whose names start from the list where they begin with ``./``, and else from the root or the list."""
        names = (str(folder / line),) if line.startswith("./") else (line, str(folder / line))
        found = next((name for name in names if (self.root / name).is_file()), names[0])
        reach.check(found, self.root, place)
        return found


def label_file(image: str) -> str:
    """Return the file of an image's labels: in the folder ``labels`` in the place of the last ``images`` of its path, else next to it."""
    path = Path(image)
    parts = list(path.with_suffix(".txt").parts)
    places = [place for place, part in enumerate(parts[:-1]) if part == IMAGES]
    if places:
        parts[places[-1]] = LABELS
    return str(Path(*parts))


def find_yolo_file(path: Path) -> Path:
    """Return the ``data.yaml`` of a data set: ``path`` itself, or the one file of its kind in that folder.

    Raises:
        DataError: there is none, or several.
    """
    if not path.is_dir():
        return path
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in YAML)
    if len(files) > 1:
        usual = [file for file in files if file.stem in ("data", "dataset")]
        files = usual if len(usual) == 1 else files
    if len(files) != 1:
        found = f"{' and '.join(file.name for file in files[:3])} are there" if files else f"there is none; one has {EXAMPLE}"
        raise DataError(f"{path}: the data.yaml of a YOLO data set expected, and {found}; name the file itself as path")
    return files[0]


def read_yolo_folder(folder: Path) -> YoloSet | None:
    """Return what a folder without a ``data.yaml`` has in ``images`` and ``labels``, themselves or for each split; None: it has none.

    The names of the classes are the lines of ``classes.txt``, in the folder or among the labels, else numbers up to the greatest.

    Raises:
        DataError: a line of the labels does not begin with the number of a class.
    """
    known = [name for names in SPLITS.values() for name in names]
    places = {name: place for name in known for place in (f"{IMAGES}/{name}", f"{name}/{IMAGES}") if (folder / place).is_dir()}
    splits = {name: [place] for name, place in (places or {"train": IMAGES}).items()}
    labels = [(folder / label_file(f"{place}/1")).parent for (place,) in splits.values()]
    if not (folder / splits[next(iter(splits))][0]).is_dir() or not any(file for one in labels for file in one.glob("*.txt")):
        return None
    return YoloSet(folder, folder, splits, _classes_without_file(folder, labels), keypoints=(), keypoint_size=0, flip=None)


def _classes_without_file(folder: Path, labels: Sequence[Path]) -> list[str]:
    file = next((one / CLASSES for one in (folder, *labels) if (one / CLASSES).is_file()), None)
    if file is not None:
        return [text for _, text in read_lines(file, what="the names of the classes")]
    greatest = 0
    for path in (path for one in labels for path in sorted(one.rglob("*.txt"))):
        for number, text in read_lines(path, what="the file of labels"):
            if not text.split()[0].isdecimal():
                raise DataError(f"{path}:{number}: {shown(text)} given, 'class x y width height' in numbers expected")
            greatest = max(greatest, int(text.split()[0]))
    return [str(number) for number in range(greatest + 1)]


def read_yolo_file(path: Path, reach: Reach = INSIDE) -> YoloSet:
    """Return what a ``data.yaml`` says (https://docs.ultralytics.com/datasets/detect), or a folder that has none.

    Its ``path`` starts from its own folder or from the root of all data; where that leads nowhere, as on another machine, the paths of
    the splits start from its own folder.

    Args:
        path: the file, or its folder.
        reach: where its paths may lead.

    Raises:
        DataError: it cannot be read, or an entry is missing or wrong.
    """
    has_file = not path.is_dir() or any(file.suffix.lower() in YAML for file in path.iterdir())
    plain = None if has_file else read_yolo_folder(path)
    if plain is not None:
        return plain
    path = find_yolo_file(path)
    content = _load(path)
    classes = _names(content, path)
    keypoints, size = _keypoints(content, path)
    splits = {name: _places(content[name], f"{path}: {name}") for names in SPLITS.values() for name in names if content.get(name)}
    if not splits:
        raise DataError(f"{path}: it names no images; {EXAMPLE} expected")
    return YoloSet(
        path=path,
        root=_root(content.get("path"), path, splits, reach),
        splits=splits,
        classes=classes,
        keypoints=keypoints,
        keypoint_size=size,
        flip=_flip(content.get("flip_idx"), len(keypoints), path),
    )


def _load(path: Path) -> Mapping[str, Any]:
    text = read_text(path, what=WHAT)
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: no YAML file: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: {shown(content)} given, entries expected: {EXAMPLE}")
    return content


def _root(given: object, path: Path, splits: Mapping[str, Sequence[str]], reach: Reach) -> Path:
    if given is None:
        return path.parent
    if not isinstance(given, str):
        raise DataError(f"{path}: path: {shown(given)} given, the name of a folder expected")
    first = next(iter(splits.values()))[0]
    above = [path.parent, *([] if reach.root is None else [reach.root])]
    return next((folder / given for folder in above if (folder / given / first).exists()), path.parent)


def _places(given: object, place: str) -> list[str]:
    items = given if isinstance(given, list) else [given]
    places = [item for item in items if isinstance(item, str) and item]
    if not places or len(places) < len(items):
        raise DataError(f"{place}: {shown(given)} given, a folder of images or a list of them expected")
    return places


def _names(content: Mapping[str, Any], path: Path) -> list[str]:
    """Return the names of the classes: of a list, of numbers from 0 with names, or numbers alone where only ``nc`` says how many."""
    given = content.get("names")
    count = as_whole_number(content.get("nc"))
    if given is None and count:
        return [str(number) for number in range(count)]
    names = _by_number(given) if isinstance(given, dict) else given
    if not isinstance(names, list) or not names or not all(type(name) is int or is_name(name) for name in names):
        expected = "names: [cat, dog] or names: {0: cat, 1: dog} expected, with quotes around words that YAML reads as something else"
        raise DataError(f"{path}: names: {shown(given)} given, {expected}")
    texts = [str(name) for name in names]
    twice = next((name for place, name in enumerate(texts) if name in texts[:place]), None)
    if twice is not None:
        raise DataError(f"{path}: names: {twice!r} is given twice; an object's class could not be known")
    if count is not None and count != len(texts):
        raise DataError(f"{path}: nc is {count}, and there are {len(texts)} names; correct one of them")
    return texts


def _by_number(given: Mapping[Any, Any]) -> list[Any] | None:
    """Return the names in the order of their numbers; None: these are not 0, 1, 2, ..."""
    numbers = {as_whole_number(key): name for key, name in given.items()}
    return [numbers[number] for number in range(len(numbers))] if set(numbers) == set(range(len(given))) else None


def _keypoints(content: Mapping[str, Any], path: Path) -> tuple[tuple[str, ...], int]:
    """Return the names of the keypoints, numbers where the file has none, and how many numbers one has."""
    shape = content.get("kpt_shape")
    if shape is None:
        return (), 0
    numbers = [as_whole_number(value) for value in shape] if isinstance(shape, list) else []
    count, size = numbers if len(numbers) == 2 else (None, None)
    if count is None or size not in (2, 3) or count < 1:
        raise DataError(f"{path}: kpt_shape: {shown(shape)} given, [number of keypoints, 2 or 3 numbers of each] expected")
    given = content.get("kpt_names")
    names = next(iter(given.values()), None) if isinstance(given, dict) else given
    if names is None:
        return tuple(str(number) for number in range(count)), size
    if not isinstance(names, list) or len(names) != count or not all(map(is_name, names)):
        raise DataError(f"{path}: kpt_names: {shown(given)} given, {count} names expected, as many as kpt_shape says")
    return tuple(names), size


def _flip(given: object, count: int, path: Path) -> tuple[int, ...] | None:
    if given is None or not count:
        return None
    numbers = [as_whole_number(value) for value in given] if isinstance(given, list) else []
    places = [number for number in numbers if number is not None]
    if sorted(places) != list(range(count)) or any(places[places[place]] != place for place in places):
        raise DataError(
            f"{path}: flip_idx: {shown(given)} given; for each of the {count} keypoints the one that it becomes expected, from 0"
        )
    return tuple(places)


def yolo_classes(path: Path, reach: Reach) -> list[str]:
    """Return the names of the classes of a data set."""
    return read_yolo_file(path, reach).classes
