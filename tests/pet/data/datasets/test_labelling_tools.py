"""CVAT, labelme and Label Studio give the objects that a COCO file of the same images has."""

import json
from pathlib import Path

import numpy as np
import pytest

from pet.data.datasets.coco_segmentations import rle_counts
from pet.data.loading.open_entry import open_entry
from pet.data.targets.dataset import ImageTruth, read_truths
from petlib.errors import DataError
from tests.pet.autoconfig.folders import MAKERS, cvat, label_studio, labelme

COUNT = 20


def truths(kind: str, folder: Path, **entry: str) -> list[ImageTruth]:
    return list(read_truths(open_entry({"type": kind, "path": ".", **entry}, folder)[0]))


@pytest.mark.parametrize("kind", ["cvat", "labelme", "label_studio"])
def test_objects_are_those_of_a_coco_file(kind: str, tmp_path: Path) -> None:
    MAKERS["coco_masks"](tmp_path / "coco")
    MAKERS[kind](tmp_path / kind)
    expected = truths("coco", tmp_path / "coco", path="images", annotations="annotations.json")
    found = truths(kind, tmp_path / kind, **({"split": ""} if kind == "cvat" else {}))
    assert len(found) == COUNT
    for own, other in zip(found, expected, strict=True):
        assert Path(own.file).name == Path(other.file).name
        assert (own.height, own.width, own.labels.tolist()) == (other.height, other.width, other.labels.tolist())
        assert own.segmentations is not None and other.segmentations is not None
        if own.labels[0] == 1:
            # squares are boxes in the tools
            np.testing.assert_allclose(own.boxes, other.boxes, atol=1e-4)
            assert own.segmentations[0] is None
        else:
            np.testing.assert_allclose(own.segmentations[0][0], other.segmentations[0][0], atol=1e-4)
            # a box around points ends at them, and one around pixels behind the last
            np.testing.assert_allclose(own.boxes, other.boxes, atol=1.01)


def test_a_subset_of_cvat_is_a_split(tmp_path: Path) -> None:
    cvat(tmp_path)
    assert [len(truths("cvat", tmp_path, split=name)) for name in ("Train", "Validation", "")] == [15, 5, 20]
    with pytest.raises(DataError, match="no image has the subset 'test'; there are Train, Validation"):
        truths("cvat", tmp_path, split="test")


def test_masks_turned_boxes_and_ellipses_of_cvat(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cvat(tmp_path, 1)
    runs = '<mask label="disc" rle="1,2,1,2" left="3" top="5" width="3" height="2"/>'
    box = '<box label="disc" xtl="10" ytl="20" xbr="30" ybr="24" rotation="90"/>'
    other = '<ellipse label="disc" cx="40" cy="40" rx="8" ry="4"/><polyline label="disc" points="1,1;2,2"/>'
    image = f'<image id="0" name="000.jpg" width="64" height="64">{runs}{box}{other}</image>'
    (tmp_path / "annotations.xml").write_text(f"<annotations>{image}</annotations>")
    dataset, _ = open_entry({"type": "cvat", "path": "."}, tmp_path)
    (truth,) = read_truths(dataset)
    np.testing.assert_allclose(truth.boxes, [[3, 5, 6, 7], [18, 12, 22, 32], [32, 36, 48, 44]], atol=1e-4)
    assert truth.segmentations is not None
    counts = rle_counts(truth.segmentations[0]["counts"], 64 * 64)
    mask = np.repeat(np.arange(len(counts)) % 2, counts).reshape(64, 64).T
    assert np.argwhere(mask).tolist() == [[5, 4], [5, 5], [6, 4], [6, 5]]
    assert truth.areas[0] == 4
    assert "1 x shape that is no box, polygon, ellipse or mask" in caplog.text


def test_groups_of_labelme_are_parts_of_one_object(tmp_path: Path) -> None:
    labelme(tmp_path, 1)
    content = json.loads((tmp_path / "000.json").read_text())
    parts = [[[0, 0], [4, 0], [4, 4]], [[10, 10], [14, 10], [14, 14]]]
    shapes = [{"label": "disc", "group_id": 3, "shape_type": "polygon", "points": points} for points in parts]
    circle = {"label": "disc", "shape_type": "circle", "points": [[30, 30], [30, 36]]}
    content["shapes"] = [*shapes, circle, {"label": "disc", "shape_type": "point", "points": [[1, 1]]}]
    (tmp_path / "000.json").write_text(json.dumps(content))
    (truth,) = truths("labelme", tmp_path)
    np.testing.assert_allclose(truth.boxes, [[24, 24, 36, 36], [0, 0, 14, 14]], atol=1e-4)
    assert truth.segmentations is not None
    assert [len(own) for own in truth.segmentations] == [1, 2]


def test_turned_rectangles_of_label_studio_are_outlines(tmp_path: Path) -> None:
    label_studio(tmp_path, 1)
    tasks = json.loads((tmp_path / "export.json").read_text())
    value = {"x": 50, "y": 50, "width": 25, "height": 12.5, "rotation": 90, "rectanglelabels": ["disc"]}
    tasks[0]["annotations"] = [{"result": [{"type": "rectanglelabels", "value": value}, {"type": "choices", "value": {"choices": ["a"]}}]}]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    (truth,) = truths("label_studio", tmp_path)
    np.testing.assert_allclose(truth.boxes, [[24, 32, 32, 48]], atol=1e-4)


@pytest.mark.parametrize("kind", ["cvat", "labelme", "label_studio"])
def test_a_missing_image_is_named(kind: str, tmp_path: Path) -> None:
    MAKERS[kind](tmp_path)
    next(tmp_path.rglob("003.jpg")).unlink()
    with pytest.raises(DataError, match=r"003.jpg' is nowhere below"):
        truths(kind, tmp_path, **({"split": ""} if kind == "cvat" else {}))


def test_mistakes_in_the_files_are_named(tmp_path: Path) -> None:
    cvat(tmp_path / "cvat", 1)
    path = tmp_path / "cvat/annotations.xml"
    path.write_text(path.read_text().replace('points="', 'points="x;'))
    with pytest.raises(DataError, match=r"<polygon>: points=.*x,y;x,y;... expected"):
        truths("cvat", tmp_path / "cvat")
    label_studio(tmp_path / "studio", 2)
    (tmp_path / "studio/export.json").write_text('[{"image": "a.jpg", "label": []}]')
    with pytest.raises(DataError, match="exports as JSON-MIN lack them: export as JSON"):
        truths("label_studio", tmp_path / "studio")
    (tmp_path / "studio/more.json").write_text("[]")
    with pytest.raises(DataError, match=r"expected \(\*.json\), and 2 such files are there"):
        truths("label_studio", tmp_path / "studio")
