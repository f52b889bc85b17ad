"""Which images are worth training with."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pet.data.loading.background_share import background_share, background_shares, select_stems
from petlib.errors import ConfigError, DataError


def write_label(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(path)


def with_foreground(count: int, value: int = 255) -> np.ndarray:
    """Return 10 x 10 labels with ``count`` pixels of ``value``."""
    labels = np.zeros(100, np.uint8)
    labels[:count] = value
    return labels.reshape(10, 10)


def make_set(root: Path, **labels: np.ndarray) -> Path:
    for stem, values in labels.items():
        write_label(root / "img" / f"{stem}.jpg", np.zeros((10, 10, 3), np.uint8))
        write_label(root / "gt" / f"{stem}.png", values)
    return root


def kept_stems(root: Path, *, images: str = "img", labels: str = "gt", max_background: float = 0.95) -> list[str]:
    return select_stems(background_shares(root / images, root / labels), max_background)


def test_shares_by_hand() -> None:
    assert background_share(with_foreground(25)) == 0.75
    assert background_share(with_foreground(25, 1)) == 0.75
    assert background_share(with_foreground(25), background=255) == 0.25
    labels = with_foreground(20, 1)
    labels[-1] = 255
    # 20 of 90 pixels that count
    assert background_share(labels, ignore=255) == pytest.approx(70 / 90)
    assert background_share(labels) == 0.7
    assert background_share(np.full((3, 3), 255), ignore=255) == 1.0


def test_any_channel_above_zero_is_foreground() -> None:
    labels = np.zeros((2, 2, 3), np.uint8)
    labels[0, 0] = 255
    labels[0, 1, 2] = 1
    assert background_share(labels) == 0.5
    assert background_share(labels, ignore=255) == pytest.approx(2 / 3)


def test_images_up_to_the_threshold_are_kept(tmp_path: Path) -> None:
    root = make_set(tmp_path, a=with_foreground(5), b=with_foreground(4), c=with_foreground(60, 1), d=with_foreground(0))
    assert background_shares(root / "img", root / "gt") == {"a": 0.95, "b": 0.96, "c": 0.4, "d": 1.0}
    assert kept_stems(root) == ["a", "c"]
    assert kept_stems(root, max_background=1.0) == ["a", "b", "c", "d"]
    assert kept_stems(root, max_background=0.5) == ["c"]


def test_kinds_of_files(tmp_path: Path) -> None:
    binary = with_foreground(50).astype(bool)
    root = make_set(
        tmp_path,
        bits=binary,
        colours=np.repeat(with_foreground(50)[:, :, None], 3, axis=2),
        clear=np.dstack([*[with_foreground(50)] * 3, np.full((10, 10), 255, np.uint8)]),
        deep=with_foreground(50).astype(np.uint16) * 100,
    )
    assert background_shares(root / "img", root / "gt") == dict.fromkeys(["bits", "clear", "colours", "deep"], 0.5)


def test_folders_below_and_other_names(tmp_path: Path) -> None:
    write_label(tmp_path / "images" / "north" / "a.b.tif", np.zeros((10, 10), np.uint8))
    write_label(tmp_path / "labels" / "north" / "a.b.png", with_foreground(50))
    write_label(tmp_path / "labels" / "other.png", with_foreground(50))
    (tmp_path / "images" / "Thumbs.db").write_bytes(b"no image")
    assert kept_stems(tmp_path, images="images", labels="labels") == ["north/a.b"]


def test_calls_count_the_files(tmp_path: Path) -> None:
    root = make_set(tmp_path, a=with_foreground(5), b=with_foreground(4))
    calls: list[int] = []
    background_shares(root / "img", root / "gt", advance=calls.append)
    assert calls == [2, 2]


def test_missing_and_damaged_labels_are_named(tmp_path: Path) -> None:
    root = make_set(tmp_path, a=with_foreground(5), b=with_foreground(4), c=with_foreground(50))
    (root / "gt" / "b.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1 of 3 label images cannot be used: .*gt/b.png: not a label image"):
        kept_stems(root)
    (root / "gt" / "a.png").unlink()
    with pytest.raises(DataError, match=r"gt: no label image for a of .*img; add them"):
        kept_stems(root)


def test_folders_that_are_missing_or_empty_are_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="img: there is no such folder"):
        kept_stems(tmp_path)
    (tmp_path / "img").mkdir()
    with pytest.raises(DataError, match="img: no images in this folder"):
        kept_stems(tmp_path)


def test_two_images_of_one_name_are_reported(tmp_path: Path) -> None:
    root = make_set(tmp_path, a=with_foreground(5))
    write_label(root / "img" / "a.png", with_foreground(5))
    with pytest.raises(DataError, match="a.png and a.jpg have the name 'a' both"):
        kept_stems(root)


def test_a_threshold_that_is_no_share_is_reported() -> None:
    with pytest.raises(ConfigError, match="95 given, a number from 0 to 1"):
        select_stems({}, 95)
