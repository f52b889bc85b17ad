import argparse
import errno
import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from pet import commands
from pet.commands.label import add_options, choose_unlabelled, label
from pet.visual import TargetNames
from petlib.config import CfgNode, Key
from petlib.errors import CheckpointError, ConfigError, DataError, OutputError
from petlib.files import writing_errors


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(words)


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--top 0: a number from 1 on expected"):
        label(options("run", "--top", "0"))
    with pytest.raises(ConfigError, match="--score 2: a number between 0 and 1 expected"):
        label(options("run", "--score", "2"))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="^--out .*file: a file, but a folder for the results expected; name another$"):
        # before the model is looked for
        label(options("run", "--out", str(tmp_path / "file")))
    with pytest.raises(CheckpointError, match="there is no such folder or file; give the folder of a training"):
        label(options(str(tmp_path / "missing")))


def test_images_that_are_not_there_are_named_by_their_option(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(DataError, match=f"^--unlabelled: {missing}: there is no such file or folder"):
        choose_unlabelled(None, tmp_path, options("run", "--unlabelled", missing))  # type: ignore[arg-type]


def test_data_that_cannot_be_read_are_no_fault_of_the_folder_of_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> list[str]:
        raise OSError(errno.EIO, "Input/output error", "/data/1.png")

    def write(*_: object) -> list[str]:
        with writing_errors(f"--out {tmp_path}"):
            raise OSError(errno.ENOSPC, "No space left on device")

    run = SimpleNamespace(cfg=CfgNode({"MISC": {"CKPT": Key("run", "Folder.")}}))
    monkeypatch.setattr(commands.label.api, "load", lambda *_, **__: run)
    words = options("run", "--out", str(tmp_path))
    monkeypatch.setattr(commands.label, "find_doubts", read)
    with pytest.raises(DataError, match=r"^/data/1\.png: the data cannot be read: Input/output error$"):
        label(words)
    monkeypatch.setattr(commands.label, "find_doubts", write)
    with pytest.raises(OutputError, match="^--out .*: the results cannot be written: No space left on device"):
        label(words)


def test_pictures_show_the_objects_that_become_labels(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    assert cv2.imwrite(str(tmp_path / "new" / "1.png"), np.zeros((40, 60, 3), np.uint8))
    found = {"boxes": np.array([[5.0, 5.0, 30.0, 30.0]]), "scores": np.array([0.3]), "labels": np.array([0])}
    model = SimpleNamespace(
        cfg=CfgNode({"MISC": {"CKPT": Key("run", "Folder.")}}),
        names=TargetNames(classes=("cat",)),
        predict=lambda files: [SimpleNamespace(fields=found) for _ in files],
    )
    pages = {}
    for score in ("0.2", "0.5"):
        folder = tmp_path / score
        choose_unlabelled(model, folder, options("run", "--unlabelled", str(tmp_path / "new"), "--score", score))  # type: ignore[arg-type]
        pages[score] = (folder / "to_label.html").read_text().replace(str(folder), "")
    labels = {score: json.loads((tmp_path / score / "annotations" / "pre_labels.json").read_text())["annotations"] for score in pages}
    assert [len(labels["0.2"]), len(labels["0.5"])] == [1, 0]
    assert pages["0.2"] != pages["0.5"], "the box is drawn where it is a label"
