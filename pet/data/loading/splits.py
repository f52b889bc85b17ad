"""Parts of data sets: shares and numbers of samples, at random or in order, and the images that a list names."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pet.data.files.opening import read_lines
from pet.data.loading.joined import SomeSamples
from pet.data.targets.dataset import Dataset
from petlib.data.protocols import NamedFiles
from petlib.errors import ConfigError, DataError


def split_by_percent(dataset: Dataset, share: float, *, randomly: bool = True, seed: int = 0) -> tuple[SomeSamples, SomeSamples]:
    """Return ``share`` of a data set, and the rest; both in the order of the data set.

    Where a data set cuts images into windows, images are counted, and all windows of an image stay on one side.

    Args:
        dataset: the data set.
        share: from 0 to 1, e.g. 0.8; the number of samples is rounded.
        randomly: choose them at random; else take the first ones.
        seed: of the choice, which is the same in every process and every run.

    Raises:
        ConfigError: the share is out of range, or one side would be empty.
    """
    return share_of(dataset, 0.0, share, randomly=randomly, seed=seed), share_of(dataset, share, 1.0, randomly=randomly, seed=seed)


def split_by_count(dataset: Dataset, count: int, *, randomly: bool = True, seed: int = 0) -> tuple[SomeSamples, SomeSamples]:
    """Return ``count`` samples of a data set, and the rest; see :func:`split_by_percent`.

    Raises:
        ConfigError: one side would be empty.
    """
    number = len(_units(dataset)[0])
    if not 0 < count < number:
        raise ConfigError(f"a split after {count} of {number} samples; a number from 1 to {number - 1} expected")
    return _choose(dataset, 0, count, randomly, seed), _choose(dataset, count, number, randomly, seed)


def sample_by_percent(dataset: Dataset, share: float, *, randomly: bool = True, seed: int = 0) -> SomeSamples:
    """Return ``share`` of a data set, the same as the first part of :func:`split_by_percent`.

    Raises:
        ConfigError: the share is out of range, or there would be no sample.
    """
    return share_of(dataset, 0.0, share, randomly=randomly, seed=seed)


def sample_by_count(dataset: Dataset, count: int, *, randomly: bool = True, seed: int = 0) -> SomeSamples:
    """Return ``count`` samples of a data set, the same as the first part of :func:`split_by_count`.

    Raises:
        ConfigError: there are not as many.
    """
    number = len(_units(dataset)[0])
    if not 0 < count <= number:
        raise ConfigError(f"{count} of {number} samples requested; a number from 1 to {number} expected")
    return _choose(dataset, 0, count, randomly, seed)


def share_of(dataset: Dataset, start: float, end: float, *, randomly: bool = True, seed: int = 0) -> SomeSamples:
    """Return the samples between two shares of a data set: 0 to 0.8 and 0.8 to 1 are both sides of a split.

    Raises:
        ConfigError: the shares are out of range, or there would be no sample.
    """
    if not 0 <= start < end <= 1:
        raise ConfigError(f"the share {start:g} to {end:g} of a data set; two ascending numbers from 0 to 1 expected, e.g. 0 and 0.8")
    number = len(_units(dataset)[0])
    first, last = round(start * number), round(end * number)
    if first == last:
        raise ConfigError(f"the share {start:g} to {end:g} of {number} samples is empty; take a larger share or more data")
    return _choose(dataset, first, last, randomly, seed)


def named_in(dataset: Dataset, path: Path, root: Path) -> SomeSamples:
    """Return the samples of the images that a list names, in the order of the data set.

    Args:
        dataset: the data set.
        path: the list: a name a line, as :func:`name_of_image` gives it.
        root: the folder that the names start from, or a file in it.

    Raises:
        ConfigError: the data set does not know its files.
        DataError: the list cannot be read, names nothing, or an image that the data set does not have.
    """
    lines = {text: number for number, text in read_lines(path, what="the list of images")}
    names = [name_of_image(dataset, index, root) for index in range(len(dataset))]
    known = set(names)
    missing = next((text for text in lines if text not in known), None)
    if missing is not None:
        raise DataError(f"{path}:{lines[missing]}: the data have no image {missing!r}; they have, for one, {names[0]!r}")
    if not lines:
        raise DataError(f"{path}: the list names no images; a name a line expected, for one {names[0]!r}")
    return SomeSamples(dataset, np.array([place for place, name in enumerate(names) if name in lines], np.int64))


def name_of_image(dataset: Dataset, index: int, root: Path) -> str:
    """Return what lists call an image: its path below a folder, or below that of a file; elsewhere its absolute path.

    Raises:
        ConfigError: the data set does not know its files.
    """
    if not isinstance(dataset, NamedFiles):
        raise ConfigError("only: these data have no files that a list could name; take share: [0.0, 0.8] instead")
    file, folder = Path(dataset.file_of(index)).absolute(), (root.parent if root.is_file() else root).absolute()
    return (file.relative_to(folder) if file.is_relative_to(folder) else file).as_posix()


def list_text(names: Iterable[str]) -> str:
    """Return the text of a list that :func:`named_in` reads.

    Raises:
        DataError: a name would be read as another one.
    """
    texts = list(names)
    wrong = next((name for name in texts if name != name.strip() or name.startswith("#") or len(name.splitlines()) != 1), None)
    if wrong is not None:
        raise DataError(f"{wrong!r}: a name in a list begins with no '#' and has neither blanks around it nor ends of lines; rename it")
    return "".join(f"{name}\n" for name in texts)


def _choose(dataset: Dataset, first: int, last: int, randomly: bool, seed: int) -> SomeSamples:
    units, unit_of_sample = _units(dataset)
    order = np.random.default_rng(seed).permutation(len(units)) if randomly else np.arange(len(units))
    return SomeSamples(dataset, np.flatnonzero(np.isin(unit_of_sample, units[order[first:last]])))


def _units(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return what is divided, and the one that each sample is part of: groups, as the windows of an image, else samples."""
    groups = dataset.info.groups
    unit_of_sample = np.arange(len(dataset)) if groups is None else groups
    return np.unique(unit_of_sample), unit_of_sample
