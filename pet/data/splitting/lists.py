"""List files of a training and its validation: a line for each image, with its label image."""

import os
from collections.abc import Sequence
from pathlib import Path

from pet.data.files.allowed_paths import INSIDE
from pet.data.files.opening import read_text
from pet.data.files.stems import MOST_SHOWN, pair_stems, shown
from petlib.errors import ConfigError, DataError, OutputError
from petlib.files import write_text_atomically
from petlib.suggest import shortened


def read_stems(path: Path) -> list[str]:
    """Return the names in a list file, one a line; empty lines do not count.

    Raises:
        DataError: it cannot be read, has no names, a name twice, or one that leads out of its folder.
    """
    lines = read_text(path, what="the list of names").splitlines()
    first_lines: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        stem = line.strip()
        if stem:
            INSIDE.check(stem, path.parent, f"{path}:{number}")
        if stem and stem in first_lines:
            raise DataError(
                f"{path}:{number}: {shortened(stem)!r} is in line {first_lines[stem]} already; it could be trained and validated with"
            )
        if stem:
            first_lines[stem] = number
    if not first_lines:
        raise DataError(f"{path}: no names in this list")
    return list(first_lines)


def labelled_stems(images: Path, labels: Path, image_suffix: str, label_suffix: str) -> list[str]:
    """Return the stems of a folder of images that all have a label image, sorted.

    Raises:
        DataError: a label image is missing, or files have other suffixes.
    """
    stems = list(pair_stems(images, labels))
    check_files(stems, images, labels, image_suffix, label_suffix)
    return stems


def check_files(stems: Sequence[str], images: Path, labels: Path, image_suffix: str, label_suffix: str) -> None:
    """Check that the files of stems are there.

    Raises:
        DataError: some are not; up to ten are named.
    """
    for folder, suffix, option in ((images, image_suffix, "--image-suffix"), (labels, label_suffix, "--label-suffix")):
        missing = [f"{stem}{suffix}" for stem in stems if not os.path.isfile(folder / f"{stem}{suffix}")]  # noqa: PTH113 -- takes names of any length
        if missing:
            first = missing[0].removesuffix(suffix)
            there = sorted(path.name for path in (folder / first).parent.glob("*") if path.stem == Path(f"{first}{suffix}").stem)
            hint = f"; there is {', '.join(there[:MOST_SHOWN])}, see {option}" if there else ""
            raise DataError(f"{folder}: {len(missing)} of {len(stems)} files are missing: {shown(missing)}{hint}")


def list_lines(stems: Sequence[str], image_pattern: str, label_pattern: str, separator: str = " ") -> str:
    """Return the text of a list file: a line for each stem, image and label image.

    Args:
        stems: the stems.
        image_pattern: path of an image with ``{}`` for the stem, e.g. ``img/{}.jpg``.
        label_pattern: likewise of a label image.
        separator: what separates the two.

    Raises:
        ConfigError: a path contains the separator.
    """
    lines = []
    for stem in stems:
        paths = [pattern.replace("{}", stem) for pattern in (image_pattern, label_pattern)]
        for path in paths:
            if separator in path:
                raise ConfigError(f"--separator {separator!r}: it occurs in the path {path!r}; take another one, as --separator ','")
        lines.append(f"{separator.join(paths)}\n")
    return "".join(lines)


def write_lists(texts: dict[Path, str]) -> None:
    """Write several files, or none of them: where one cannot be written, the others get back what they had.

    Raises:
        OutputError: one cannot be written.
    """
    before = {path: path.read_bytes() if path.is_file() else None for path in texts}
    try:
        for path, text in texts.items():
            write_text_atomically(path, text)
    except OSError as error:
        for path, content in before.items():
            if content is not None:
                path.write_bytes(content)
            elif path.is_file():
                path.unlink()
        raise OutputError(f"{error.filename or path}: cannot be written: {error.strerror}; no list was changed") from error
