"""Data sets of list files, and transforms of the user in them."""

import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import pet.compat.paddleseg.transforms as T
from pet.compat.paddleseg.datasets import Dataset
from pet.compat.paddleseg.samples import open_data
from petlib.data.protocols import SampleKey
from petlib.data.reader import SampleReader
from petlib.errors import ConfigError, DataError
from tests.pet.compat.paddleseg.tiles import EDGE, open_tiles, write_tiles


class InitMask:
    """As in the notebook."""

    def __call__(self, im, label=None):
        label = np.clip(label, 0, 1)
        if len(label.shape) == 3:
            label = np.mean(label, axis=-1).astype("uint8")
        return (im, label)


class Recording:
    """Remembers what it was given, and may write into it."""

    def __init__(self, result=lambda im, label: (im, label)) -> None:
        self.given: list = []
        self.result = result

    def __call__(self, im, label=None):
        self.given.append((im.copy(), label.copy()))
        return self.result(im, label)


def read(dataset: Dataset, index: int = 0, *, for_evaluation: bool = False, position: int | None = None) -> dict:
    data = open_data(dataset, seed=5, for_evaluation=for_evaluation, name="the data")
    reader = SampleReader(data.samples, data.transforms, seed=5, seed_global_generators=data.draws_globally)
    return reader.read([SampleKey(0, index if position is None else position, index)])[0]


def test_items_are_what_the_check_cell_of_the_notebook_expects(tmp_path: Path) -> None:
    root = write_tiles(tmp_path, label_value=255, channels=3)
    for mode in ("train", "val"):
        dataset = Dataset(
            [InitMask(), T.Resize((24, 16)), T.Normalize()], root, 2, mode, **{f"{mode}_path": root / "val.txt"}, separator=" "
        )
        items = list(dataset)
        assert len(items) == len(dataset) == 2
        for image, label in items:
            assert (image.shape, image.dtype) == ((3, 16, 24), np.float32)
            assert (label.shape, label.dtype) == ((16, 24), np.uint8)
            assert set(np.unique(label)) == {0, 1}
            assert -1.0 <= image.min() < 0 < image.max() <= 1.0


def test_a_transform_of_the_user_sees_float_rgb_and_the_label_of_the_file(tmp_path: Path) -> None:
    root = write_tiles(tmp_path, label_value=255, channels=3)
    recording = Recording()
    dataset = open_tiles(root, [recording, InitMask(), T.Normalize()])
    assert len(dataset[0]) == 2
    image, label = recording.given[0]
    expected = cv2.imread(str(root / "img" / "0.jpg"))[:, :, ::-1]
    np.testing.assert_array_equal(image, expected.astype(np.float32))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(label, cv2.imread(str(root / "gt" / "0.png")))


def test_of_16_bits_it_sees_0_to_255_too(tmp_path: Path) -> None:
    root = write_tiles(tmp_path)
    shallow = cv2.imread(str(root / "img" / "0.jpg"))
    (root / "img" / "0.jpg").unlink()
    cv2.imwrite(str(root / "img" / "0.png"), shallow.astype(np.uint16) * 257)
    lists = (root / "train.txt").read_text()
    (root / "train.txt").write_text(lists.replace("img/0.jpg", "img/0.png"))
    recording = Recording()
    image, _ = open_tiles(root, [recording, T.Normalize()])[0]
    np.testing.assert_allclose(recording.given[0][0], shallow[:, :, ::-1], atol=1e-3)
    np.testing.assert_allclose(image.transpose(1, 2, 0), shallow[:, :, ::-1] / 127.5 - 1, atol=1e-4)


def test_what_it_writes_into_its_arguments_counts(tmp_path: Path) -> None:
    def darken(im, label):
        im *= 0.0
        label[:] = 1
        return im, label

    image, label = open_tiles(write_tiles(tmp_path), [Recording(darken), T.Normalize()])[0]
    np.testing.assert_allclose(image, -1.0)
    assert set(np.unique(label)) == {1}


def test_values_beyond_whole_numbers_reach_the_network(tmp_path: Path) -> None:
    root = write_tiles(tmp_path)
    plain, _ = open_tiles(root, [T.Normalize()])[0]
    halved, _ = open_tiles(root, [Recording(lambda im, label: (im * 0.5, label)), T.Normalize()])[0]
    np.testing.assert_allclose(halved, (plain + 1) / 2 - 1, atol=1e-5)


@pytest.mark.parametrize("draw", [random.random, np.random.rand, lambda: torch.rand(()).item()])
def test_global_generators_are_seeded_for_each_sample(tmp_path: Path, draw) -> None:
    dataset = open_tiles(write_tiles(tmp_path), [Recording(lambda im, label: (im * 0 + 200 * draw(), label)), T.Normalize()])
    first, again, elsewhere = read(dataset), read(dataset), read(dataset, position=3)
    np.testing.assert_array_equal(first["image"], again["image"])
    assert (first["image"] != elsewhere["image"]).any()


