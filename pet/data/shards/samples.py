"""A sample becomes the members of a tar file, and comes back the same, bit for bit: encoded images stay the bytes that they were."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from pet.data.files.images import EncodedImage, decode_image
from pet.data.files.opening import read_file
from pet.data.files.videos import FrameArray, FrameFolder, FramesInMemory, FrameSource, VideoFacts, VideoFile, VideoInMemory
from pet.data.shards.layout import MOST_SAMPLE_BYTES, Member, members_of, npy_bytes, read_npy, tar_bytes
from pet.data.shards.values import MARK, FindMember, dump, from_json, to_json
from petlib.data.protocols import Sample
from petlib.errors import DataError

BEGINNINGS = (
    (b"\xff\xd8", "jpg"),
    (b"\x89PNG", "png"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tif"),
    (b"MM\0*", "tif"),
)
NAMELESS = ("image",)
"""Fields whose members have an ending alone, ``jpg``, which readers of WebDataset look for."""
RECORD = "json"
"""The member that says what the fields are."""


def encode_sample(sample: Sample, number: int, seen: Sequence[EncodedImage] = ()) -> bytes:
    """Return the members of a sample as they lie in a shard.

    Args:
        sample: what the data set gives.
        number: its place in the pack.
        seen: the encoded images that it was made of; a field that one of them is decoded to is kept as these bytes.

    Raises:
        DataError: a field cannot be written.
    """
    members: list[Member] = []

    def add(name: str, data: bytes | memoryview) -> None:
        members.append(Member(name, data))

    fields = {name: _encode_field(name, value, seen, add) for name, value in sample.items()}
    members.insert(0, Member(RECORD, dump(fields)))
    parts = [tar_bytes(f"{number:012}.{member.name}", member.data) for member in members]
    size = sum(map(len, parts))
    if size > MOST_SAMPLE_BYTES:
        raise DataError(f"sample {number} takes {size:,} bytes, and at most {MOST_SAMPLE_BYTES:,} can be packed")
    return b"".join(parts)


def decode_sample(span: memoryview, name: str, fields: Callable[[str], bool]) -> Sample:
    """Return a sample from its members.

    Args:
        span: their bytes in the shard.
        name: what messages call the sample.
        fields: says which fields are wanted; the others are not decoded.

    Raises:
        DataError: these are no members that :func:`encode_sample` wrote, or an image cannot be decoded.
    """
    try:
        members = {member.name: member.data for member in members_of(span)}
        record = json.loads(bytes(members[RECORD]))
        return {field: _decode_field(value, members.__getitem__, name) for field, value in record.items() if fields(field)}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{name}: not a sample that pet-pack wrote ({type(error).__name__}: {error})") from error


def _encode_field(name: str, value: Any, seen: Sequence[EncodedImage], add: Callable[[str, bytes], None]) -> Any:
    if isinstance(value, FrameSource):
        return _encode_video(name, value, add)
    if isinstance(value, np.ndarray) and value.ndim in (2, 3) and value.dtype in (np.uint8, np.uint16) and value.size:
        known = next((image for image in seen if _is_same(image.pixels, value)), None)
        if known is not None:
            member = _image_name(name, next((end for begin, end in BEGINNINGS if known.data.startswith(begin)), "img"))
            add(member, known.data)
            return {MARK: "image", "member": member, "unchanged": known.unchanged}
        if value.shape[2:] in ((), (1,), (3,)):
            member = _image_name(name, "png")
            add(member, _png(value))
            return {MARK: "png", "member": member, "shape": list(value.shape)}
    return to_json(value, name, add)


def _image_name(field: str, ending: str) -> str:
    return ending if field in NAMELESS else f"{field}.{ending}"


def _is_same(pixels: np.ndarray, value: np.ndarray) -> bool:
    return pixels is value or (pixels.dtype == value.dtype and pixels.shape == value.shape and bool(np.array_equal(pixels, value)))


def _png(pixels: np.ndarray) -> bytes:
    done, data = cv2.imencode(".png", pixels[..., ::-1] if pixels.shape[2:] == (3,) else pixels)
    assert done, "OpenCV writes any PNG of 8 and 16 bits"
    return data.tobytes()


def _encode_video(name: str, video: FrameSource, add: Callable[[str, bytes], None]) -> Any:
    """Write a video as its file, as the images of its frames, or where it is no file as an array."""
    if isinstance(video, VideoFile):
        member = f"{name}{video.path.suffix.lower() or '.video'}"
        add(member, read_file(video.path, what="the video", most_bytes=MOST_SAMPLE_BYTES))
        facts = VideoFacts(video.count, video.stated, video.rate, *video.size)
        return {MARK: "video", "member": member, "facts": list(facts)}
    if isinstance(video, FrameFolder):
        files = video.files()
        for number, file in enumerate(files):
            add(f"{name}.{number:06}{file.suffix.lower()}", read_file(file, what="the frame"))
        return {MARK: "frames", "members": [f"{name}.{number:06}{file.suffix.lower()}" for number, file in enumerate(files)]}
    add(f"{name}.npy", npy_bytes(video.read(np.arange(video.count))))
    return {MARK: "clip", "member": f"{name}.npy", "rate": video.rate, "stated": video.stated}


def _decode_field(value: Any, find: FindMember, name: str) -> Any:
    reader = READERS.get(value[MARK]) if isinstance(value, dict) and isinstance(value.get(MARK), str) else None
    return from_json(value, find) if reader is None else reader(value, find, name)


def _read_image(value: dict[str, Any], find: FindMember, name: str) -> np.ndarray:
    return decode_image(bytes(find(value["member"])), name=name, unchanged=bool(value["unchanged"]))


def _read_png(value: dict[str, Any], find: FindMember, name: str) -> np.ndarray:
    shape = tuple(value["shape"])
    pixels = decode_image(bytes(find(value["member"])), name=name, unchanged=True)
    return np.ascontiguousarray(pixels.reshape(shape))


def _read_video(value: dict[str, Any], find: FindMember, name: str) -> VideoInMemory:
    return VideoInMemory(bytes(find(value["member"])), VideoFacts(*value["facts"]), name=name)


def _read_frames(value: dict[str, Any], find: FindMember, name: str) -> FramesInMemory:
    return FramesInMemory([bytes(find(member)) for member in value["members"]], name=name)


def _read_clip(value: dict[str, Any], find: FindMember, name: str) -> FrameArray:
    return FrameArray(read_npy(find(value["member"])), rate=value["rate"], stated=value["stated"], name=name)


READERS: dict[str, Callable[[dict[str, Any], FindMember, str], Any]] = {
    "image": _read_image,
    "png": _read_png,
    "video": _read_video,
    "frames": _read_frames,
    "clip": _read_clip,
}
