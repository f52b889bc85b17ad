"""Raster files of any depth: whole, by bands, by windows."""

import re
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from PIL import Image

from pet.data.files import rasters
from pet.data.files.rasters import raster_info, raster_size, read_geotiff, read_pixels
from pet.data.files.windows import Window
from petlib.errors import ConfigError, DataError
from tests.pet.data.label_files import write, write_geotiff

RNG = np.random.default_rng(0)


def random_pixels(size: tuple[int, int], bands: int, dtype: str = "uint8") -> np.ndarray:
    pixels: np.ndarray = (RNG.random((*size, bands)) * 250).astype(dtype)
    return pixels


# pictures


def test_pictures_give_rgb(tmp_path: Path) -> None:
    colours = random_pixels((5, 7), 3)
    np.testing.assert_array_equal(read_pixels(write(tmp_path / "a.png", colours)).values, colours)
    gray = colours[..., 0]
    np.testing.assert_array_equal(read_pixels(write(tmp_path / "b.png", gray)).values, np.repeat(gray[..., None], 3, axis=2))


def test_16_bits_stay_16_bits(tmp_path: Path) -> None:
    deep = random_pixels((5, 7), 3, "uint16") * 257
    pixels = read_pixels(write(tmp_path / "deep.png", deep))
    assert pixels.values.dtype == np.uint16
    np.testing.assert_array_equal(pixels.values, deep)
    assert raster_info(tmp_path / "deep.png") == (5, 7, 3, "uint16", None, None, None)


def test_alpha_is_a_band_where_bands_are_chosen(tmp_path: Path) -> None:
    pixels = random_pixels((5, 7), 4)
    assert cv2.imwrite(str(tmp_path / "a.png"), pixels[..., [2, 1, 0, 3]])
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.png").values, pixels[..., :3])
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.png", bands=[4, 1]).values, pixels[..., [3, 0]])
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.png", channels=4).values, pixels)


def test_one_channel_stays_one_where_one_is_wanted(tmp_path: Path) -> None:
    gray = random_pixels((5, 7), 1)[..., 0]
    assert read_pixels(write(tmp_path / "a.png", gray), channels=1).values.shape == (5, 7, 1)
    assert read_pixels(write_geotiff(tmp_path / "a.tif", gray[..., None]), channels=1).values.shape == (5, 7, 1)
    assert read_pixels(tmp_path / "a.tif", channels=3).values.shape == (5, 7, 3)


def test_a_window_of_a_picture_is_cut(tmp_path: Path) -> None:
    colours = random_pixels((8, 9), 3)
    pixels = read_pixels(write(tmp_path / "a.png", colours), window=Window(2, 3, 4, 5))
    np.testing.assert_array_equal(pixels.values, colours[2:6, 3:8])
    assert pixels.size == raster_size(tmp_path / "a.png") == (8, 9)


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_bands_windows_and_single_channels_are_upright(suffix: str, orientation: int, tmp_path: Path) -> None:
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :8], upright[8:, 24:] = (250, 40, 90), (10, 200, 90)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.rot90(upright, {3: 2, 6: 1, 8: 3}[orientation])
    colours, gray = tmp_path / f"colours{suffix}", tmp_path / f"gray{suffix}"
    Image.fromarray(np.ascontiguousarray(stored)).save(colours, exif=exif, quality=100, subsampling=0)
    Image.fromarray(np.ascontiguousarray(stored[..., 0])).save(gray, exif=exif, quality=100, subsampling=0)
    assert raster_size(colours) == raster_info(colours)[:2] == read_pixels(colours).size == (16, 32)
    close = {"atol": 0 if suffix == ".tif" else 12}
    np.testing.assert_allclose(read_pixels(colours).values.astype(int), upright, **close)
    np.testing.assert_allclose(read_pixels(colours, bands=(2, 1)).values.astype(int), upright[..., [1, 0]], **close)
    np.testing.assert_allclose(read_pixels(gray, channels=1).values.astype(int), upright[..., :1], **close)
    window = read_pixels(colours, bands=(1,), window=Window(4, 20, 10, 12))
    assert window.size == (16, 32)
    np.testing.assert_allclose(window.values.astype(int), upright[4:14, 20:32, :1], **close)


# GeoTIFF


