"""Samples as pictures show them."""

import numpy as np

from pet.data.report.display import as_rgb, changed_side_by_side, side_by_side, title_of
from pet.data.transforms.views import LOCAL


def test_pictures_have_three_channels_of_8_bits() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.testing.assert_array_equal(as_rgb(image), image[..., :3])
    np.testing.assert_array_equal(as_rgb(image[..., :2]), np.repeat(image[..., :1], 3, axis=2))


def test_deep_values_are_stretched() -> None:
    ramp = np.linspace(100, 4100, 101, dtype=np.float32).reshape(1, 101, 1)
    shown = as_rgb(ramp)[0, :, 0]
    assert shown.dtype == np.uint8
    assert (shown[0], shown[2], shown[50], shown[98], shown[100]) == (0, 0, 128, 255, 255)
    assert as_rgb(np.full((2, 2, 3), 7, np.uint16)).tolist() == np.zeros((2, 2, 3)).tolist()


def test_the_title_of_a_picture_has_the_folder_which_may_be_the_class() -> None:
    assert title_of({"meta": {"file": "/data/train/rose/1.jpg"}}, 3) == "rose/1.jpg"
    assert title_of({"meta": {"file": "/data/MOT17/train/MOT17-02/img1/000001.jpg"}}, 3) == "MOT17-02/img1/000001.jpg"
    assert title_of({"meta": {}}, 3) == "3"


def test_a_pair_becomes_three_pictures() -> None:
    first, second = np.zeros((2, 2, 3), np.uint8), np.ones((2, 2, 3), np.uint8)
    sample = {"image": first, "image2": second, "semseg": np.ones((2, 2), np.uint8), "meta": {}}
    pictures = side_by_side("a.png", sample)
    assert [title for title, _ in pictures] == ["a.png", "second date", "labels"]
    assert [int(picture["image"][0, 0, 0]) for _, picture in pictures] == [0, 1, 1]
    assert ["semseg" in picture for _, picture in pictures] == [False, False, True]


def test_raw_labels_show_their_first_channel() -> None:
    sample = {"image": np.zeros((2, 2, 3), np.uint8), "semseg": np.full((2, 2, 3), 4, np.uint8), "meta": {}}
    [(title, picture)] = side_by_side("a.png", sample)
    assert (title, picture["semseg"].tolist()) == ("a.png", [[4, 4], [4, 4]])


def test_views_of_one_image_are_one_picture_with_the_small_ones_below() -> None:
    first, second = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 9, np.uint8)
    small = np.full((5, 2, 2, 3), 7, np.uint8)
    views = {"image": first, "image2": second, LOCAL: small, "meta": {}}
    [(title, picture)] = changed_side_by_side("both", views, {"image": first, "meta": {}})
    rows = picture["image"][..., 0].tolist()
    assert title == "both"
    assert rows[0] == rows[3] == [0, 0, 0, 0, 255, 9, 9, 9, 9]
    assert rows[5] == rows[6] == [7, 7, 255, 7, 7, 255, 7, 7, 255]
    assert rows[8] == [7, 7, 255, 7, 7, 255, 255, 255, 255]
    assert len(rows) == 10
