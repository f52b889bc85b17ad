import sys
from importlib.machinery import PathFinder

import cv2
import numpy as np
import pytest

from pet.data.report.near_duplicates import MOST_DIFFERENT, count_bits, find_near_pairs
from pet.data.targets.perceptual_hash import hash_image
from tests.pet.report.made_data import made_report, picture, sample

NEAR = "an image of the test data is nearly one of the training data"
SAME = "an image is nearly another one of the same data"


def recoded(image: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    "change",
    [
        recoded,
        lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        lambda image: np.clip(image.astype(int) + 20, 0, 255).astype(np.uint8),
    ],
)
def test_hashes_of_changed_images_are_near(change: object) -> None:
    assert callable(change)
    for seed in range(10):
        hashed, other = hash_image(picture(seed)), hash_image(change(picture(seed)))
        assert hashed is not None
        assert other is not None
        assert (hashed.bits ^ other.bits).bit_count() <= MOST_DIFFERENT


def test_small_and_plain_images_have_no_hash() -> None:
    assert hash_image(picture(0, (31, 200))) is None
    assert hash_image(np.full((64, 64, 3), 90, np.uint8)) is None


def test_pairs_are_those_of_a_comparison_of_all_with_all() -> None:
    rng = np.random.default_rng(0)
    count = 400
    bits = rng.integers(0, 2**63, count, dtype=np.uint64)
    for place in range(0, count, 2):
        flipped = rng.choice(63, rng.integers(0, 12), replace=False)
        bits[place + 1] = bits[place] ^ np.bitwise_or.reduce(np.uint64(1) << flipped.astype(np.uint64), initial=0)
    thumbnails = np.tile(np.arange(256, dtype=np.uint8), (count, 1))
    # unlike each other, whatever their hashes
    thumbnails[:20:2] = thumbnails[:20:2, ::-1]
    order = rng.permutation(count)
    bits, thumbnails = bits[order], thumbnails[order]
    sides = np.arange(count) >= 300
    groups = np.where(order < 40, 0, -1)
    found = find_near_pairs(bits, thumbnails, sides, groups)
    same_picture = thumbnails[:, :1] == thumbnails[:, 0]
    for later in range(count):
        different = count_bits(bits ^ bits[later])
        near = (different <= MOST_DIFFERENT) & (np.arange(count) < later) & same_picture[later]
        own = near & (sides == sides[later]) & ~((groups == 0) & (groups[later] == 0))
        other = near & ~sides & sides[later]
        for chosen, place, distance in ((own, found.own, found.own_bits), (other, found.other, found.other_bits)):
            if not chosen.any():
                assert place[later] == -1
            else:
                assert chosen[place[later]]
                assert distance[later] == different[chosen].min()
    assert (found.own >= 0).sum() > 20
    assert (found.other >= 0).sum() > 10


def test_a_file_on_both_sides_is_reported_once_and_copies_by_their_names() -> None:
    report, _ = made_report(
        [sample(picture(1), "a.jpg"), sample(picture(2), "b.jpg"), sample(recoded(picture(2)), "c.jpg")],
        [sample(picture(1), "a.jpg"), sample(recoded(picture(1)), "d.jpg")],
    )
    found = [(finding.kind, finding.place) for finding in report.all_findings]
    assert found == [("a file is in the training data and in the test data", "a.jpg"), (NEAR, "d.jpg"), (SAME, "c.jpg"), (SAME, "d.jpg")]
    assert report.all_findings[1].detail.startswith("and a.jpg: ")
    assert not report.fails


def test_frames_of_one_sequence_are_no_copies() -> None:
    frames = [sample(picture(1), f"{number}.jpg") for number in range(2)]
    for frame in frames:
        frame["meta"]["group"] = "video"
    report, _ = made_report(frames, [])
    assert report.all_findings == []


def test_without_the_package_nothing_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "imagehash", raising=False)
    find = PathFinder.find_spec
    monkeypatch.setattr(PathFinder, "find_spec", lambda name, *more: None if name == "imagehash" else find(name, *more))
    assert hash_image(picture(0)) is None
