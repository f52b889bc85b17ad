"""Nothing let in: images that are none, never end, or would fill the memory."""

import io
import os
import resource
import socket
import struct
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio
from PIL import Image

from pet.compat.antgo.datasets.video_frames import VideoFrames
from pet.data.datasets.image_folder import ImageFolder
from pet.data.files.image_size import size_of
from pet.data.files.images import decode_image, image_size, read_image, silence_opencv
from pet.data.files.label_images import read_label_image
from pet.data.files.limits import LIMITS, set_limits
from pet.data.files.rasters import open_raster, raster_size, read_geotiff, read_pixels
from pet.data.files.windows import Window
from pet.prediction.videos import Video, count_frames
from petlib.errors import DataError
from tests.faults.conftest import Happened
from tests.faults.fuzz import COUNTS, assert_survives, generate
from tests.faults.mutations import mutated
from tests.faults.training import Training

TOO_LARGE = r"pixels.* set_limits\.pixels higher"
READERS = [read_image, read_label_image, read_pixels]


@pytest.fixture(autouse=True)
def _silent() -> None:
    silence_opencv()


def picture(height: int = 24, width: int = 32) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    (image or picture()).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int) -> bytes:
    """Return a PNG of the size whose pixels are missing."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    data = encoded("JPEG")
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


def webp(width: int, height: int) -> bytes:
    canvas = struct.pack("<I", 0) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<I", 10) + canvas + encoded("WEBP")[12:]
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def gif(width: int, height: int) -> bytes:
    data = encoded("GIF")
    return data[:6] + struct.pack("<HH", width, height) + data[10:]


def bmp(width: int, height: int) -> bytes:
    data = encoded("BMP")
    return data[:18] + struct.pack("<ii", width, height) + data[26:]


def tiff(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    picture().save(buffer, "TIFF", tiffinfo={})
    data = bytearray(buffer.getvalue())
    at = struct.unpack("<I", data[4:8])[0]
    for place in range(at + 2, at + 2 + 12 * struct.unpack("<H", data[at : at + 2])[0], 12):
        tag = struct.unpack("<H", data[place : place + 2])[0]
        if tag in (256, 257):
            data[place + 2 : place + 12] = struct.pack("<HII", 4, 1, {256: width, 257: height}[tag])
    return bytes(data)


BOMBS: dict[str, bytes] = {
    "a.png": png(100_000, 100_000),
    "a.jpg": jpeg(60_000, 60_000),
    "a.webp": webp(16_000, 16_000),
    "a.gif": gif(65_535, 65_535),
    "a.bmp": bmp(30_000, 30_000),
    "a.ppm": b"P6 40000 40000 255\n",
    "a.tif": tiff(50_000, 50_000),
    "a.tiff": png(100_000, 100_000),
}


@pytest.mark.fault("let-in", "images of billions of pixels in small files")
def test_bombs_are_refused_by_their_heads(tmp_path: Path, happened: Happened) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, data in BOMBS.items():
        path = tmp_path / name
        path.write_bytes(data)
        for reader in READERS:
            if name == "a.tiff" and reader is read_pixels:
                # a GeoTIFF is read as one, whatever its content is
                expected = r"a\.tiff: the GeoTIFF cannot be read"
            else:
                expected = rf"{name.replace('.', '[.]')}: .*{TOO_LARGE}"
            with pytest.raises(DataError, match=expected):
                reader(path)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 300e6
    happened(f"{len(BOMBS)} formats refused before decoding, {grown / 1e6:.0f} MB")


def test_the_limit_can_be_set() -> None:
    data = encoded("PNG")
    try:
        set_limits(pixels=24 * 32 - 1, file_bytes=LIMITS.file_bytes)
        with pytest.raises(DataError, match="a: the image is 32x24 .width x height., 768 pixels, and at most 767 are read"):
            decode_image(data, name="a")
        set_limits(pixels=24 * 32, file_bytes=LIMITS.file_bytes)
        assert decode_image(data, name="a").shape == (24, 32, 3)
    finally:
        set_limits(pixels=178_956_970, file_bytes=2 * 1024**3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "lossless WEBP", "GIF", "BMP"])
def test_heads_are_read_as_decoders_read_them(kind: str) -> None:
    options = {"lossless": True} if kind.startswith("lossless") else {}
    kind = kind.rsplit(maxsplit=1)[-1]
    for size in ((1, 1), (24, 32), (300, 7), (5, 1000)):
        data = encoded(kind, picture(*size), **options)
        assert size_of(data, "a") == size == decode_image(data, name="a").shape[:2]
    with_preview = encoded("JPEG", exif=b"Exif\0\0" + encoded("JPEG", picture(8, 8)))
    assert size_of(with_preview, "a") == (24, 32)


@pytest.mark.fault("let-in", "pipes, devices, links in a circle and folders named as images")
def test_what_is_no_file_is_not_opened(tmp_path: Path, happened: Happened) -> None:
    begun = time.monotonic()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "pipe.tif").symlink_to("pipe.png")
    for reader in (*READERS, image_size):
        for name, reason in (
            *(("pipe.png", "a named pipe, a file expected"), ("zero.png", "a device, a file expected"), ("folder.png", "a folder")),
            *(("loop.png", "symbolic links"), ("none.png", "No such file"), ("x" * 300 + ".png", "too long"), ("a\0.png", "null byte")),
        ):
            with pytest.raises(DataError, match=f"cannot be read: .*{reason}"):
                reader(tmp_path / name)
    with pytest.raises(DataError, match=r"pipe\.tif: the GeoTIFF cannot be read: it is a named pipe"):
        raster_size(tmp_path / "pipe.tif")
    for read_video in (Video, count_frames):
        if read_video is Video:
            with pytest.raises(DataError, match=r"pipe\.png: the video cannot be read: it is a named pipe"):
                read_video(tmp_path / "pipe.png")
        else:
            assert read_video(tmp_path / "pipe.png") == 0
    assert time.monotonic() - begun < 60
    happened("reported by name at once, nothing waited for")


def test_sockets_are_no_images_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("a.png")
        with pytest.raises(DataError, match=r"a\.png: the image cannot be read: it is a socket"):
            read_image("a.png")


def test_a_file_that_is_larger_than_any_image_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse.png").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(DataError, match=r"sparse\.png: the image cannot be read: it has 1,099,511,627,776 bytes, and at most 1,43"):
        read_image(tmp_path / "sparse.png")


def test_images_without_pixels_and_with_strange_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a: the image is 0x7 .*at least one pixel expected"):
        decode_image(png(0, 7), name="a")
    many = [picture().convert("P") for _ in range(50)]
    animated = encoded("GIF", many[0], save_all=True, append_images=many[1:])
    assert decode_image(animated, name="a").shape == (24, 32, 3)
    deep = encoded("PNG", Image.fromarray(np.full((4, 5), 65535, np.uint16)))
    assert decode_image(deep, name="a").dtype == np.uint8
    exif = Image.Exif()
    exif[0x0112] = 0xFFFF
    assert decode_image(encoded("JPEG", exif=exif), name="a").shape == (24, 32, 3)
    huge_tags = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\xff\xff\xff\xff\x08\0\0\0\0\0\0\0"
    (tmp_path / "a.jpg").write_bytes(encoded("JPEG", exif=huge_tags))
    assert {*image_size(tmp_path / "a.jpg")} == {*read_image(tmp_path / "a.jpg").shape[:2]} == {24, 32}


def test_no_other_program_is_started_for_a_label_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow hands EPS to Ghostscript, which is a programming language."""
    monkeypatch.setattr("subprocess.Popen", None)
    buffer = io.BytesIO()
    picture().save(buffer, "EPS")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    for reader in READERS:
        with pytest.raises(DataError, match=r"a\.png: not a.* image that can be decoded .*beginning with b'%!PS"):
            reader(tmp_path / "a.png")


