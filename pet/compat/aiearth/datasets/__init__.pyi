from .custom import ChangeDetNonGeoCustomDataset as ChangeDetNonGeoCustomDataset
from .custom import LandcoverNonGeoCustomDataset as LandcoverNonGeoCustomDataset
from .custom import TargetExtractionNonGeoCustomDataset as TargetExtractionNonGeoCustomDataset
from .non_geo import NonGeoDataset as NonGeoDataset

__all__ = [
    "ChangeDetNonGeoCustomDataset",
    "LandcoverNonGeoCustomDataset",
    "NonGeoDataset",
    "TargetExtractionNonGeoCustomDataset",
]
