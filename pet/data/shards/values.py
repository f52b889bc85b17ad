"""Samples, truths and infos as JSON and members: plain values, arrays, and the classes that are named here."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.shards.layout import Member, npy_bytes, read_npy
from pet.data.targets.dataset import DatasetInfo, ImageTruth, KeypointSet, PartSet, SurfaceSet, SurfaceTruth
from pet.structures.boxes3d import Boxes3D
from pet.structures.calibration import Calibration
from pet.structures.masks import Frame, InstanceMasks
from pet.structures.objects3d import Objects3D
from petlib.errors import DataError

MARK = "~"
"""The key that says which value a JSON object represents."""
CLASSES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (DatasetInfo, ImageTruth, KeypointSet, PartSet, SurfaceSet, SurfaceTruth, Boxes3D, Calibration, Frame, Objects3D)
}
SMALL = 256
"""Arrays of more numbers are members of their own."""
NUMBERS_AND_TEXT = "biufU"

AddMember = Callable[[str, bytes], None]
FindMember = Callable[[str], memoryview | bytes]


def to_json(value: Any, place: str, add: AddMember) -> Any:
    """Return what represents a value in JSON.

    Args:
        value: None, numbers, text, bytes, arrays of numbers or text, and tuples, lists, mappings and the classes above of such.
        place: its name, for the member of a large array and for messages.
        add: gets the name and the bytes of such a member.

    Raises:
        DataError: there is something else in it.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in NUMBERS_AND_TEXT:
        return _array_to_json(value, place, add)
    name = type(value).__name__
    if CLASSES.get(name) is type(value):
        own = [field.name for field in fields(value)] if is_dataclass(value) else value._fields
        return {MARK: name, "fields": {field: to_json(getattr(value, field), f"{place}.{field}", add) for field in own}}
    return _items_to_json(value, place, add)


def _items_to_json(value: Any, place: str, add: AddMember) -> Any:
    if isinstance(value, Mapping):
        pairs = [[key, to_json(item, f"{place}.{key}", add)] for key, item in value.items()]
        plain = MARK not in value and all(isinstance(key, str) for key in value)
        return dict(pairs) if plain else {MARK: "pairs", "items": [[to_json(key, place, add), item] for key, item in pairs]}
    if type(value) in (list, tuple, range, frozenset):
        ordered = sorted(value) if isinstance(value, frozenset) else value
        items = [to_json(item, f"{place}.{number}", add) for number, item in enumerate(ordered)]
        return items if isinstance(value, list | range) else {MARK: type(value).__name__, "items": items}
    return _other_to_json(value, place, add)


def _other_to_json(value: Any, place: str, add: AddMember) -> Any:
    if isinstance(value, bytes):
        return {MARK: "bytes", "data": base64.b64encode(value).decode()}
    if isinstance(value, Path):
        return {MARK: "path", "name": str(value)}
    if isinstance(value, InstanceMasks):
        parts = [to_json(part, f"{place}.{number}", add) for number, part in enumerate(value.parts())]
        return {MARK: "masks", "size": list(value.size), "parts": parts}
    raise DataError(f"{place}: a {type(value).__module__}.{type(value).__qualname__} cannot be written into a shard")


def _array_to_json(value: np.ndarray | np.generic, place: str, add: AddMember) -> Any:
    if isinstance(value, np.generic):
        return {MARK: "scalar", "dtype": value.dtype.str, "value": value.item()}
    if value.size > SMALL:
        name = f"{place}.npy"
        add(name, npy_bytes(value))
        return {MARK: "npy", "member": name}
    return {MARK: "array", "dtype": value.dtype.str, "shape": list(value.shape), "values": value.ravel().tolist()}


def from_json(value: Any, find: FindMember) -> Any:
    """Return the value that JSON represents, see :func:`to_json`.

    Args:
        value: what the JSON has.
        find: gives the bytes of a member by its name.

    Raises:
        DataError: it was not written by this module.
    """
    try:
        return _from_json(value, find)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"a record that no pet-pack wrote ({type(error).__name__}: {error})") from error


def _from_json(value: Any, find: FindMember) -> Any:
    if isinstance(value, list):
        return [_from_json(item, find) for item in value]
    if not isinstance(value, dict):
        return value
    if MARK not in value:
        return {key: _from_json(item, find) for key, item in value.items()}
    kind = value[MARK]
    if kind in CLASSES:
        return CLASSES[kind](**{name: _from_json(item, find) for name, item in value["fields"].items()})
    return READERS[kind](value, find)


def _array(value: dict[str, Any], _: FindMember) -> np.ndarray:
    dtype = _dtype(value["dtype"])
    return np.array(value["values"], dtype).reshape(value["shape"])


def _dtype(text: str) -> np.dtype[Any]:
    dtype = np.dtype(text)
    if dtype.kind not in NUMBERS_AND_TEXT:
        raise DataError(f"an array of the type {text} in a record; numbers and text are read")
    return dtype


def _masks(value: dict[str, Any], find: FindMember) -> InstanceMasks:
    height, width = value["size"]
    outlines, frames, places = (_from_json(part, find) for part in value["parts"])
    return InstanceMasks(outlines, (int(height), int(width)), frames, places)


READERS: dict[str, Callable[[dict[str, Any], FindMember], Any]] = {
    "scalar": lambda value, find: _dtype(value["dtype"]).type(value["value"]),
    "array": _array,
    "npy": lambda value, find: read_npy(find(value["member"])),
    "bytes": lambda value, find: base64.b64decode(value["data"]),
    "path": lambda value, find: Path(value["name"]),
    "masks": _masks,
    "tuple": lambda value, find: tuple(_from_json(value["items"], find)),
    "range": lambda value, find: _from_json(value["items"], find),
    "frozenset": lambda value, find: frozenset(_from_json(value["items"], find)),
    "pairs": lambda value, find: {_from_json(key, find): _from_json(item, find) for key, item in value["items"]},
}


def dump(value: Any) -> bytes:
    """Return JSON as text in UTF-8, as short as it can be."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def whole_json(value: Any, place: str) -> bytes:
    """Return a value as one text: no array of it may need a member.

    Raises:
        DataError: see :func:`to_json`.
    """
    members: list[Member] = []
    text = to_json(value, place, lambda name, data: members.append(Member(name, data)))
    if members:
        held = {member.name: base64.b64encode(member.data).decode() for member in members}
        text = {MARK: "with members", "value": text, "members": held}
    return dump(text)


def read_whole_json(data: bytes | memoryview) -> Any:
    """Return the value of :func:`whole_json`.

    Raises:
        DataError: it is no such text.
    """
    try:
        value = json.loads(bytes(data))
    except ValueError as error:
        raise DataError(f"a record that is no JSON ({error})") from error
    held: dict[str, bytes] = {}
    if isinstance(value, dict) and value.get(MARK) == "with members":
        held = {name: base64.b64decode(text) for name, text in value["members"].items()}
        value = value["value"]
    return from_json(value, held.__getitem__)
