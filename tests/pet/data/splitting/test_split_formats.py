"""Lists of every format are written, and read again by the entries that the tool prints."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from pet.commands.split import main
from pet.data import build_dataset
from pet.data.config import DATA_SCHEMA
from pet.data.targets.dataset import Dataset
from petlib.config import PETLIB_SCHEMA, CfgNode, Key, merge_schemas

COUNT, VALIDATION = 20, 5
CLASSES = ["ground", "road", "roof"]


def write_image(path: Path, value: int, *, gray: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((8, 8) if gray else (8, 8, 3), value, np.uint8))


def class_of(place: int) -> str:
    return "cat" if place % 4 else "dog"


def make_image_folder(root: Path, names: tuple[str, str] = ("cat", "dog")) -> dict[str, Any]:
    for place in range(COUNT):
        write_image(root / "pets" / names[class_of(place) == "dog"] / f"s{place // 5}_{place}.png", 9 * place)
    return {"type": "image_folder", "path": "pets"}


def make_list_file(root: Path) -> dict[str, Any]:
    make_image_folder(root)
    lines = (f"{class_of(place)}/s{place // 5}_{place}.png,{class_of(place)}\n" for place in range(COUNT))
    (root / "pets" / "all.csv").write_text("image,label\n" + "".join(lines))
    return {"type": "list_file", "path": "pets/all.csv"}


def make_voc(root: Path) -> dict[str, Any]:
    for place in range(COUNT):
        write_image(root / "voc" / "images" / f"s{place // 5}_{place}.jpg", 9 * place)
        box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox>"
        (root / "voc" / "labels").mkdir(exist_ok=True)
        text = f"<annotation><object><name>{class_of(place)}</name>{box}</object></annotation>"
        (root / "voc" / "labels" / f"s{place // 5}_{place}.xml").write_text(text)
    return {"type": "voc", "path": "voc"}


def make_coco(root: Path) -> dict[str, Any]:
    images, annotations = [], []
    for place in range(COUNT):
        write_image(root / "coco" / "images" / f"s{place // 5}_{place}.png", 9 * place)
        images.append({"id": f"{place:03}", "file_name": f"s{place // 5}_{place}.png", "height": 8, "width": 8})
        category = 1 + (class_of(place) == "dog")
        annotations.append({"id": place, "image_id": place, "category_id": category, "bbox": [0, 0, 4, 4], "area": 16, "iscrowd": 0})
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    content = {"info": {"year": 2026}, "images": images, "annotations": annotations, "categories": categories}
    (root / "coco" / "all.json").write_text(json.dumps(content))
    return {"type": "coco", "path": "coco/images", "annotations": "coco/all.json"}


def make_label_images(root: Path) -> None:
    for place in range(COUNT):
        for folder in ("A", "B"):
            write_image(root / "city" / folder / f"s{place // 5}_{place}.png", 9 * place)
        write_image(root / "city" / "gt" / f"s{place // 5}_{place}_mask.png", 1 + (class_of(place) == "dog"), gray=True)


def make_semseg_folder(root: Path) -> dict[str, Any]:
    make_label_images(root)
    return {
        "type": "semseg_folder",
        "path": "city/A",
        "images2": "city/B",
        "annotations": "city/gt",
        "label_ending": "_mask",
        "classes": CLASSES,
    }


def make_label_list(root: Path) -> dict[str, Any]:
    make_label_images(root)
    names = (f"s{place // 5}_{place}" for place in range(COUNT))
    (root / "city" / "all.txt").write_text("".join(f"A/{name}.png\tB/{name}.png\tgt/{name}_mask.png\n" for name in names))
    return {"type": "label_list", "path": "city", "split": "all", "separator": "\t", "classes": CLASSES}


def make_label_records(root: Path) -> dict[str, Any]:
    make_label_images(root)
    names = (f"s{place // 5}_{place}" for place in range(COUNT))
    (root / "city" / "all.json").write_text(json.dumps([{"img": f"A/{name}.png", "ann": f"gt/{name}_mask.png"} for name in names]))
    return {"type": "label_records", "path": "city/all.json", "classes": CLASSES}


def make_cihp(root: Path) -> dict[str, Any]:
    folder = root / "cihp" / "Training"
    for place in range(COUNT):
        write_image(folder / "Images" / f"s{place // 5}_{place}.jpg", 9 * place)
        for maps in ("Human_ids", "Category_ids"):
            write_image(folder / maps / f"s{place // 5}_{place}.png", 1, gray=True)
    (folder / "train_id.txt").write_text("".join(f"s{place // 5}_{place}\n" for place in range(COUNT)))
    return {"type": "cihp", "path": "cihp"}


MAKERS: dict[str, tuple[Callable[[Path], dict[str, Any]], list[str]]] = {
    "image_folder": (make_image_folder, ["label"]),
    "list_file": (make_list_file, ["label"]),
    "voc": (make_voc, ["boxes"]),
    "coco": (make_coco, ["boxes"]),
    "semseg_folder": (make_semseg_folder, ["semseg"]),
    "label_list": (make_label_list, ["semseg"]),
    "label_records": (make_label_records, ["semseg"]),
    "cihp": (make_cihp, ["parsing"]),
}


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["split.py", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def split(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], root: Path, *words: object) -> dict[str, dict[str, Any]]:
    """Run the tool and return the entries that it prints."""
    assert run(monkeypatch, *words, "--data-root", root) == 0, capsys.readouterr().err
    output = capsys.readouterr().out
    entries: dict[str, dict[str, Any]] = yaml.safe_load(output[output.index("DATA:") :])["DATA"]["CATALOG"]
    return entries


def read(root: Path, entry: dict[str, Any], kinds: list[str]) -> Dataset:
    cfg = CfgNode(merge_schemas(PETLIB_SCHEMA, DATA_SCHEMA, {"MODEL": {"NUM_CLASSES": Key(0, "Number of classes.")}}))
    cfg.set("MISC.DATA_ROOT", str(root))
    cfg.set("DATA.CATALOG", {"x": entry})
    return build_dataset(cfg, ["x"], kinds)


def names_of(dataset: Dataset) -> list[str]:
    return [Path(dataset[index]["meta"]["file"]).stem for index in range(len(dataset))]


@pytest.mark.parametrize("kind", MAKERS)
def test_lists_are_read_by_the_printed_entries(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make, kinds = MAKERS[kind]
    entry = make(tmp_path)
    whole = read(tmp_path, entry, kinds)
    fields = {Path(sample["meta"]["file"]).stem: sample for sample in (whole[index] for index in range(COUNT))}
    entries = split(monkeypatch, capsys, tmp_path, json.dumps(entry), "--val-count", VALIDATION, "--stratify", "--prefix", "my_")
    training, validation = (read(tmp_path, own, kinds) for own in entries.values())
    assert (len(training), len(validation)) == (COUNT - VALIDATION, VALIDATION)
    assert sorted(names_of(training) + names_of(validation)) == sorted(fields)
    for index in range(VALIDATION):
        sample = validation[index]
        expected = fields[Path(sample["meta"]["file"]).stem]
        for name in ("image", "image2", "label", "labels", "boxes", "semseg", "parsing"):
            np.testing.assert_array_equal(sample.get(name), expected.get(name))
    # a quarter are dogs, of the validation too
    if kind != "cihp":
        dogs = [place for place in range(COUNT) if class_of(place) == "dog" and f"s{place // 5}_{place}" in names_of(validation)]
        assert len(dogs) == 1
    record = json.loads(next(tmp_path.rglob("*my_split.json")).read_text())
    assert (record["seed"], record["val_count"], record["stratified"], list(record["images"].values())) == (24, 5, True, [15, 5])


@pytest.mark.parametrize("kind", MAKERS)
def test_groups_stay_together_and_a_second_run_gives_the_same(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make, kinds = MAKERS[kind]
    words = (json.dumps(make(tmp_path)), "--val-percent", 25, "--group", r"(?:^|/)(s\d)_", "--prefix", "my_")
    entries = split(monkeypatch, capsys, tmp_path, *words)
    sides = [names_of(read(tmp_path, own, kinds)) for own in entries.values()]
    assert [len(side) for side in sides] == [15, 5]
    assert not {name[:2] for name in sides[0]} & {name[:2] for name in sides[1]}
    # the tool may write over its own lists
    assert split(monkeypatch, capsys, tmp_path, *words) == entries
    assert [names_of(read(tmp_path, own, kinds)) for own in entries.values()] == sides


def test_classes_called_by_numbers_stay_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = make_image_folder(tmp_path, names=("10", "7"))
    entries = split(monkeypatch, capsys, tmp_path, json.dumps(entry), "--val-count", VALIDATION)
    whole, validation = read(tmp_path, entry, ["label"]), read(tmp_path, entries["pets_val"], ["label"])
    assert validation.info.classes == whole.info.classes == ["10", "7"]
    for index in range(VALIDATION):
        sample = validation[index]
        assert validation.info.classes[sample["label"]] == Path(sample["meta"]["file"]).parent.name


def test_what_cannot_be_divided_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pets = json.dumps(make_image_folder(tmp_path))
    voc = make_voc(tmp_path)
    (tmp_path / "voc" / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "voc" / "ImageSets" / "Main" / "trainval.txt").write_text("s0_0\ns0_1\ns0_2\n")
    (tmp_path / "voc" / "ImageSets" / "Main" / "val.txt").write_text("s0_0\n")
    for words, message in (
        (["{type: public_set, path: x}"], "public_set takes no lists, only image_folder, list_file, coco"),
        (["{type: voc"], "an entry of DATA.CATALOG expected"),
        (["{type: voc, path: voc, share: [0.0, 0.5]}"], "share: [0.0, 0.5] given; lists divide all of the data"),
        ([json.dumps({**voc, "split": "trainval"})], "val.txt: it exists, and this tool did not write it; choose other names, as --prefix"),
        ([json.dumps({**voc, "split": "val"})], "1 for validation leave 0 for training"),
        ([pets, "--group", "^t"], "--group '^t' finds nothing in 'cat/s0_1.png'"),
    ):
        assert run(monkeypatch, *words, "--val-count", 1, "--data-root", tmp_path) == 2
        assert message in " ".join(capsys.readouterr().err.split())
    assert run(monkeypatch, json.dumps({**voc, "split": "trainval"}), "--val-count", 1, "--prefix", "b_", "--data-root", tmp_path) == 0
    assert run(monkeypatch, json.dumps({**voc, "split": "b_train"}), "--val-count", 1, "--prefix", "b_", "--data-root", tmp_path) == 2
    assert "this list says which images are divided, and would be written over" in " ".join(capsys.readouterr().err.split())


def test_entries_of_images_and_labels_in_one_folder_are_called_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "roof").mkdir()
    for place in range(6):
        write_image(tmp_path / "roof" / f"{place}.jpg", 9 * place)
        write_image(tmp_path / "roof" / f"{place}_mask.png", 1, gray=True)
    entry = {"type": "semseg_folder", "path": "roof", "annotations": "roof", "label_ending": "_mask", "classes": CLASSES}
    entries = split(monkeypatch, capsys, tmp_path, json.dumps(entry), "--val-count", 2)
    assert list(entries) == ["roof_train", "roof_val"]
