"""The commands and the script of docs/paddleseg.md, on a handful of tiles."""

import re
import shlex
import zipfile
from pathlib import Path

import cv2
import pytest
import torch

from tests.integration.conftest import ROOT, environment
from tests.integration.warm_python import warm_python
from tests.pet.compat.paddleseg.tiles import write_tiles

PAGE = (ROOT / "docs" / "paddleseg.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (python tools/.*)$", PAGE, re.MULTILINE)
(SCRIPT,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHORT = {"batch_size = 16": "batch_size = 2", "epochs = 2": "epochs = 1", "SegFormer_B2": "SegFormer_B0", "512": "128"}
NUM_TILES = 4


def execute(words: list[str | Path], folder: Path) -> str:
    code, output = warm_python().run(words, folder=folder, environment={**environment(), "PYTHONPATH": str(ROOT)}, timeout=300)
    assert code == 0, f"{words}\n{output}"
    return output


def execute_line(line: str, folder: Path) -> str:
    _, script, *options = shlex.split(line.replace("--val-count 5000", "--val-count 1"))
    return execute([ROOT / script, *(ROOT / option if option.startswith("cfgs/") else option for option in options)], folder)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the page from top to bottom; return the folder and what the script printed."""
    folder = tmp_path_factory.mktemp("page")
    tiles = write_tiles(folder / "tiles", NUM_TILES, edge=128, label_value=255, channels=3)
    with zipfile.ZipFile(folder / "tiles.zip", "w") as archive:
        for path in (*tiles.glob("img/*"), *tiles.glob("gt/*")):
            archive.write(path, path.relative_to(tiles))
    for line in COMMANDS[:3]:
        execute_line(line, folder)
    script = SCRIPT
    for given, short in SHORT.items():
        assert given in script
        script = script.replace(given, short)
    (folder / "notebook.py").write_text(script, encoding="utf-8")
    output = execute([folder / "notebook.py"], folder)
    execute_line(COMMANDS[3], folder)
    return folder, output


def test_the_page_has_the_commands_and_the_cells_of_the_notebook() -> None:
    assert [shlex.split(line)[1] for line in COMMANDS] == [
        "tools/data/unzip.py",
        "tools/data/filter.py",
        "tools/data/split.py",
        "tools/inference.py",
    ]
    for call in ("T.RandomScaleAspect()", "save_interval=iters // 5", "LovaszHingeLoss()], [2, 1, 1])", "evaluate(model, val_dataset)"):
        assert call in SCRIPT


def test_the_script_trains_evaluates_and_exports(printed: tuple[Path, str]) -> None:
    folder, output = printed
    assert output.count("no training has written it yet") == 1
    assert output.count("[EVAL] #Images: 1 mIoU: ") == 2
    assert "[iter: 1/1]" in output
    weights = torch.load(folder / "output_segformer" / "best_model" / "model.pdparams", weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in weights.values())
    assert list((folder / "output_segformer" / "events").iterdir())


def test_the_exported_file_labels_the_images(printed: tuple[Path, str]) -> None:
    folder, _ = printed
    for number in range(NUM_TILES):
        assert cv2.imread(str(folder / "labels" / f"{number}.png"), cv2.IMREAD_UNCHANGED).shape == (128, 128)
        assert (folder / "labels" / f"{number}.geojson").exists()
