"""One annotation file of Pascal VOC."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from pet.data.files.limits import check_pixels, shown
from pet.data.files.opening import is_name
from pet.data.files.xml_files import read_xml
from petlib.errors import DataError
from petlib.suggest import shortened

MOST_BYTES = 8 * 1024**2
"""Of one annotation file; thirty thousand objects fit. Elements without content take thirty times as much memory."""

FLAGS = {**dict.fromkeys(("0", "false", "no", "unspecified"), False), **dict.fromkeys(("1", "true", "yes"), True)}
"""What labelling tools write into <difficult>, in lower case."""

EDGES = ("xmin", "ymin", "xmax", "ymax")


class VocObject(NamedTuple):
    """An object as the file has it.

    Attributes:
        name: its class.
        box: xmin, ymin, xmax, ymax: the first and last pixels of the object, counted from 1.
        difficult: evaluations ignore it.
        flag: the word of the file that says so; empty where it is the 0 or 1 of VOC.
    """

    name: str
    box: tuple[float, float, float, float]
    difficult: bool
    flag: str = ""


class VocFile(NamedTuple):
    """An annotation file.

    Attributes:
        filename: what the file calls its image; empty where it does not say.
        size: height and width of the image; None where the file does not say or says 0.
        objects: the objects in their order.
    """

    filename: str
    size: tuple[int, int] | None
    objects: Sequence[VocObject]


def read_voc_xml(path: Path) -> VocFile:
    """Return what an annotation file of Pascal VOC holds.

    Raises:
        DataError: the file is missing, no XML, has a document type (which could make a small file grow without end), or an entry
            is missing or wrong; the message names the object.
    """
    root = read_xml(path, what="the annotation file", most_bytes=MOST_BYTES)
    if root.tag != "annotation":
        raise DataError(f"{path}: not an annotation of Pascal VOC: its outermost element is <{shortened(root.tag)}>, <annotation> expected")
    objects = [_read_object(path, place, element) for place, element in enumerate(root.findall("object"), start=1)]
    return VocFile((root.findtext("filename") or "").strip(), _read_size(path, root.find("size")), objects)


def _read_size(path: Path, element: Element | None) -> tuple[int, int] | None:
    if element is None:
        return None
    height, width = (_number(path, "its <size>", element, name) for name in ("height", "width"))
    if min(height, width) <= 0:
        return None
    check_pixels(math.ceil(height), math.ceil(width), f"{path}: its <size>")
    return max(int(height), 1), max(int(width), 1)


def _read_object(path: Path, place: int, element: Element) -> VocObject:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise DataError(f"{path}: object {place} has no <name>")
    if not is_name(name):
        raise DataError(f"{path}: object {place}: its <name> is {shown(name)}, the name of a class expected")
    where = f"object {place} ({name})"
    box = element.find("bndbox")
    if box is None:
        raise DataError(f"{path}: {where} has no <bndbox>")
    left, top, right, bottom = (_number(path, where, box, edge) for edge in EDGES)
    difficult = (element.findtext("difficult") or "0").strip()
    if difficult.lower() not in FLAGS:
        raise DataError(f"{path}: {where}: <difficult> is {shown(difficult)}, 0 or 1 expected")
    return VocObject(name, (left, top, right, bottom), FLAGS[difficult.lower()], "" if difficult in ("0", "1") else difficult)


def _number(path: Path, where: str, parent: Element, name: str) -> float:
    text = parent.findtext(name)
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        given = "is missing" if text is None else f"is {shown(text)}"
        raise DataError(f"{path}: {where}: <{name}> {given}, a number of pixels expected")
    return value
