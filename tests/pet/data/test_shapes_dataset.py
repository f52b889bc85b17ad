"""The drawn data set: its targets agree with each other and with the image, and its files are written once and whole."""

import contextlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pet.data.catalog.source import Source
from pet.data.datasets import shapes, shapes_writing
from pet.data.datasets.coco import CocoDataset
from pet.data.datasets.shapes import build_shapes
from pet.data.datasets.shapes_drawing import CLASSES, FIGURE, KEYPOINTS, PARTS, Drawing, draw_image
from pet.data.datasets.shapes_writing import write_shapes
from petlib.errors import ConfigError, DataError

LEFT_HAND, RIGHT_HAND, LEFT_FOOT, RIGHT_FOOT = (KEYPOINTS.index(name) for name in ("left_hand", "right_hand", "left_foot", "right_foot"))
PART_OF_KEYPOINT = [PARTS.index(name) for name in ("head", "left_arm", "right_arm", "left_leg", "right_leg")]


@pytest.fixture(scope="module")
def drawings() -> list[Drawing]:
    return [draw_image(np.random.default_rng([5, index]), 128) for index in range(60)]


@pytest.fixture
def small_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "COUNTS", {"train": 3, "test": 2})


def make_source(folder: Path, split: str = "train", kinds: frozenset[str] | None = None) -> Source:
    return Source(path=folder, split=split, classes=None, kinds=kinds)


def read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# what is drawn


def test_all_classes_occur_and_images_have_one_to_five_objects(drawings: list[Drawing]) -> None:
    assert {drawn.label for drawing in drawings for drawn in drawing.objects} == set(range(len(CLASSES)))
    assert {len(drawing.objects) for drawing in drawings} == {1, 2, 3, 4, 5}


def test_masks_hold_what_is_seen_so_none_overlap(drawings: list[Drawing]) -> None:
    for drawing in drawings:
        assert (sum(drawn.mask.astype(int) for drawn in drawing.objects) <= 1).all()
        # what is seen of the thinnest object is more than that
        assert all(drawn.mask.sum() > 60 for drawn in drawing.objects)


def test_parts_and_instances_cover_figures_and_nothing_else(drawings: list[Drawing]) -> None:
    for drawing in drawings:
        for number, drawn in enumerate(drawing.objects, start=1):
            assert np.array_equal(drawing.instances == number, drawn.mask & (drawn.label == FIGURE))
        assert np.array_equal(drawing.parsing > 0, drawing.instances > 0)


def test_seen_keypoints_lie_on_their_part_and_hidden_ones_under_a_later_object(drawings: list[Drawing]) -> None:
    on_part, hidden_count = [], 0
    for drawing in drawings:
        for place, drawn in enumerate(drawing.objects):
            later = np.any([other.mask for other in drawing.objects[place + 1 :]] or [np.zeros_like(drawn.mask)], axis=0)
            for (x, y, seen), part in zip(drawn.keypoints, PART_OF_KEYPOINT, strict=False):
                if seen == 2:
                    on_part.append(drawing.parsing[int(y), int(x)] == part)
                    assert drawn.mask[int(y), int(x)]
                else:
                    hidden_count += 1
                    assert seen == 1
                    assert later[int(y), int(x)]
    assert hidden_count > 10
    # a figure's own other limb may lie over the end of one
    assert np.mean(on_part) > 0.98


def test_the_left_of_a_figure_is_on_the_right_of_the_viewer(drawings: list[Drawing]) -> None:
    figures = [drawn.keypoints for drawing in drawings for drawn in drawing.objects if drawn.label == FIGURE]
    assert len(figures) > 40
    for points in figures:
        assert points.shape == (len(KEYPOINTS), 3)
        assert points[LEFT_HAND, 0] > points[RIGHT_HAND, 0]
        assert points[LEFT_FOOT, 0] > points[RIGHT_FOOT, 0]
        assert points[0, 1] < points[LEFT_FOOT, 1]


def test_a_drawing_follows_from_its_seed() -> None:
    first, again, other = (draw_image(np.random.default_rng(seed), 64) for seed in (3, 3, 4))
    assert np.array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("size", [48, 96, 256])
def test_other_sizes_scale_the_objects(size: int) -> None:
    drawing = draw_image(np.random.default_rng(0), size)
    assert drawing.image.shape == (size, size, 3)
    assert drawing.image.dtype == np.uint8
    assert len(drawing.objects) > 0


# what is written


def test_the_first_images_are_the_same_for_any_count(tmp_path: Path) -> None:
    few = write_shapes(tmp_path / "few", split="train", count=3, size=64)
    many = write_shapes(tmp_path / "many", split="train", count=5, size=64)
    assert few == tmp_path / "few" / "train" / "annotations.json"
    first, second = read_json(few), read_json(many)
    assert first["images"] == second["images"][:3]
    assert first["annotations"] == [entry for entry in second["annotations"] if entry["image_id"] <= 3]
    pictures = {name: data for name, data in read_files(few.parent).items() if not name.endswith(".json")}
    assert len(pictures) == 12
    assert pictures.items() <= read_files(many.parent).items()