@pytest.mark.parametrize(("dtype", "given"), [("uint8", "uint8"), ("uint16", "uint16"), ("float32", "float32"), ("int16", "float32")])
def test_bands_and_types_of_a_geotiff(dtype: str, given: str, tmp_path: Path) -> None:
    pixels = random_pixels((6, 8), 5, dtype)
    path = write_geotiff(tmp_path / "a.tif", pixels)
    whole = read_pixels(path).values
    assert whole.dtype == given
    np.testing.assert_array_equal(whole, pixels)
    np.testing.assert_array_equal(read_pixels(path, bands=(3, 2, 1), channels=3).values, pixels[..., [2, 1, 0]])
    np.testing.assert_array_equal(read_pixels(path, window=Window(1, 2, 3, 4)).values, pixels[1:4, 2:6])


def test_the_head_of_a_geotiff_says_where_it_lies(tmp_path: Path) -> None:
    info = raster_info(write_geotiff(tmp_path / "a.tif", random_pixels((6, 8), 4, "uint16"), nodata=0))
    assert info[:5] == (6, 8, 4, "uint16", 0)
    assert info.crs == rasterio.CRS.from_epsg(32650)
    assert info.transform @ (2, 4) == (500001, 3999998)


def test_pixels_without_data_are_those_where_no_band_has_any(tmp_path: Path) -> None:
    pixels = np.ones((4, 5, 3), np.uint8)
    pixels[0, 0] = 0
    pixels[1, 1, 0] = 0
    path = write_geotiff(tmp_path / "a.tif", pixels, nodata=0)
    void = read_geotiff(path).void
    assert void is not None
    assert np.argwhere(void).tolist() == [[0, 0]]
    first = read_geotiff(path, bands=[1]).void
    assert first is not None
    assert np.argwhere(first).tolist() == [[0, 0], [1, 1]]
    assert read_geotiff(write_geotiff(tmp_path / "b.tif", pixels)).void is None


def test_only_the_window_of_a_tiled_geotiff_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    profile = {"driver": "GTiff", "height": 6000, "width": 6000, "count": 3, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, tiled=True, blockxsize=256, blockysize=256, compress="deflate") as file:
        block = np.broadcast_to(np.arange(256, dtype=np.uint8), (3, 256, 256))
        file.write(block, window=rasterio.windows.Window(4096, 2048, 256, 256))
    tracemalloc.start()
    try:
        pixels = read_pixels(path, window=Window(2048, 4096, 512, 512))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert pixels.values.shape == (512, 512, 3)
    assert pixels.values[5, :256, 1].tolist() == list(range(256))
    # the window twice, bands first and last; the whole file has 108 MB
    assert peak < 4 * 512 * 512 * 3


# what is wrong


def test_another_number_of_bands_is_reported(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "a.tif", random_pixels((4, 4), 4))
    with pytest.raises(DataError, match=re.escape(f"{path}: 4 bands given, 3 expected; choose them by bands, e.g. bands: [1, 2, 3]")):
        read_pixels(path, channels=3)
    with pytest.raises(DataError, match=re.escape(f"{path}: 4 bands given, band 5 expected by bands: [5, 1]")):
        read_pixels(path, bands=[5, 1])


def test_missing_and_damaged_files_are_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.tif: the GeoTIFF cannot be read"):
        read_pixels(tmp_path / "no.tif")
    with pytest.raises(DataError, match=r"no\.png: the image cannot be read: No such file"):
        read_pixels(tmp_path / "no.png")
    path = write_geotiff(tmp_path / "cut.tif", random_pixels((300, 300), 3), compress="deflate")
    path.write_bytes(path.read_bytes()[:90000])
    with pytest.raises(DataError, match=r"cut\.tif: the GeoTIFF (is cut off|cannot be read)"):
        read_pixels(path)


def test_without_rasterio_plain_files_are_read_and_others_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rasters, "_has_rasterio", lambda: False)
    plain = random_pixels((5, 7), 3)
    np.testing.assert_array_equal(read_pixels(write_geotiff(tmp_path / "a.tif", plain)).values, plain)
    path = write_geotiff(tmp_path / "b.tif", random_pixels((5, 7), 3, "uint16"))
    with pytest.raises(ConfigError, match=r"b\.tif: a TIFF of other than 8 bits .* pip install 'pet-vision\[geo\]'"):
        read_pixels(path)
