"""Image files of all kinds, whole and damaged."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from pet.data.files.images import decode_image, image_size, read_image, read_sized_image, silence_opencv
from petlib.errors import DataError


@pytest.fixture(autouse=True)
def _silent() -> None:
    silence_opencv()


def picture(height: int = 48, width: int = 64) -> np.ndarray:
    """Return a smooth picture with another colour in each corner."""
    rows, columns = np.meshgrid(np.linspace(0, 255, height), np.linspace(0, 255, width), indexing="ij")
    return np.stack([rows, columns, 255 - rows / 2 - columns / 2], axis=2).astype(np.uint8)


def encoded(image: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def difference(data: bytes, expected: np.ndarray) -> float:
    found = decode_image(data, name="a")
    assert (found.dtype, found.shape) == (np.uint8, expected.shape)
    return float(np.abs(found.astype(int) - expected).mean())


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_kinds_are_exact_and_rgb(kind: str) -> None:
    assert difference(encoded(picture(), kind), picture()) == 0


@pytest.mark.parametrize(
    ("kind", "options"), [("JPEG", {"quality": 95}), ("JPEG", {"quality": 95, "progressive": True}), ("WEBP", {"quality": 95})]
)
def test_lossy_kinds_are_close(kind: str, options: dict[str, Any]) -> None:
    assert difference(encoded(picture(), kind, **options), picture()) < 4


def stored_as(image: np.ndarray, orientation: int) -> tuple[np.ndarray, Image.Exif]:
    """Return the pixels that a camera stores, held so that a viewer has to turn them, and the EXIF data that say so."""
    turns = {
        1: lambda image: image,
        2: np.fliplr,
        3: lambda image: np.rot90(image, 2),
        4: np.flipud,
        5: lambda image: image.transpose(1, 0, 2),
        6: lambda image: np.rot90(image, 1),
        7: lambda image: np.rot90(image, 2).transpose(1, 0, 2),
        8: lambda image: np.rot90(image, 3),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    return np.ascontiguousarray(turns[orientation](image)), exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {"quality": 95}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("AVIF", {"quality": 95, "subsampling": "4:4:4"})],
)
def test_exif_orientation_is_obeyed_by_every_reader(kind: str, options: dict[str, Any], orientation: int, tmp_path: Path) -> None:
    stored, exif = stored_as(picture(), orientation)
    path = tmp_path / "photo"
    path.write_bytes(encoded(stored, kind, exif=exif, **options))
    assert image_size(path) == (48, 64)
    assert np.abs(read_image(path).astype(int) - picture()).mean() < 4
    assert np.abs(read_image(path, unchanged=True).astype(int) - picture()).mean() < 4


def test_a_gray_image_with_alpha_or_16_bits_is_turned_too(tmp_path: Path) -> None:
    deep, exif = stored_as(picture()[..., :1], 6)
    (tmp_path / "deep").write_bytes(encoded(Image.fromarray(deep[..., 0].astype(np.uint16) * 257), "PNG", exif=exif))
    np.testing.assert_array_equal(read_image(tmp_path / "deep", unchanged=True), picture()[..., :1].astype(np.uint16) * 257)
    transparent, exif = stored_as(np.dstack([picture(), picture()[..., 0]]), 8)
    (tmp_path / "alpha").write_bytes(encoded(transparent, "PNG", exif=exif))
    np.testing.assert_array_equal(read_image(tmp_path / "alpha", unchanged=True), np.dstack([picture(), picture()[..., 0]]))


@pytest.mark.parametrize("unchanged", [False, True])
def test_kinds_that_a_build_of_opencv_lacks_are_decoded_by_pillow(unchanged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(picture(), "GIF")
    expected = decode_image(data, name="a", unchanged=unchanged)
    monkeypatch.setattr(cv2, "imdecode", lambda data, flags: None)
    np.testing.assert_array_equal(decode_image(data, name="a", unchanged=unchanged), expected)
    with pytest.raises(DataError, match="a: not an image that can be decoded"):
        decode_image(encoded(picture(), "PNG"), name="a", unchanged=unchanged)


def test_an_animation_gives_its_first_picture() -> None:
    frames = [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (10, 200)]
    for kind in ("GIF", "PNG", "WEBP"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert difference(data, np.full((8, 8, 3), 10, np.uint8)) < 3


def test_damaged_exif_data_do_not_keep_an_image_from_being_read(tmp_path: Path) -> None:
    stored, exif = stored_as(picture(), 6)
    data = encoded(stored, "JPEG", quality=95, exif=exif)
    place = data.index(b"Exif\0\0") + 6
    (tmp_path / "photo").write_bytes(data[:place] + b"\xff" * 8 + data[place + 8 :])
    assert image_size(tmp_path / "photo") == read_image(tmp_path / "photo").shape[:2] == (64, 48)


def test_another_size_than_the_record_says_names_the_cause(tmp_path: Path) -> None:
    stored, exif = stored_as(picture(), 6)
    (tmp_path / "turned.jpg").write_bytes(encoded(stored, "JPEG", exif=exif))
    (tmp_path / "plain.jpg").write_bytes(encoded(picture(), "JPEG"))
    with pytest.raises(DataError, match=r"is 64x48 .* but the list says 48x64; the image is turned by its EXIF orientation\. Its"):
        read_sized_image(tmp_path / "turned.jpg", size=(64, 48), record="the list")
    with pytest.raises(DataError, match=r"says 48x64; width and height are exchanged there, and the image has no EXIF orientation\. Its"):
        read_sized_image(tmp_path / "plain.jpg", size=(64, 48), record="the list")
    with pytest.raises(DataError, match=r"but the list says 48x60\. Its targets"):
        read_sized_image(tmp_path / "plain.jpg", size=(60, 48), record="the list")


def test_gray_palette_alpha_and_16_bits_become_rgb() -> None:
    gray = picture()[..., 0]
    assert difference(encoded(gray, "PNG"), np.repeat(gray[..., None], 3, axis=2)) == 0
    assert difference(encoded(gray, "JPEG", quality=95), np.repeat(gray[..., None], 3, axis=2)) < 4
    palette = Image.fromarray(picture()).convert("P", palette=Image.Palette.ADAPTIVE)
    assert difference(encoded(palette, "PNG"), np.asarray(palette.convert("RGB"))) == 0
    alpha = np.dstack([picture(), np.full(picture().shape[:2], 100, np.uint8)])
    assert difference(encoded(alpha, "PNG"), picture()) == 0
    deep = Image.fromarray(gray.astype(np.uint16) * 257)
    assert difference(encoded(deep, "PNG"), np.repeat(gray[..., None], 3, axis=2)) <= 1
    bits = Image.fromarray(gray).convert("1")
    assert difference(encoded(bits, "PNG"), np.asarray(bits.convert("RGB"))) == 0


def test_cmyk_becomes_rgb() -> None:
    cmyk = Image.fromarray(picture()).convert("CMYK")
    assert difference(encoded(cmyk, "JPEG", quality=95), np.asarray(cmyk.convert("RGB"))) < 12


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize(("kind", "options"), [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {})])
def test_files_that_were_cut_off_are_reported_by_name(kind: str, options: dict[str, Any], share: float, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(noise, kind, **options)
    path = tmp_path / "photo.img"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=r"photo\.img: "):
        read_image(path)


def test_a_whole_file_with_something_behind_its_end_is_read() -> None:
    expected = decode_image(encoded(picture(), "JPEG"), name="a")
    for junk in (b"\x00" * 7, b"MakerNote" * 500, b"\xff\xda\x00\x08"):
        assert difference(encoded(picture(), "JPEG") + junk, expected) == 0
    assert difference(encoded(picture(), "PNG") + b"more" * 100, picture()) == 0


def test_a_preview_inside_does_not_hide_that_the_file_was_cut_off() -> None:
    preview = encoded(picture(16, 16), "JPEG")
    exif = Image.Exif()
    exif[0x927C] = preview
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(noise, "JPEG", exif=exif)
    assert decode_image(data, name="a").shape == (64, 64, 3)
    with pytest.raises(DataError, match="b: "):
        decode_image(data[: int(len(data) * 0.8)], name="b")


def test_missing_empty_and_other_files_are_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jpg: the image cannot be read: No such file"):
        read_image(tmp_path / "none.jpg")
    (tmp_path / "empty.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"empty\.jpg: the image file is empty"):
        read_image(tmp_path / "empty.jpg")
    (tmp_path / "text.jpg").write_text("<html>not found</html>")
    with pytest.raises(DataError, match=r"text\.jpg: not an image .* beginning with b'<html>no'"):
        read_image(str(tmp_path / "text.jpg"))


def test_pixels_that_end_early_and_sizes_beyond_reason_are_reported() -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    def png(width: int, height: int) -> bytes:
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")

    with pytest.raises(DataError, match="a: not an image that can be decoded"):
        decode_image(png(100, 100), name="a")
    with pytest.raises(DataError, match="a: the image is 100000x100000 .*10,000,000,000 pixels, and at most 178,956,970 are read"):
        decode_image(png(100_000, 100_000), name="a")


def test_opencv_keeps_silent_about_damaged_files(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match="a: "):
        decode_image(encoded(picture(), "TIFF")[:3000], name="a")
    assert capfd.readouterr().err == ""
