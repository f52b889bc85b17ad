"""Label images: values as they are in the file, whatever its depth."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pet.data.files.label_images import read_checked_labels, read_label_image
from petlib.errors import DataError

VALUES = np.array([[0, 1, 2], [3, 1, 0]], np.uint8)


def test_gray_and_palette_images_give_their_values(tmp_path: Path) -> None:
    Image.fromarray(VALUES).save(tmp_path / "gray.png")
    palette = Image.fromarray(VALUES)
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    palette.save(tmp_path / "palette.png", bits=2)
    Image.fromarray(VALUES.astype(np.uint16) * 300).save(tmp_path / "deep.png")
    for name, factor, dtype in (("gray", 1, np.uint8), ("palette", 1, np.uint8), ("deep", 300, np.uint16)):
        labels = read_label_image(tmp_path / f"{name}.png")
        assert labels.dtype == dtype
        np.testing.assert_array_equal(labels, VALUES.astype(int) * factor)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_three_equal_channels_and_transparency_are_one_number(mode: str, tmp_path: Path) -> None:
    Image.fromarray(VALUES).convert(mode).save(tmp_path / "a.png")
    labels = read_label_image(tmp_path / "a.png")
    assert (labels.dtype, labels.tolist()) == (np.uint8, VALUES.tolist())


def test_colours_are_listed_or_given(tmp_path: Path) -> None:
    palette = Image.fromarray(VALUES)
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    palette.save(tmp_path / "palette.png")
    palette.convert("RGB").save(tmp_path / "colours.png")
    colours = np.asarray(palette.convert("RGB"))
    for name in ("palette.png", "colours.png"):
        np.testing.assert_array_equal(read_label_image(tmp_path / name, always_colours=True), colours)
    np.testing.assert_array_equal(read_label_image(tmp_path / "palette.png", colours=True), VALUES)
    message = r"colours\.png: the label image has colours, \[0, 0, 255\], \[0, 255, 0\], \[9, 9, 9\], \[255, 0, 0\], .* as label_colours"
    with pytest.raises(DataError, match=message):
        read_label_image(tmp_path / "colours.png")


def test_label_images_are_turned_like_images(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(VALUES))).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_label_image(tmp_path / "a.png"), VALUES)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_small_depths_are_not_spread_over_gray(bits: int, tmp_path: Path) -> None:
    values = VALUES % 2**bits
    # what optimisers of PNG files write: gray of few bits, which Pillow does not write itself
    path = tmp_path / "small.png"
    image = Image.fromarray(values)
    image.putpalette([0] * 3 * 2**bits)
    image.save(path, bits=bits)
    path.write_bytes(_as_gray(path.read_bytes()))
    np.testing.assert_array_equal(read_label_image(path), values)


def _as_gray(data: bytes) -> bytes:
    """Return a palette PNG as a gray one with the same pixels."""
    head = bytearray(data[:33])
    head[25] = 0
    head[29:33] = zlib.crc32(head[12:29]).to_bytes(4, "big")
    start = data.index(b"PLTE") - 4
    length = int.from_bytes(data[start : start + 4], "big")
    return bytes(head) + data[33:start] + data[start + 12 + length :]


def test_what_is_no_label_image_is_reported(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 3), np.float32)).save(tmp_path / "floats.tif")
    with pytest.raises(DataError, match=r"floats\.tif: the label image has the mode F, one number a pixel expected"):
        read_label_image(tmp_path / "floats.tif")
    Image.fromarray(VALUES).save(tmp_path / "a.jpg")
    with pytest.raises(DataError, match=r"a\.jpg: the label image is a JPEG"):
        read_label_image(tmp_path / "a.jpg")
    with pytest.raises(DataError, match=r"no\.png: the label image cannot be read: No such file"):
        read_label_image(tmp_path / "no.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 9, (90, 90), np.uint8)).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:500])
    with pytest.raises(DataError, match=r"cut\.png: not a label image that can be decoded \(500 bytes\)"):
        read_label_image(tmp_path / "cut.png")


def test_size_and_values_are_compared(tmp_path: Path) -> None:
    values = VALUES.copy()
    values[0, 0] = 255
    Image.fromarray(values).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_checked_labels(tmp_path / "a.png", size=(2, 3), count=4), values)
    with pytest.raises(DataError, match=r"a\.png: the label image has the value 3, 0 to 2 expected .* the values are 0, 1, 2, 3, 255"):
        read_checked_labels(tmp_path / "a.png", size=(2, 3), count=3)
    with pytest.raises(DataError, match=r"a\.png: the label image is 3x2 \(width x height\), its image 2x3"):
        read_checked_labels(tmp_path / "a.png", size=(3, 2), count=4)
