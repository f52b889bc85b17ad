"""What docs/large_data.md does: a pack is written, and a training gets the same batches from it as from the data."""

import argparse
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from pet.commands import pack
from pet.data import build_dataset, build_training_data
from pet.data.targets.dataset import Expectation
from pet.vision import config
from petlib.config import CfgNode, ConfigError
from petlib.errors import DataError
from tests.integration.conftest import DIGITS, ROOT, Run

PAGE = (ROOT / "docs" / "large_data.md").read_text(encoding="utf-8")
COMMAND = next(line.strip() for line in PAGE.splitlines() if line.startswith("    pet-pack digits_train"))


def run_pack(*words: str) -> None:
    parser = argparse.ArgumentParser()
    pack.add_options(parser)
    assert pack.pack(parser.parse_args(words)) == 0


def settings(datasets: list[str], **values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    given = {"MODEL.NUM_CLASSES": 10, "TRAIN.BATCH_SIZE": 32, "TRAIN.NUM_WORKERS": 0, "TRAIN.DATASETS": datasets}
    for key, value in (given | {name.replace("__", "."): value for name, value in values.items()}).items():
        cfg.set(key, value)
    return cfg


def batches(cfg: CfgNode, workers: int = 0) -> list[dict[str, Any]]:
    cfg.set("TRAIN.NUM_WORKERS", workers)
    loader = build_training_data(cfg, torch.device("cpu"), Expectation(kinds=("label",), counts={"label": 10}))
    return list(loader.batches(40, 46))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Do what the page does."""
    folder = tmp_path_factory.mktemp("large")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_pack(*shlex.split(COMMAND)[1:])
    return folder


def test_the_command_writes_what_the_page_says(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    run_pack("{type: digits, split: test}", "--out", "data/again")
    printed = capsys.readouterr().out
    assert "360 samples in 1 shard, 0.7 MB: data/again" in printed
    assert yaml.safe_load(printed[printed.index("DATA:") :]) == {"DATA": {"CATALOG": {"again": {"type": "shards", "path": "data/again"}}}}
    assert "        digits_shards: {type: shards, path: data/digits_shards}" in PAGE
    assert sorted(path.name for path in (folder / "data/digits_shards").glob("*.tar"))[-1] == "shard-000005.tar"


def test_a_training_gets_the_same_batches_from_shards(folder: Path) -> None:
    expected = batches(settings(["digits_train"]))
    entry = {"digits_shards": {"type": "shards", "path": "data/digits_shards"}}
    for cfg in (
        settings([str(folder / "data/digits_shards")]),
        settings(["digits_shards"], DATA__CATALOG=entry, MISC__DATA_ROOT=str(folder)),
    ):
        for ours, theirs in zip(batches(cfg, workers=2), expected, strict=True):
            torch.testing.assert_close(ours["image"], theirs["image"], rtol=0, atol=0)
            torch.testing.assert_close(ours["label"], theirs["label"], rtol=0, atol=0)
            assert [meta["index"] for meta in ours["meta"]] == [meta["index"] for meta in theirs["meta"]]


def test_groups_of_shards_are_the_same_for_any_workers(folder: Path) -> None:
    place = str(folder / "data/digits_shards")

    def order(workers: int, group: int) -> list[int]:
        return [meta["index"] for batch in batches(settings([place], DATA__SHARDS__GROUP=group), workers) for meta in batch["meta"]]

    found = order(0, 2)
    assert order(2, 2) == found != order(0, 0)
    starts = build_dataset(settings([place]), [place], ["label"]).shard_starts()
    assert starts is not None
    assert len(np.unique(np.searchsorted(starts, found[:100], "right"))) <= 4, "samples of few shards at a time"


def test_mistakes_are_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = str(folder / "data/digits_shards")
    with pytest.raises(ConfigError, match="DATA.SHARDS.GROUP: 2 given, and TRAIN.DATASETS lie in no shards"):
        batches(settings(["digits_train"], DATA__SHARDS__GROUP=2))
    with pytest.raises(ConfigError, match="DATA.SHARDS.GROUP: 2 given, which is an order of its own"):
        batches(settings([place], DATA__SHARDS__GROUP=2, TRAIN__ASPECT_GROUPING=True))
    with pytest.raises(DataError, match="no boxes in these data; they have label"):
        build_dataset(settings([place]), [place], ["boxes"])
    with pytest.raises(ConfigError, match="digit_train: no folder, and no data set of the catalogue; did you mean digits_train"):
        run_pack("digit_train", "--out", str(tmp_path / "x"))
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            (tmp_path / "set" / part / name).mkdir(parents=True)
            (tmp_path / "set" / part / name / "1.png").write_bytes(b"")
    with pytest.raises(ConfigError, match="set: it has the parts train, val; say which one is packed, e.g. --part train"):
        run_pack(str(tmp_path / "set"), "--out", str(tmp_path / "x"))


@pytest.mark.nightly
def test_trainings_from_files_and_from_shards_end_with_the_same_weights(run: Run, folder: Path, tmp_path: Path) -> None:
    for name, place in (("files", "digits_train"), ("shards", str(folder / "data/digits_shards"))):
        settings_of_run = [f"TRAIN.DATASETS=[{place}]", "SOLVER.SCHEDULER.TOTAL_EPOCHS=2", f"MISC.CKPT={tmp_path / name}"]
        run("train_net_all.py", "--cfg", DIGITS, "MISC.DEVICE=cpu", *settings_of_run).succeeded()
    states = [torch.load(tmp_path / name / "model_latest.pth", weights_only=False)["model"] for name in ("files", "shards")]
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
