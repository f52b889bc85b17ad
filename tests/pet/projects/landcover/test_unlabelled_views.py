"""Unlabelled images, the two views of them, and what is done to batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pet.data.datasets.images import UnlabelledImages
from pet.data.loading.batch_transforms import NormalizeImages
from pet.data.transforms.photometric import Equalize, Solarize
from pet.projects.landcover import CutMixBoxes
from pet.projects.landcover.cutmix import NormalizeViews, draw_boxes
from pet.projects.landcover.views import AddUnlabelled, OneOf, build_views
from petlib.errors import ConfigError, DataError

SCALES = [8]


class Images:
    """Images of one value each: ten times their place."""

    def __init__(self, count: int = 4, size: tuple[int, int] = (12, 10)) -> None:
        self._count, self._size = count, size

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": np.full((*self._size, 3), 10 * index, np.uint8), "meta": {"file": f"{index}.png"}}


class Scene:
    """One image of random pixels."""

    def __init__(self, size: tuple[int, int] = (12, 10)) -> None:
        self.image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": self.image, "meta": {"file": "scene.png"}}


def views_of(dataset: Any, **lists: Any) -> AddUnlabelled:
    settings = {"common": [], "weak": [], "strong": ["Solarize"]} | lists
    return build_views(dataset, **settings, scales=SCALES)


def labelled() -> dict[str, Any]:
    return {"image": np.zeros((8, 8, 3), np.uint8), "semseg": np.zeros((8, 8), np.uint8), "meta": {"file": "labelled.png"}}


def write_images(folder: Path, names: list[str], size: tuple[int, int] = (6, 4)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for value, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (value, 0, 0)).save(folder / name)


def test_images_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    write_images(tmp_path / "a b", ["2.png", "1.png", "deep/3.png"])
    write_images(tmp_path / "c", ["0.png"])
    (tmp_path / "c" / "notes.txt").write_text("no image")
    images = UnlabelledImages(folders=[tmp_path / "a b", tmp_path / "c"])
    assert [Path(images[index]["meta"]["file"]).name for index in range(len(images))] == ["1.png", "2.png", "3.png", "0.png"]
    assert images[0]["image"].shape == (4, 6, 3)
    assert images[0]["image"][0, 0].tolist() == [1, 0, 0]


def test_large_images_are_read_in_windows(tmp_path: Path) -> None:
    write_images(tmp_path, ["1.png"], size=(10, 4))
    images = UnlabelledImages(folders=[tmp_path], window=4)
    assert [images[index]["meta"]["window"] for index in range(len(images))] == [(0, 0, 4, 4), (0, 4, 4, 4), (0, 6, 4, 4)]
    assert images[2]["image"].shape == (4, 4, 3)


def test_folders_without_images_are_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="UnlabelledImages.folders: .*/nothing: there is no such folder"):
        UnlabelledImages(folders=[tmp_path / "nothing"])
    with pytest.raises(DataError, match="no images in it"):
        UnlabelledImages(folders=[tmp_path])


def test_both_views_show_the_same_pixels() -> None:
    views = views_of(Scene(), common=["RandomCrop", "RandomHorizontalFlip", "RandomVerticalFlip"])
    for seed in range(8):
        sample = views(labelled(), np.random.default_rng(seed))
        weak, strong = sample["unlabelled"], sample["unlabelled_strong"]
        assert weak.shape == (8, 8, 3)
        assert np.array_equal(strong, np.where(weak < 128, weak, 255 - weak))
        assert not sample["unlabelled_outside"].any()


def test_the_labelled_sample_stays_and_the_source_too() -> None:
    scene, given = Scene(), labelled()
    before = scene.image.copy()
    sample = views_of(scene, common=["RandomCrop"])(given, np.random.default_rng(0))
    assert all(sample[name] is given[name] for name in given)
    assert np.array_equal(scene.image, before)


def test_the_random_numbers_choose_the_image() -> None:
    views = views_of(Images())
    drawn = [int(views(labelled(), np.random.default_rng(seed))["unlabelled"][0, 0, 0]) for seed in range(32)]
    assert drawn == [int(views(labelled(), np.random.default_rng(seed))["unlabelled"][0, 0, 0]) for seed in range(32)]
    assert set(drawn) == {0, 10, 20, 30}


def test_padding_is_outside() -> None:
    sample = views_of(Scene((4, 8)), common=["RandomCrop"])(labelled(), np.random.default_rng(0))
    assert sample["unlabelled_outside"].sum(axis=0).tolist() == [4] * 8


def test_one_of_the_strong_changes_is_drawn_by_weight() -> None:
    def adding(value: int) -> Any:
        return lambda sample, rng: {"value": value}

    one_of = OneOf([adding(0), adding(1), adding(2)], [3.0, 0.0, 1.0])
    rng = np.random.default_rng(0)
    counts = np.bincount([one_of({}, rng)["value"] for _ in range(400)], minlength=3)
    assert counts[1] == 0
    assert 60 < counts[2] < 140


def test_own_changes_of_pixels() -> None:
    image = np.array([[[0, 10, 200], [100, 200, 20]]], np.uint8)
    rng = np.random.default_rng(0)
    assert Solarize(threshold=100).apply(image, rng).tolist() == [[[0, 10, 55], [155, 55, 20]]]
    spread = Equalize().apply(np.tile(np.arange(64, dtype=np.uint8)[:, None, None], (1, 64, 3)), rng)
    assert spread.max() >= 250


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"weak": ["RandomHorizontalFlip"]}, "build_views.weak: RandomHorizontalFlip moves pixels, but both views must show the same ones"),
        ({"strong": ["RandomCrop"]}, "build_views.strong: RandomCrop moves pixels"),
        ({"common": ["Normalize"]}, "build_views.common: Normalize given; unlabelled images are normalised as TrainLoader.transforms say"),
        ({"strong": [{"name": "Solarize", "weight": -1}]}, r"OneOf.weights: the weights \[-1.0\] given"),
        ({"strong": [{"name": "Solarize", "weight": "often"}]}, "OneOf.weights: the weight 'often' given"),
        ({"strong": [{"name": "Solarize", "limit": 3}]}, "transform Solarize: unknown argument 'limit'"),
        ({"strong": [{"name": "Solarize", "threshold": 300}]}, "Solarize: threshold: 300 given"),
        ({"weak": ["ColourJitter"]}, r"build_views.weak\[0\]: unknown transform 'ColourJitter'"),
    ],
)
def test_wrong_transforms_are_reported(lists: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        views_of(Scene(), **lists)


def test_errors_name_the_unlabelled_image() -> None:
    class Gray(Scene):
        def __getitem__(self, index: int) -> dict[str, Any]:
            return {"image": self.image[..., :1], "meta": {"file": "gray.png"}}

    with pytest.raises(ConfigError, match=r"SEMI: gray.png: transform Solarize: it works on colours"):
        views_of(Gray())(labelled(), np.random.default_rng(0))


def test_an_unlabelled_sample_without_an_image_is_reported() -> None:
    with pytest.raises(DataError, match="an unlabelled sample has the fields pixels; image expected"):
        views_of([{"pixels": 1}])(labelled(), np.random.default_rng(0))


def make_batch(sizes: tuple[int, int] = (4, 4)) -> dict[str, Any]:
    images = [torch.full((2, size, size, 3), 51, dtype=torch.uint8) for size in (sizes[0], sizes[1], sizes[1])]
    return dict(zip(("image", "unlabelled", "unlabelled_strong"), images, strict=True))


def test_all_images_of_a_batch_are_normalised_the_same_way() -> None:
    normalize = NormalizeViews(NormalizeImages(mean=(0.1,), std=(0.5,), channels_last=True))
    batch = normalize({**make_batch(), "meta": []}, np.random.default_rng(0))
    for field in ("image", "unlabelled", "unlabelled_strong"):
        torch.testing.assert_close(batch[field], torch.full((2, 3, 4, 4), 0.2))
    assert batch["meta"] == []


def test_labelled_and_unlabelled_images_have_one_size() -> None:
    normalize = NormalizeViews(NormalizeImages(mean=(0.0,), std=(1.0,), channels_last=True))
    with pytest.raises(ConfigError, match="NormalizeViews.views: unlabelled images are 6x6 .*, labelled ones 4x4"):
        normalize(make_batch((4, 6)), np.random.default_rng(0))


def test_boxes_mix_each_view_with_the_next() -> None:
    values = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 2, 16, 20)
    boxes = CutMixBoxes(boxes=3, share=(0.25, 0.5))
    batch = boxes({"unlabelled_strong": values, "unlabelled": values}, np.random.default_rng(0))
    own = batch["unlabelled_own"]
    assert own.shape == (3, 16, 20)
    assert own.dtype == torch.bool
    for place in range(3):
        expected = torch.where(own[place], float(place), float((place + 1) % 3)).expand(2, 16, 20)
        assert torch.equal(batch["unlabelled_strong"][place], expected)
    assert torch.equal(batch["unlabelled"], values)
    assert not torch.equal(own[0], own[1])


def test_boxes_follow_from_the_random_numbers_and_have_the_wanted_area() -> None:
    areas = []
    for seed in range(64):
        inside = draw_boxes((64, 96), 1, (0.25, 0.5), np.random.default_rng(seed))
        assert np.array_equal(inside, draw_boxes((64, 96), 1, (0.25, 0.5), np.random.default_rng(seed)))
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        assert inside.sum() == len(rows) * len(columns)
        areas.append(inside.mean())
    assert 0.23 < min(areas) < 0.3
    assert 0.45 < max(areas) < 0.52


def test_the_share_is_that_of_all_boxes() -> None:
    areas = [draw_boxes((90, 90), 3, (0.3, 0.3), np.random.default_rng(seed)).mean() for seed in range(64)]
    # where they overlap, less is left
    assert 0.28 < max(areas) < 0.31