def test_splits_differ(tmp_path: Path) -> None:
    train, test = (write_shapes(tmp_path, split=split, count=2, size=64) for split in ("train", "test"))
    assert read_json(train)["annotations"] != read_json(test)["annotations"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test", "train"]


def test_boxes_and_areas_are_those_of_the_masks(tmp_path: Path) -> None:
    content = read_json(write_shapes(tmp_path, split="train", count=8))
    assert len({entry["id"] for entry in content["annotations"]}) == len(content["annotations"]) > 8
    for entry in content["annotations"]:
        assert coco_mask.toBbox(entry["segmentation"]).tolist() == entry["bbox"]
        assert coco_mask.area(entry["segmentation"]) == entry["area"]
        assert len(entry["keypoints"]) == 3 * len(KEYPOINTS)
        assert entry["num_keypoints"] == (len(KEYPOINTS) if entry["category_id"] == FIGURE + 1 else 0)


def test_samples_agree_with_the_label_images(tmp_path: Path) -> None:
    path = write_shapes(tmp_path, split="train", count=8)
    dataset = CocoDataset(images=path.parent / "images", annotations=path)
    assert dataset.info.skipped == {}
    assert dataset.info.classes == list(CLASSES)
    assert dataset.info.semseg_classes == ["background", *CLASSES]
    assert dataset.info.part_set is not None
    assert dataset.info.part_set.swap == (0, 1, 2, 4, 3, 6, 5)
    assert dataset.info.keypoint_set is not None
    assert dataset.info.keypoint_set.swap == (0, 2, 1, 4, 3)
    assert len(dataset.info.keypoint_set.sigmas) == len(KEYPOINTS)
    for index in range(8):
        sample = dataset[index]
        drawn = np.zeros((128, 128), np.uint8)
        for mask, label, number in zip(sample["masks"].rasterise(), sample["labels"], sample["instance_ids"], strict=True):
            drawn[mask > 0] = label + 1
            assert (number > 0) == (label == FIGURE)
            assert number == 0 or np.array_equal(sample["instances"] == number, mask > 0)
        assert np.array_equal(drawn, sample["semseg"])
        assert np.array_equal(sample["parsing"] > 0, sample["instances"] > 0)


@pytest.mark.parametrize("kind", ["bbox", "segm", "keypoints"])
def test_pycocotools_gives_full_marks_to_the_truth(kind: str, tmp_path: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(write_shapes(tmp_path, split="test", count=10)))
        found = [{**entry, "score": 0.9} for entry in truth.dataset["annotations"] if kind != "keypoints" or entry["num_keypoints"]]
        evaluation = COCOeval(truth, truth.loadRes(found), kind)
        if kind == "keypoints":
            evaluation.params.kpt_oks_sigmas = np.array(truth.dataset["categories"][FIGURE]["sigmas"])
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


# when it is written


@pytest.mark.usefixtures("small_counts")
def test_it_is_written_where_absent_and_read_afterwards(tmp_path: Path) -> None:
    dataset = build_shapes(make_source(tmp_path / "shapes", kinds=frozenset({"boxes", "semseg"})))
    assert len(dataset) == 3
    assert set(dataset[0]) == {"image", "boxes", "labels", "semseg", "meta"}
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "shapes" / "train").rglob("*")}
    assert len(build_shapes(make_source(tmp_path / "shapes"))) == 3
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "shapes" / "train").rglob("*")} == times
    assert len(build_shapes(make_source(tmp_path / "shapes", "test"))) == 2


@pytest.mark.usefixtures("small_counts")
def test_files_of_another_version_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes_writing, "VERSION", -1)
    path = write_shapes(tmp_path, split="train", count=3)
    monkeypatch.undo()
    monkeypatch.setattr(shapes, "COUNTS", {"train": 3})
    (path.parent / "images" / "of_the_old_version.jpg").touch()
    build_shapes(make_source(tmp_path))
    assert read_json(path)["info"]["version"] == shapes_writing.VERSION
    assert not (path.parent / "images" / "of_the_old_version.jpg").exists()
    assert [item.name for item in tmp_path.iterdir() if item.is_dir()] == ["train"]


@pytest.mark.usefixtures("small_counts")
def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    assert len(build_shapes(make_source(tmp_path))) == 3


@pytest.mark.parametrize("content", ["no json", "[]", '{"info": {"description": "my photographs", "version": 1}}'])
def test_data_of_others_are_never_replaced(content: str, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "annotations.json").write_text(content)
    with pytest.raises(DataError, match=r"train: there is something that Pet did not write.*another path in CatalogEntry"):
        build_shapes(make_source(tmp_path))
    assert (tmp_path / "train" / "annotations.json").read_text() == content


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("interrupted")

    monkeypatch.setattr(shapes_writing, "draw_image", fail)
    with pytest.raises(RuntimeError, match="interrupted"):
        write_shapes(tmp_path, split="train", count=1)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"shapes cannot be written there: .*; set Source\.root to a folder that can be written"):
        build_shapes(make_source(tmp_path / "file" / "shapes"))


def test_an_unknown_split_is_reported_by_shapes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shapes: the split 'val' given, train or test expected"):
        build_shapes(make_source(tmp_path, "val"))


def test_runs_that_start_at_once_write_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def write(folder: Path, *, split: str, count: int) -> Path:
        written.append(split)
        return write_shapes(folder, split=split, count=count)

    monkeypatch.setattr(shapes, "COUNTS", {"train": 20})
    monkeypatch.setattr(shapes, "write_shapes", write)
    with ThreadPoolExecutor(4) as pool:
        datasets = list(pool.map(build_shapes, [make_source(tmp_path)] * 4))
    assert written == ["train"]
    assert [len(dataset) for dataset in datasets] == [20] * 4


def count_images(folder: str) -> tuple[int, list[float]]:
    shapes.COUNTS["train"] = 4
    dataset = build_shapes(make_source(Path(folder)))
    return len(dataset), dataset.truth(3).boxes.ravel().tolist()


def test_several_ranks_get_the_same(run_ranks: Any, tmp_path: Path) -> None:
    first, second = run_ranks(count_images, 2, str(tmp_path))
    assert first == second
    assert first[0] == 4
