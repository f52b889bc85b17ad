"""The data sets of AI Earth's platform that are public elsewhere, by their numbers. The files are the user's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pet.compat.aiearth.datasets.non_geo import NonGeoDataset
from pet.data.catalog.public_sets import PUBLIC_SETS, PublicSet, find_by_id
from pet.data.catalog.source import Source
from pet.data.datasets.public_set import build_public_set
from petlib.errors import ConfigError

DATA_FOLDER = Path("data")
"""Where the files are looked for when ``data_root`` does not have them: ``MISC.DATA_ROOT`` of configs."""

GID_15_CLASSES = [
    *("background", "industrial_land", "garden_land", "urban_residential", "arbor_forest", "rural_residential", "shrub_land"),
    *("traffic_land", "natural_meadow", "paddy_field", "artificial_meadow", "irrigated_land", "river", "dry_cropland", "lake", "pond"),
]
"""The order in which AI Earth's documents list the classes of GID-15; its label files have another one."""


def _meta(name: str) -> dict[str, Any]:
    public = PUBLIC_SETS[name]
    return {"name": public.name, "dataset_id": public.dataset_id, "type": public.task, "count": public.samples, "homepage": public.homepage}


class PublicDatasetMeta:
    """What is known of public data sets, by AI Earth's names, e.g. ``PublicDatasetMeta.GID_15_TRAIN["dataset_id"]``."""

    GID_15_TRAIN = _meta("gid_15_train")
    GID_15_VAL = _meta("gid_15_val")
    LOVEDA_TRAIN_URBAN_2021 = _meta("loveda_train_urban_2021")
    LOVEDA_TRAIN_RURAL_2021 = _meta("loveda_train_rural_2021")
    LOVEDA_VAL_URBAN_2021 = _meta("loveda_val_urban_2021")
    LOVEDA_VAL_RURAL_2021 = _meta("loveda_val_rural_2021")
    LEVIR_CD_TRAIN = _meta("levir_cd_train")
    BUILDING_AERIAL_IMAGERY_TRAIN = _meta("building_aerial_imagery_train")
    BUILDING_AERIAL_IMAGERY_VAL = _meta("building_aerial_imagery_val")
    BUILDING_AERIAL_IMAGERY_TEST = _meta("building_aerial_imagery_test")
    SATELLITE_EAST_ASIA_TRAIN = _meta("satellite_east_asia_train")
    SATELLITE_EAST_ASIA_TEST = _meta("satellite_east_asia_test")
    SATELLITE_DATASET_GLOBAL_CITIES = _meta("satellite_dataset_global_cities")
    BUILDING_CHANGE_DETECTION_CHANGE = _meta("building_change_detection_change")
    SEMANTIC_CHANGE_DETECTION_SECOND = _meta("semantic_change_detection_second")


class _PublicDataset(NonGeoDataset):
    """A public data set.

    Args:
        dataset_id: AI Earth's number, see :class:`PublicDatasetMeta`.
        data_root: the folder that has the folder of the data set, e.g. ``GID``; else ``data`` is looked at.
        classes_filter: classes that become 1, 2, ...; all others become the background. Empty: all classes stay.

    Raises:
        ConfigError: no public data set has that number, or it is of another kind.
        DataError: the files are missing; the message says what to put where.
    """

    tasks: tuple[str, ...]

    def __init__(self, dataset_id: int | str, data_root: str | Path = ".", classes_filter: Sequence[str] = ()) -> None:
        public = _find(dataset_id, self.tasks)
        folders = [Path(data_root) / public.folder, DATA_FOLDER / public.folder]
        path = next((folder for folder in folders if folder.is_dir()), folders[0])
        classes = GID_15_CLASSES if public.name.startswith("gid_15") else None
        samples = build_public_set(Source(path=path, split=public.name, classes=classes))
        super().__init__(samples, name=public.name, num_images=2 if public.images2 else 1, classes_filter=classes_filter)
        self.id = public.dataset_id


def _find(dataset_id: int | str, tasks: tuple[str, ...]) -> PublicSet:
    public = find_by_id(dataset_id)
    fitting = [known for known in PUBLIC_SETS.values() if known.dataset_id is not None and known.task in tasks]
    known = ", ".join(f"{known.dataset_id} ({known.name.upper()})" for known in fitting)
    if public is None:
        raise ConfigError(
            f"data set {dataset_id}: there is no public data set of this number; there are {known}. For other data of AI Earth's "
            "platform download the files there and use one of the data sets in pet.compat.aiearth.datasets"
        )
    if public not in fitting:
        raise ConfigError(f"data set {dataset_id} is {public.name.upper()}, which is for {public.task}; here belong {known}")
    return public


class LandcoverDataset(_PublicDataset):
    """Single images with classes of land cover, or with buildings."""

    tasks = ("landcover", "target_extraction")


class TargetExtractionDataset(_PublicDataset):
    """Single images with one kind of target; of land cover ``classes_filter`` chooses it."""

    tasks = ("target_extraction", "landcover")


class BinaryChangeDetDataset(_PublicDataset):
    """Pairs of dates with what changed."""

    tasks = ("changedet",)