def test_in_an_evaluation_labels_are_transformed_and_keep_their_size(tmp_path: Path) -> None:
    root = write_tiles(tmp_path, label_value=255)
    sample = read(open_tiles(root, [InitMask(), T.Resize((16, 16)), T.Normalize()]), for_evaluation=True)
    assert sample["image"].shape == (16, 16, 3)
    np.testing.assert_array_equal(sample["truth_semseg"], cv2.imread(str(root / "gt" / "0.png"), 0) // 255)


def test_a_users_crop_before_resize_is_the_label_size_of_an_evaluation(tmp_path: Path) -> None:
    crop = Recording(lambda im, label: (im[:20], label[:20]))
    sample = read(open_tiles(write_tiles(tmp_path), [crop, T.Resize((16, 16)), T.Normalize()]), for_evaluation=True)
    assert sample["truth_semseg"].shape == sample["meta"]["size"] == (20, EDGE)


def test_ignore_index_becomes_255(tmp_path: Path) -> None:
    root = write_tiles(tmp_path, label_value=7)
    _, label = open_tiles(root, [T.Normalize()], ignore_index=7)[0]
    assert set(np.unique(label)) == {0, 255}


def test_labels_of_0_and_255_alone_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(open_tiles(write_tiles(tmp_path, label_value=255), [T.Normalize()]))
    assert "255 does not count; if it is the foreground, put InitMask()" in caplog.text


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda im, label: im, r"transform Recording: it returned an array \(40, 40, 3\); \(im,\) or \(im, label\) expected"),
        (lambda im, label: None, "transform Recording: it returned NoneType"),
        (lambda im, label: (im[:10], label), r"the image has become 40x10 \(width x height\) and its label 40x40"),
        (lambda im, label: (im, label * 0.5), "whole numbers from 0 to 255 expected"),
    ],
)
def test_a_transform_that_returns_something_else_is_reported(tmp_path: Path, result, message: str) -> None:
    dataset = open_tiles(write_tiles(tmp_path), [Recording(result), T.Normalize()])
    with pytest.raises(DataError, match=message):
        read(dataset)


def test_a_size_that_changes_after_resize_in_an_evaluation_is_reported(tmp_path: Path) -> None:
    dataset = open_tiles(write_tiles(tmp_path), [T.Resize((16, 16)), Recording(lambda im, label: (im[:8], label)), T.Normalize()])
    with pytest.raises(DataError, match="put it before them"):
        read(dataset, for_evaluation=True)


def test_labels_that_are_no_classes_are_reported_with_their_file(tmp_path: Path) -> None:
    dataset = open_tiles(write_tiles(tmp_path, label_value=3), [T.Normalize()])
    with pytest.raises(DataError, match=r"img/0\.jpg: the label image has the values 0, 3, and 3 is no class: 0 to 1 and 255"):
        read(dataset)


def test_three_channels_without_init_mask_are_reported(tmp_path: Path) -> None:
    dataset = open_tiles(write_tiles(tmp_path, channels=3), [T.Normalize()])
    with pytest.raises(DataError, match=r"shape \(40, 40, 3\).*InitMask"):
        read(dataset)


def test_wrong_lines_are_reported_with_list_and_line(tmp_path: Path) -> None:
    root = write_tiles(tmp_path)
    (root / "train.txt").write_text("img/0.jpg gt/0.png\nimg/1.jpg gt/nowhere.png\n")
    with pytest.raises(DataError, match=r"train\.txt:2: gt/nowhere\.png: there is no such file"):
        open_tiles(root)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "validation"}, "mode: 'validation' given, one of train, val, test"),
        ({"mode": "val"}, "val_path: nothing given"),
        ({"num_classes": 300}, "num_classes: 300 given"),
        ({"transforms": [T.Resize]}, r"transforms\[0\]: .* given, a transform expected"),
    ],
)
def test_wrong_arguments_are_reported(tmp_path: Path, options: dict, message: str) -> None:
    root = write_tiles(tmp_path)
    settings = {"transforms": [], "dataset_root": root, "num_classes": 2, "train_path": root / "train.txt", **options}
    with pytest.raises(ConfigError, match=message):
        Dataset(**settings)


def test_compose_counts_as_its_list(tmp_path: Path) -> None:
    root = write_tiles(tmp_path)
    steps = [T.Resize((24, 16)), T.Normalize()]
    listed, composed = (open_tiles(root, transforms) for transforms in (steps, T.Compose(steps)))
    np.testing.assert_array_equal(listed[0][0], composed[0][0])
    assert composed.pipeline.normalize is not None
