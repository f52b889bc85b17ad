"""Image files of all kinds, whole and damaged."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pet.data.files.images import decode_image, read_image, silence_opencv
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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
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
    stored = np.ascontiguousarray(turns[orientation](picture()))
    assert difference(encoded(stored, "JPEG", quality=95, exif=exif), picture()) < 4


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