def test_a_geotiff_that_is_none_reads_no_other_file(tmp_path: Path) -> None:
    with rasterio.open(tmp_path / "secret.tif", "w", driver="GTiff", width=4, height=4, count=1, dtype="uint8") as file:
        file.write(np.full((1, 4, 4), 9, np.uint8))
    source = f"<SimpleSource><SourceFilename>{tmp_path / 'secret.tif'}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
    virtual = f'<VRTDataset rasterXSize="4" rasterYSize="4"><VRTRasterBand dataType="Byte" band="1">{source}</VRTRasterBand></VRTDataset>'
    (tmp_path / "a.tif").write_text(virtual)
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.read().max() == 9, "GDAL itself follows it"
    with pytest.raises(DataError, match=r"a\.tif: the GeoTIFF cannot be read"):
        open_raster(tmp_path / "a.tif")
    for address in ("/vsicurl/http://localhost/a.tif", "http://localhost/a.tif", "zip://a.zip!a.tif"):
        with pytest.raises(DataError, match="the GeoTIFF cannot be read: No such file"):
            open_raster(address)


def test_a_large_geotiff_is_read_in_windows_only(tmp_path: Path) -> None:
    shape = {"width": 60_000, "height": 60_000, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", tiled=True, SPARSE_OK=True, **shape):
        pass
    assert read_geotiff(tmp_path / "a.tif", window=Window(50_000, 0, 8, 8)).values.shape == (8, 8, 1)
    with pytest.raises(DataError, match=rf"a\.tif: the image is 60000x60000 .*{TOO_LARGE}"):
        read_geotiff(tmp_path / "a.tif")
    shape = {"width": 12_000, "height": 12_000, "count": 12, "dtype": "float32"}
    with rasterio.open(tmp_path / "b.tif", "w", driver="GTiff", tiled=True, SPARSE_OK=True, **shape):
        pass
    with pytest.raises(DataError, match=r"b\.tif: 12 bands of 12000x12000 pixels of 4 bytes are more than .* read fewer bands"):
        read_geotiff(tmp_path / "b.tif")


def test_a_list_of_streams_named_as_a_video_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.ts").write_bytes(b"x" * 1000)
    (tmp_path / "a.mp4").write_text(f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile://{tmp_path}/secret.ts\n#EXT-X-ENDLIST\n")
    for number in range(2):
        assert cv2.imwrite(str(tmp_path / f"frame_{number}.png"), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DataError, match=r"a\.mp4: not a video that can be read"):
        Video(tmp_path / "a.mp4")
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match=r"a\.mp4: not a video that can be read"):
        VideoFrames(dir=str(tmp_path / "clips"))


@pytest.mark.fault("let-in", "folders whose links lead in circles")
def test_folders_without_end(tmp_path: Path, happened: Happened) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        assert cv2.imwrite(str(tmp_path / "data" / name / "1.png"), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "data" / "cat" / "more").symlink_to(tmp_path / "data" / "dog")
    assert len(ImageFolder(folder=tmp_path / "data")) == 3
    (tmp_path / "data" / "cat" / "self").symlink_to(".")
    with pytest.raises(DataError, match=r"cat/self: this link leads to a folder that it lies in, so that the files would have no end"):
        ImageFolder(folder=tmp_path / "data")
    (tmp_path / "data" / "cat" / "self").unlink()
    # without a circle, and yet a billion folders
    for depth in range(30):
        (tmp_path / "doubling" / str(depth)).mkdir(parents=True)
        for link in ("a", "b"):
            (tmp_path / "doubling" / str(depth) / link).symlink_to(tmp_path / "doubling" / str(depth + 1))
    (tmp_path / "data" / "cat" / "deep").symlink_to(tmp_path / "doubling" / "0")
    with pytest.raises(DataError, match=r"more than 8 links below .*cat lead to this folder"):
        ImageFolder(folder=tmp_path / "data")
    happened("the link is named at once")


def samples() -> list[bytes]:
    rasters = io.BytesIO()
    picture().save(rasters, "TIFF", compression="tiff_lzw")
    kinds = [encoded(kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")]
    gray = [encoded("PNG", picture().convert(mode)) for mode in ("L", "P", "1")]
    return [*kinds, *gray, rasters.getvalue(), encoded("JPEG", progressive=True), encoded("JPEG", picture().convert("CMYK"))]


def read_every_way(path: Path) -> None:
    """Read a file by all readers; what is reported in the end is what the first of them says."""
    target = path.with_name("a.tif")
    target.unlink(missing_ok=True)
    os.link(path, target)
    for reader, file in ((read_label_image, path), (image_size, path), (read_pixels, path), (read_pixels, target)):
        with suppress(DataError):
            reader(file)
    read_image(path)


@pytest.mark.fault("let-in", "images changed by chance")
@pytest.mark.parametrize("count", COUNTS)
def test_images_changed_by_chance(count: int, tmp_path: Path, happened: Happened) -> None:
    tokens = [
        b"\xff" * 8,
        b"\0" * 8,
        b"\x7f\xff\xff\xff",
        struct.pack("<I", 2**31 - 1),
        b"IDAT",
        b"IHDR",
        b"\xff\xda",
        b"\xff\xc0",
        b"Exif\0\0",
    ]
    inputs = generate(mutated(samples(), tokens), count)
    # a picture that is nearly as large as the limit takes seconds
    happened(str(assert_survives(inputs, read_every_way, tmp_path, name="a.png", seconds_each=60)))


def spoil(folder: Path, spoiler: Callable[[Path], object]) -> Path:
    """Write a small image folder, one of whose images is spoilt."""
    for name in range(10):
        (folder / str(name)).mkdir(parents=True)
        for number in range(2):
            assert cv2.imwrite(str(folder / str(name) / f"{number}.png"), np.zeros((32, 32, 3), np.uint8))
    path = folder / "3" / "1.png"
    path.unlink()
    spoiler(path)
    return path


@pytest.mark.nightly
@pytest.mark.fault("let-in", "an image of ten billion pixels in the training data")
def test_a_training_ends_with_the_message(training: Training, happened: Happened) -> None:
    path = spoil(training.root / "images", lambda place: place.write_bytes(png(100_000, 100_000)))
    code, printed = training.run_script(f"TRAIN.DATASETS=['{training.root}/images']", "TRAIN.BATCH_SIZE=4", "DATA.CHECK_SAMPLES=20")
    assert code == 2, printed
    assert f"{path}: the image is 100000x100000 (width x height), 10,000,000,000 pixels, and at most 178,956,970 are read" in printed
    assert "Traceback" not in printed
    happened("exit code 2 and the file's name before anything is decoded")


@pytest.mark.nightly
@pytest.mark.fault("let-in", "a named pipe among the images of a training")
def test_a_training_does_not_wait_for_a_pipe(training: Training, happened: Happened) -> None:
    path = spoil(training.root / "images", os.mkfifo)
    code, printed = training.run_script(f"TRAIN.DATASETS=['{training.root}/images']", "TRAIN.BATCH_SIZE=4", "DATA.CHECK_SAMPLES=20")
    assert code == 2, printed
    assert f"{path}: the image cannot be read: it is a named pipe, a file expected" in printed
    happened("exit code 2 and the file's name at once")
