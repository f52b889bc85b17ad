"""Nothing let in: annotation files of Pascal VOC changed by chance."""

import re
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import cv2
import numpy as np
import pytest
from hypothesis import strategies as st

from pet.data.catalog.source import Source
from pet.data.datasets.voc import build_voc
from pet.data.files.images import silence_opencv
from tests.faults.conftest import Happened
from tests.faults.fuzz import COUNTS, assert_survives, generate
from tests.faults.mutations import ODD_VALUES, mutated, mutated_trees

OBJECT = b"""
 <object><name>%s</name><pose>Left</pose><truncated>0</truncated><difficult>%d</difficult>
  <bndbox><xmin>%d</xmin><ymin>2</ymin><xmax>12.5</xmax><ymax>9</ymax></bndbox></object>"""
FILE = (
    b'<?xml version="1.0" encoding="utf-8"?>\n<annotation><folder>VOC</folder><filename>1.png</filename>'
    b"<size><width>30</width><height>20</height><depth>3</depth></size>"
    + b"".join(OBJECT % entries for entries in ((b"cat", 0, 3), (b"dog", 1, 5)))
    + b"</annotation>"
)
LAUGHS = b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]>'
TOKENS = [
    *(
        LAUGHS,
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
        b"&b;",
        b"&c;",
        b"<![CDATA[",
        b"]]>",
        b"<!--",
        b"<?xml-stylesheet ?>",
    ),
    *(b"<a>" * 5000, b"<object>", b"</object>", b"<name/>", b"<size/>", b"<bndbox/>", b"&#0;", b"&#55296;", b"&#x10FFFF;", b"&lt;"),
    *(
        b"1e999",
        b"nan",
        b"-1e308",
        b"9" * 5000,
        b"0x10",
        b"1_0",
        b" ",
        b"99999999",
        b"\xff\xfe",
        b"\0",
        b'encoding="utf-16"',
        b"utf-7",
        b"zlib",
    ),
    *(b"zlib", b"<?xml-stylesheet ?>", b"../../etc/passwd", b"x" * 3000, b"\xf0\x9f\x92\xa5", b" a='" + b"y" * 3000 + b"'"),
]


BOX = [["xmin", "3", []], ["ymin", "2", []], ["xmax", "12.5", []], ["ymax", "9", []]]
TREE = [
    "annotation",
    "",
    [
        ["filename", "1.png", []],
        ["size", "", [["width", "30", []], ["height", "20", []]]],
        ["object", "", [["name", "cat", []], ["difficult", "0", []], ["bndbox", "", BOX]]],
        ["object", "", [["name", "dog", []], ["difficult", "1", []], ["bndbox", "", BOX]]],
    ],
]
NAME = re.compile("[A-Za-z]+")
NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_xml(tree: Any) -> bytes:
    """Write a tree of [tag, text, children]; what is none is written as text."""
    try:
        return _element(tree).encode()
    except RecursionError:
        return b"<annotation>" + b"<object>" * 20000 + b"</object>" * 20000 + b"</annotation>"


def _element(node: Any) -> str:
    if isinstance(node, list) and len(node) > 2 and isinstance(node[0], str) and NAME.fullmatch(node[0]):
        children = node[2] if isinstance(node[2], list) else [node[2]]
        return f"<{node[0]}>{_text(node[1])}{''.join(map(_element, children))}</{node[0]}>"
    return _text(node)


def _text(value: Any) -> str:
    return escape(NO_XML.sub("", str(value)))


def make_folder(folder: Path) -> Path:
    """Write all of a data set but the annotation file."""
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    assert cv2.imwrite(str(folder / "JPEGImages" / "1.png"), np.zeros((20, 30, 3), np.uint8))
    assert cv2.imwrite(str(folder / "JPEGImages" / "1.jpg"), np.zeros((20, 30, 3), np.uint8))
    (folder / "ImageSets/Main/train.txt").write_text("1\n")
    return folder / "Annotations"


def read(path: Path) -> None:
    dataset = build_voc(Source(path.parent.parent, "train", None))
    dataset.truth(0)
    dataset[0]


def test_the_file_that_is_changed_is_whole(tmp_path: Path) -> None:
    path = make_folder(tmp_path) / "1.xml"
    for content in (FILE, as_xml(TREE)):
        path.write_bytes(content)
        read(path)


@pytest.mark.fault("let-in", "VOC files changed by chance")
@pytest.mark.parametrize("count", COUNTS)
def test_voc_files_changed_by_chance(count: int, tmp_path: Path, happened: Happened) -> None:
    silence_opencv()
    folder = make_folder(tmp_path)
    trees = mutated_trees([TREE], [*ODD_VALUES, "1e7", "-1e308", "nan", "0x10", "1_0"]).map(as_xml)
    inputs = generate(st.one_of(trees, trees, mutated([FILE], TOKENS)), count)
    happened(str(assert_survives(inputs, read, folder, name="1.xml")))
