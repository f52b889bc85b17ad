"""Two large views and small ones of an image, and images without classes."""

import cv2
import numpy as np
import pytest

from pet.data import build_transforms
from pet.data.datasets.images import build_images
from pet.data.transforms.views import Views
from petlib.errors import ConfigError, DataError

CROP = {"name": "RandomResizedCrop", "scale": [0.2, 1.0]}


def photo(seed=0, size=(20, 30)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def sample():
    return {"image": photo(), "label": 3, "meta": {"id": 5}}


def test_views_differ_and_follow_from_the_random_numbers():
    views = Views(first=[CROP], local=[CROP], local_count=3, size=16, local_size=8)
    one, again, other = (views(sample(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert set(one) == {"image", "image2", "local_views", "meta"}
    assert one["image"].shape == one["image2"].shape == (16, 16, 3)
    assert one["local_views"].shape == (3, 8, 8, 3)
    assert not np.array_equal(one["image"], one["image2"])
    assert len({view.tobytes() for view in one["local_views"]}) == 3
    assert all(np.array_equal(one[name], again[name]) for name in ("image", "image2", "local_views"))
    assert not np.array_equal(one["image"], other["image"])


def test_each_view_has_its_own_transforms():
    views = Views(first=[], second=[{"name": "Solarize", "threshold": 0}])
    result = views(sample(), np.random.default_rng(0))
    assert np.array_equal(result["image"], photo())
    assert np.array_equal(result["image2"], 255 - photo())


def test_views_are_named_in_transforms_and_normalised_behind():
    transforms, normalize = build_transforms([{"name": "Views", "first": [CROP]}, "Normalize"], default_size=12)
    assert normalize is not None
    assert transforms(sample(), np.random.default_rng(0))["image2"].shape == (12, 12, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"first": ["Normalize"]}, "Views: first: Normalize given; put it behind Views"),
        ({"first": ["Blurr"]}, r"Views: first\[0\]: unknown transform 'Blurr'"),
        ({"first": [], "second": [{"name": "Solarize", "limit": 3}]}, r"Views: second\[0\]: transform Solarize: unknown argument 'limit'"),
        ({"first": [], "local_count": 2}, "Views: local_count: 2 given with 0 transforms of local"),
        ({"first": [], "local": [CROP]}, "Views: local_count: 0 given with 1 transforms of local"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Views(**arguments)


def test_small_views_of_several_sizes():
    views = Views(first=[], local=[{"name": "RandomScale", "ratio": [0.5, 2.0]}], local_count=6, local_size=8)
    with pytest.raises(ConfigError, match="Views: local: the small views have the sizes"):
        views(sample(), np.random.default_rng(0))


class FolderSource:
    def __init__(self, path):
        self.path = path


def test_images_lie_at_any_depth_in_the_order_of_their_names(tmp_path):
    (tmp_path / "b" / "deep").mkdir(parents=True)
    for name, image in (("b/deep/1.png", photo(1)), ("a.png", photo(2)), ("c.png", photo(3)[..., :1])):
        cv2.imwrite(str(tmp_path / name), image[..., ::-1] if image.shape[2] == 3 else image)
    cv2.imwrite(str(tmp_path / "d.png"), np.dstack([photo(4), photo(4)[..., :1]]).astype(np.uint16) * 257)
    (tmp_path / "notes.txt").write_text("no image")
    images = build_images(FolderSource(tmp_path))
    assert [images.file_of(index) for index in range(len(images))] == [
        str(tmp_path / name) for name in ("a.png", "b/deep/1.png", "c.png", "d.png")
    ]
    assert np.array_equal(images[1]["image"], photo(1))
    # gray images, transparency and 16 bits become 8-bit RGB
    assert np.array_equal(images[2]["image"], np.repeat(photo(3)[..., :1], 3, axis=2))
    assert images[3]["image"].dtype == np.uint8
    assert images[3]["image"].shape == (20, 30, 3)
    assert not images.info.kinds
    assert not images.info.annotated


def test_folders_without_images(tmp_path):
    with pytest.raises(DataError, match="no images in it"):
        build_images(FolderSource(tmp_path))
    with pytest.raises(DataError, match="there is no such folder"):
        build_images(FolderSource(tmp_path / "nothing"))
