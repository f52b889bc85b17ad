"""Large images with label images: read in windows, with places without data, from GeoTIFF files."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import rasterio

from pet.data.catalog.source import Reading
from pet.data.datasets.semseg_folder import SemsegFolder
from pet.data.files.windows import Window
from pet.data.loading.splits import split_by_percent
from petlib.errors import ConfigError, DataError
from tests.pet.data.label_files import write, write_geotiff, write_image

CLASSES = ["background", "building"]
RNG = np.random.default_rng(0)


def write_large(folder: Path, name: str, size: tuple[int, int], suffix: str = ".tif") -> tuple[np.ndarray, np.ndarray]:
    """Write a random image and its labels; return both."""
    image = RNG.integers(0, 255, (*size, 3), np.uint8)
    labels = RNG.integers(0, 2, size, np.uint8)
    if suffix == ".tif":
        write_geotiff(folder / "images" / f"{name}.tif", image)
        write_geotiff(folder / "labels" / f"{name}.tif", labels[..., None])
    else:
        write(folder / "images" / f"{name}{suffix}", image)
        write(folder / "labels" / f"{name}.png", labels)
    return image, labels


def make(folder: Path, reading: Reading, **more: Path | int) -> SemsegFolder:
    return SemsegFolder(images=folder / "images", labels=folder / "labels", classes=CLASSES, reading=reading, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_images_larger_than_a_window_become_several_samples(suffix: str, tmp_path: Path) -> None:
    image, labels = write_large(tmp_path, "large", (10, 7), suffix)
    write_large(tmp_path, "small", (4, 3), suffix)
    dataset = make(tmp_path, Reading(window=4, stride=3))
    assert len(dataset) == 3 * 2 + 1
    rebuilt, relabelled = np.zeros_like(image), np.full_like(labels, 9)
    ids = set()
    for index in range(6):
        sample = dataset[index]
        top, left, height, width = sample["meta"]["window"]
        rebuilt[top : top + height, left : left + width] = sample["image"]
        relabelled[top : top + height, left : left + width] = sample["semseg"]
        assert sample["meta"]["size"] == (4, 4)
        assert (dataset.truth(index).height, dataset.truth(index).width) == (4, 4)
        ids.add(sample["meta"]["id"])
    np.testing.assert_array_equal(rebuilt, image)
    np.testing.assert_array_equal(relabelled, labels)
    assert len(ids) == 6
    assert "large@3_0" in ids
    assert dataset[6]["meta"] == {"id": "small", "file": str(tmp_path / f"images/small{suffix}"), "size": (4, 3)}


def test_memory_stays_flat_with_the_size_of_the_file(tmp_path: Path) -> None:
    size, window = 6000, 512
    profile = {"driver": "GTiff", "height": size, "width": size, "dtype": "uint8", "tiled": True, "blockxsize": 256, "blockysize": 256}
    for folder, bands in (("images", 3), ("labels", 1)):
        (tmp_path / folder).mkdir()
        with rasterio.open(tmp_path / folder / "a.tif", "w", count=bands, compress="deflate", **profile) as file:
            ones = np.ones((bands, 256, 256), np.uint8)
            file.write(ones, window=rasterio.windows.Window(5632, 5632, 256, 256))
    dataset = make(tmp_path, Reading(window=window))
    # 0, 256, ..., 5376 and the last one, 5488
    assert len(dataset) == 23**2
    tracemalloc.start()
    try:
        sample = dataset[len(dataset) - 1]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sample["meta"]["window"] == Window(5488, 5488, 512, 512)
    assert sample["image"].sum() == 3 * 256 * 256
    assert sample["semseg"].sum() == 256 * 256
    assert peak < 8 * window * window * 3


def test_places_without_data_do_not_count(tmp_path: Path) -> None:
    image = np.full((3, 4, 3), 9, np.uint8)
    image[0, 0] = 0
    second = np.full((3, 4, 3), 9, np.uint8)
    second[1, 1] = 0
    labels = np.ones((3, 4, 1), np.uint8)
    labels[2, 2] = 77
    write_geotiff(tmp_path / "images" / "a.tif", image, nodata=0)
    write_geotiff(tmp_path / "images2" / "a.tif", second, nodata=0)
    write_geotiff(tmp_path / "labels" / "a.tif", labels, nodata=77)
    sample = make(tmp_path, Reading(), images2=tmp_path / "images2")[0]
    assert np.argwhere(sample["semseg"] == 255).tolist() == [[0, 0], [1, 1], [2, 2]]
    assert (sample["semseg"] != 255).sum() == (sample["semseg"] == 1).sum() == 9


def test_bands_of_deep_images_are_chosen(tmp_path: Path) -> None:
    image = RNG.integers(0, 4000, (3, 4, 5), np.uint16)
    write_geotiff(tmp_path / "images" / "a.tif", image)
    write(tmp_path / "labels" / "a.png", np.zeros((3, 4), np.uint8))
    np.testing.assert_array_equal(make(tmp_path, Reading(bands=(4, 3, 2)), channels=3)[0]["image"], image[..., [3, 2, 1]])
    with pytest.raises(DataError, match=r"a\.tif: 5 bands given, 3 expected; choose them by bands"):
        make(tmp_path, Reading(), channels=3)[0]


def test_a_label_image_of_another_size_or_with_bands_is_reported(tmp_path: Path) -> None:
    write_large(tmp_path, "a", (10, 7))
    write_geotiff(tmp_path / "labels" / "a.tif", np.zeros((9, 7, 1), np.uint8))
    with pytest.raises(DataError, match=r"labels/a\.tif: the label image is 7x9 .* is 7x10; they have to be of one size"):
        make(tmp_path, Reading(window=4))[0]
    write_geotiff(tmp_path / "labels" / "a.tif", np.zeros((10, 7, 3), np.uint8))
    with pytest.raises(DataError, match=r"labels/a\.tif: the label image has 3 bands.*InitMask \(raw_labels: true\)"):
        make(tmp_path, Reading())[0]


def test_windows_of_an_image_stay_on_one_side_of_a_split(tmp_path: Path) -> None:
    for number in range(5):
        write_large(tmp_path, str(number), (10, 7))
    dataset = make(tmp_path, Reading(window=4, stride=3))
    train, val = split_by_percent(dataset, 0.8)
    files = [{part[index]["meta"]["file"] for index in range(len(part))} for part in (train, val)]
    assert (len(train), len(val)) == (24, 6)
    assert (len(files[0]), len(files[1])) == (4, 1)
    assert not files[0] & files[1]


def test_wrong_windows_are_reported(tmp_path: Path) -> None:
    write_large(tmp_path, "a", (10, 7))
    with pytest.raises(ConfigError, match="window 4 and stride 5 given"):
        make(tmp_path, Reading(window=4, stride=5))


# pairs of folders


def test_two_dates_are_paired_by_name(tmp_path: Path) -> None:
    write_large(tmp_path, "below/a b", (4, 6), ".png")
    write_image(tmp_path / "images2" / "below" / "a b.jpg", 5)
    write_image(tmp_path / "images2" / "alone.jpg", 5)
    dataset = make(tmp_path, Reading(), images2=tmp_path / "images2")
    assert (dataset[0]["image2"] == 5).all()
    assert dataset[0]["meta"]["file2"] == str(tmp_path / "images2/below/a b.jpg")
    assert dataset.info.skipped == {"image of the second date without an image": 1}


def test_an_image_without_a_second_date_is_reported(tmp_path: Path) -> None:
    for name in "ab":
        write_large(tmp_path, name, (4, 6), ".png")
    write_image(tmp_path / "images2" / "a.jpg")
    with pytest.raises(DataError, match=f"images2: b has no image of the second date there, but an image in {tmp_path / 'images'}"):
        make(tmp_path, Reading(), images2=tmp_path / "images2")
    with pytest.raises(DataError, match="no: there is no such folder of images of the second date"):
        make(tmp_path, Reading(), images2=tmp_path / "no")
