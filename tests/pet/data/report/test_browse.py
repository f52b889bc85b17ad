"""What a sheet of samples shows: the values that the network is given."""

import numpy as np
import pytest

from pet.data.report.browse import SampleViews
from pet.data.targets.dataset import Dataset, DatasetInfo
from pet.data.transforms.base import Compose
from pet.data.transforms.normalize import Normalize


class Given(Dataset):
    """One sample with an image of one value."""

    info = DatasetInfo(frozenset({"semseg"}))

    def __init__(self, value: float, dtype: str) -> None:
        self.image = np.full((2, 2, 3), value, dtype)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> dict[str, object]:
        return {"image": self.image, "meta": {}}


@pytest.mark.parametrize(
    ("value", "dtype", "normalize", "gray"),
    [
        (100, "uint8", Normalize(), 100),
        (100 * 257, "uint16", Normalize(), 100),
        (100 * 257, "uint16", None, 100),
        (4095, "uint16", Normalize(), 16),
        (2500, "uint16", Normalize(maximum=10_000), 64),
        (20_000, "uint16", Normalize(maximum=10_000), 255),
        (100, "float32", Normalize(), 100),
        (0.4, "float32", None, 102),
        (-12.0, "float32", Normalize(mean=[-12.0], std=[4.0], maximum=1.0), 128),
        (np.nan, "float32", Normalize(), 0),
    ],
)
def test_pixels_are_shown_in_the_range_that_the_network_is_given(value: float, dtype: str, normalize: Normalize | None, gray: int) -> None:
    views = SampleViews(dataset=Given(value, dtype), transforms=Compose([]), normalize=normalize, seed=0)
    for sample in (views.original(0), views.view(0, 0)):
        assert sample["image"].dtype == np.uint8
        assert np.unique(sample["image"]).tolist() == [gray]


def test_images_that_are_normalised_before_the_end_are_shown_as_before() -> None:
    views = SampleViews(dataset=Given(100 * 257, "uint16"), transforms=Compose([Normalize()]), normalize=None, seed=0)
    assert np.unique(views.view(0, 0)["image"]).tolist() == [100]
    assert np.unique(views.original(0)["image"]).tolist() == [100]
