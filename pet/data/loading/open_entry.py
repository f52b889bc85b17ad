"""The data set of an entry of the catalogue for tools, which have no config."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pet.data.catalog.entries import WHOLE_SHARE, CatalogEntry, below_root, read_entry
from pet.data.catalog.source import Source
from pet.data.files.allowed_paths import Reach
from pet.data.loading.build import open_source
from pet.data.loading.splits import named_in
from pet.data.targets.dataset import Dataset
from petlib.errors import ConfigError


def open_entry(given: Mapping[str, Any], data_root: Path) -> tuple[Dataset, CatalogEntry]:
    """Return the data set of an entry, with all kinds of targets that its files have, and the entry as it was read.

    Args:
        given: the entry, as in ``DATA.CATALOG``.
        data_root: the folder that its paths start from.

    Raises:
        ConfigError: the entry is wrong, or takes a share of the data.
        DataError: files are missing or wrong.
    """
    entry = read_entry("ENTRY", given)
    return open_catalog_entry(entry, data_root), entry


def open_catalog_entry(entry: CatalogEntry, data_root: Path, *, kinds: frozenset[str] | None = None) -> Dataset:
    """Return the data set of an entry.

    Args:
        entry: the entry.
        data_root: the folder that its paths start from.
        kinds: kinds of targets that samples are to have; None: all that its files have.

    Raises:
        ConfigError: it takes a share of the data.
        DataError: files are missing or wrong.
    """
    if entry.share != WHOLE_SHARE:
        raise ConfigError(f"share: {list(entry.share)} given; all of a data set is looked at")
    source = Source(
        path=below_root(data_root, entry.path),
        split=entry.split,
        classes=list(entry.classes) or None,
        annotations=below_root(data_root, entry.annotations) if entry.annotations else None,
        images2=below_root(data_root, entry.images2) if entry.images2 else None,
        label_ending=entry.label_ending,
        separator=entry.separator,
        frame_name=entry.frame_name,
        kinds=kinds,
        mesh=below_root(data_root, entry.mesh) if entry.mesh else None,
        reading=entry.reading,
        reach=Reach(root=data_root),
        flip_pairs=entry.flip_pairs,
    )
    dataset = open_source("ENTRY", entry, source)
    if entry.only:
        dataset = named_in(dataset, below_root(data_root, entry.only), source.path)
    return dataset
