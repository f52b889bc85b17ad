"""Data sets of one's own: folders of images and label images, or a list of them."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pet.compat.aiearth.datasets.non_geo import NonGeoDataset
from pet.data.datasets.label_records import LabelRecords
from pet.data.files.listing import files_below
from pet.data.files.skipped import SkipCounter
from petlib.errors import ConfigError, DataError

Mappings = Sequence[Mapping[str, str | Path]]


class _CustomDataset(NonGeoDataset):
    """Files from folders or from a list; see its subclasses."""

    def __init__(
        self,
        *,
        classes: Sequence[str],
        img_shape: Sequence[int],
        ann_shape: Sequence[int],
        folders: Mapping[str, str | Path | None],
        suffixes: dict[str, str],
        img_ann_mapping_list: Mappings | None,
    ) -> None:
        given = {field: Path(folder) for field, folder in folders.items() if folder is not None}
        name = f"{type(self).__name__}({given.get('img', 'img_ann_mapping_list')})"
        if img_ann_mapping_list is None:
            missing = [f"{field}_dir" for field in folders if field not in given]
            if missing:
                raise ConfigError(f"{name}: {' and '.join(missing)} not given; name the folders, or the files in img_ann_mapping_list")
            img_ann_mapping_list = pair_records(given, suffixes)
        fields = set(folders)
        for number, record in enumerate(img_ann_mapping_list):
            if fields != {field for field in record if record[field]}:
                raise DataError(
                    f"{name}: record {number} of img_ann_mapping_list is {dict(record)!r}, paths for {', '.join(folders)} expected"
                )
        samples = LabelRecords(records=img_ann_mapping_list, name=f"{name}: img_ann_mapping_list", classes=list(classes))
        super().__init__(samples, name=name, num_images=len(folders) - 1)
        self._check_shape("img_shape", img_shape, self.img_shape)
        self._check_shape("ann_shape", ann_shape, self.ann_shape)

    def _check_shape(self, argument: str, given: Sequence[int], found: tuple[int, ...]) -> None:
        if tuple(given) != found:
            file = self.all_samples[0]["meta"]["file"]
            raise DataError(f"{self.name}: {argument}: {tuple(given)} given (rows, columns, channels), but it is {found} for {file}")


class ChangeDetNonGeoCustomDataset(_CustomDataset):
    """Pairs of dates whose label images (one channel) have the number of a class in ``classes`` in each pixel; 255 does not count.

    Args:
        classes: names of the classes, e.g. ``["background", "change"]``.
        img_shape: rows, columns and channels of the images; the first one is compared with it.
        ann_shape: the same of the label images, with one channel.
        img_dir: folder of the images of the earlier date.
        img2_dir: folder of those of the later date.
        img_suffix: how images end.
        ann_dir: folder of the label images.
        ann_suffix: how label images end.
        img_ann_mapping_list: records ``{"img": ..., "img2": ..., "ann": ...}``; None: files of the folders with one name.

    Raises:
        ConfigError: a folder is not named.
        DataError: files are missing, have no partner, or have other shapes.
    """

    def __init__(  # noqa: PLR0917 -- the order of AI Earth's arguments
        self,
        classes: Sequence[str],
        img_shape: Sequence[int],
        ann_shape: Sequence[int],
        img_dir: str | Path | None = None,
        img2_dir: str | Path | None = None,
        img_suffix: str = ".jpg",
        ann_dir: str | Path | None = None,
        ann_suffix: str = ".png",
        img_ann_mapping_list: Mappings | None = None,
    ) -> None:
        super().__init__(
            classes=classes,
            img_shape=img_shape,
            ann_shape=ann_shape,
            folders={"img": img_dir, "img2": img2_dir, "ann": ann_dir},
            suffixes={"img": img_suffix, "img2": img_suffix, "ann": ann_suffix},
            img_ann_mapping_list=img_ann_mapping_list,
        )


class _SingleImageDataset(_CustomDataset):
    """Single images; see its subclasses."""

    def __init__(  # noqa: PLR0917 -- the order of AI Earth's arguments
        self,
        classes: Sequence[str],
        img_shape: Sequence[int],
        ann_shape: Sequence[int],
        img_dir: str | Path | None = None,
        img_suffix: str = ".jpg",
        ann_dir: str | Path | None = None,
        ann_suffix: str = ".png",
        img_ann_mapping_list: Mappings | None = None,
    ) -> None:
        super().__init__(
            classes=classes,
            img_shape=img_shape,
            ann_shape=ann_shape,
            folders={"img": img_dir, "ann": ann_dir},
            suffixes={"img": img_suffix, "ann": ann_suffix},
            img_ann_mapping_list=img_ann_mapping_list,
        )


class LandcoverNonGeoCustomDataset(_SingleImageDataset):
    """Images whose label images name a class of land cover in each pixel; 255 does not count.

    The arguments are those of :class:`ChangeDetNonGeoCustomDataset` without ``img2_dir``, and so are the errors.
    """


class TargetExtractionNonGeoCustomDataset(_SingleImageDataset):
    """Images whose label images say where a target is: ``classes`` are the background and the target.

    The arguments are those of :class:`ChangeDetNonGeoCustomDataset` without ``img2_dir``, and so are the errors.
    """


logger = logging.getLogger(__name__)

MOST_SHOWN = 5


def pair_records(folders: dict[str, Path], suffixes: dict[str, str]) -> list[dict[str, Path]]:
    """Return records ``{"img": ..., "img2": ..., "ann": ...}`` of files with one name without suffix, at any depth of their folders.

    Label images, and images of the second date, without an image are left out, with a warning.

    Args:
        folders: the folder of each field; without ``img2`` samples are single images.
        suffixes: how the files of each field end, e.g. ``.jpg``.

    Raises:
        DataError: a folder is missing or has no such files, or an image has no partner.
    """
    files = {field: _files_below(folder, suffixes[field], field) for field, folder in folders.items()}
    images = files["img"]
    for field in [name for name in files if name != "img"]:
        missing = [stem for stem in images if stem not in files[field]]
        if missing:
            raise DataError(
                f"{folders[field]}: no file {_shown(f'{stem}{suffixes[field]}' for stem in missing)} there for {len(missing)} of the "
                f"{len(images)} images in {folders['img']}; files are paired by their names, or listed in img_ann_mapping_list"
            )
        alone = [stem for stem in files[field] if stem not in images]
        if alone:
            logger.warning("%s: left out, as there is no such image: %s", folders[field], _shown(alone))
    return [{field: found[stem] for field, found in files.items()} for stem in images]


def _files_below(folder: Path, suffix: str, field: str) -> dict[str, Path]:
    """Return name below the folder without suffix -> path, sorted."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; {field}_dir has to name one")
    skipped = SkipCounter(folder)
    found = files_below(folder, (suffix.lower(),), skipped)
    paths = sorted(Path(parent, name) for parent, names in found for name in names)
    if not paths:
        needed = "ann" if field == "ann" else "img"
        raise DataError(f"{folder}: no file in it ends in {suffix!r}; set {needed}_suffix{skipped.described()}")
    skipped.log()
    return {path.relative_to(folder).as_posix()[: -len(suffix)]: path for path in paths}


def _shown(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - MOST_SHOWN} more" if len(every) > MOST_SHOWN else ""
    return ", ".join(every[:MOST_SHOWN]) + more
