"""The commands of docs/data.md, on small data, and what their lists become in a look at the data."""

import json
import shlex
import shutil
from pathlib import Path

import cv2
import numpy as np
import yaml

from tests.integration.conftest import ROOT, Run

BOX = "<bndbox><xmin>3</xmin><ymin>3</ymin><xmax>30</xmax><ymax>30</ymax></bndbox>"
COMMANDS = [
    line.strip() for line in (ROOT / "docs" / "data.md").read_text().splitlines() if line.startswith("    python tools/data/split.py")
]
CHECK = """
MODEL: {BACKBONE: torchvision/resnet18, NUM_CLASSES: 0, NECK: fpn, HAS_BOX: True}
SOLVER: {SCHEDULER: {TOTAL_EPOCHS: 0, TOTAL_ITERS: 2}}
"""


def write_fruit(folder: Path) -> None:
    """Write images with annotation files next to them, without lists."""
    for number in range(10):
        assert cv2.imwrite(str(folder / f"{number}.png"), np.full((40, 60, 3), 20 * number, np.uint8))
        name = "pear" if number < 5 else "apple"
        (folder / f"{number}.xml").write_text(f"<annotation><object><name>{name}</name>{BOX}</object></annotation>")


def write_cats(folder: Path) -> None:
    """Write frames of five videos and their COCO file."""
    (folder / "images").mkdir()
    names = [f"video{number // 4}_frame{number}.png" for number in range(20)]
    for name in names:
        assert cv2.imwrite(str(folder / "images" / name), np.zeros((40, 60, 3), np.uint8))
    content = {
        "images": [{"id": number, "file_name": name, "height": 40, "width": 60} for number, name in enumerate(names)],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"id": number, "image_id": number, "category_id": 1, "bbox": [3, 3, 20, 20], "area": 400} for number in range(20)],
    }
    (folder / "all.json").write_text(json.dumps(content))


def test_the_entries_that_a_split_prints_are_read(run: Run, tmp_path: Path) -> None:
    for name, write in (("fruit", write_fruit), ("cats", write_cats)):
        (tmp_path / "data" / name).mkdir(parents=True)
        write(tmp_path / "data" / name)
    catalog = {}
    for line in COMMANDS:
        _, script, *options = shlex.split(line)
        output = run(script.removeprefix("tools/"), *options).succeeded().output
        catalog |= yaml.safe_load(output[output.index("DATA:") :])["DATA"]["CATALOG"]
    assert list(catalog) == ["fruit_train", "fruit_val", "all_train", "all_val"]
    cfg = tmp_path / "cfgs" / "vision" / "x.yaml"
    cfg.parent.mkdir(parents=True)
    for name, counts in (("fruit", (8, 2)), ("all", (16, 4))):
        sets = {
            "TRAIN": {"DATASETS": [f"{name}_train"], "BATCH_SIZE": 2},
            "TEST": {"DATASETS": [f"{name}_val"]},
            "DATA": {"CATALOG": catalog},
        }
        cfg.write_text(CHECK + yaml.safe_dump(sets))
        output = run("data/check.py", "--cfg", cfg, "--type", "vision", "MISC.CKPT", tmp_path / "run").succeeded().output
        for side, count in zip(("train", "val"), counts, strict=True):
            assert f"{name}_{side}: {count} samples" in output
    frames = json.loads((tmp_path / "data" / "cats" / "all_val.json").read_text())["images"]
    assert len({image["file_name"].partition("_")[0] for image in frames}) == 1


def test_the_entries_of_converted_data_are_read(run: Run, tmp_path: Path) -> None:
    lines = [
        line.strip() for line in (ROOT / "docs" / "data.md").read_text().splitlines() if line.startswith("    python tools/data/convert.py")
    ]
    cats = tmp_path / "data" / "cats"
    cats.mkdir(parents=True)
    write_cats(cats)
    to_yolo, to_coco = (shlex.split(line)[2:] for line in lines)
    output = run("data/convert.py", *to_yolo).succeeded().output
    assert "20 images with 20 objects: cats_yolo" in output
    assert "WARNING" not in output
    pets = tmp_path / "data" / "pets"
    shutil.move(tmp_path / "cats_yolo", pets)
    content = yaml.safe_load((pets / "data.yaml").read_text())
    (pets / "data.yaml").write_text(yaml.safe_dump({"val": content["train"], "names": content["names"]}))
    output = run("data/convert.py", *to_coco).succeeded().output
    entry = yaml.safe_load(output[output.index("DATA:") :])["DATA"]["CATALOG"]["pets_coco_val"]
    annotations = json.loads((tmp_path / entry["annotations"]).read_text())["annotations"]
    assert [row["bbox"] for row in annotations] == [[3, 3, 20, 20]] * 20
    done = run("data/convert.py", to_yolo[0], "--to", "yolos", "--out", "x")
    assert done.code == 2
    assert "yolos" in done.output
