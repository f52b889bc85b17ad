"""Two processes train the model that one process trains."""

from pathlib import Path
from typing import Any

import torch

from tests.integration.conftest import DIGITS, Run

OPTIONS = [
    "--cfg",
    str(DIGITS),
    "SOLVER.SCHEDULER.TOTAL_EPOCHS=0",
    "SOLVER.SCHEDULER.TOTAL_ITERS=6",
    "SOLVER.SCHEDULER.NAME=constant",
    "SOLVER.SCHEDULER.WARM_UP_EPOCHS=None",
    "SOLVER.OPTIMIZER.BASE_LR=0.01",
    "TRAIN.BATCH_SIZE=64",
    "TRAIN.NUM_WORKERS=1",
    "MISC.DISPLAY_ITER=2",
    "MISC.TENSORBOARD=False",
    "ANALYSER.ENABLED=False",
    # batch norm sees the samples of one process only; with a network that has none, two processes compute the same
    "MODEL.BACKBONE=timm/vit_tiny_patch16_224",
    "MODEL.BACKBONE_ARGS.img_size=16",
    "MODEL.BACKBONE_ARGS.patch_size=8",
    "MODEL.BACKBONE_ARGS.depth=2",
]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint: dict[str, Any] = torch.load(folder / "model_latest.pth", weights_only=True)
    assert checkpoint["iteration"] == 6
    return checkpoint["model"]  # type: ignore[no-any-return]


def assert_alike(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-4, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}")


def train(run: Run, folder: Path, *options: str) -> str:
    return run("train_net_all.py", *OPTIONS, f"MISC.CKPT={folder}", *options).succeeded().output


def test_ranks_and_parts_of_a_batch_change_nothing(run: Run, tmp_path: Path) -> None:
    train(run, tmp_path / "one", "--nproc", "1")
    output = train(run, tmp_path / "two", "--nproc", "2", "SOLVER.ACCUMULATION=2")
    assert "2 processes on cpu" in output
    assert_alike(weights(tmp_path / "two"), weights(tmp_path / "one"))
    assert (tmp_path / "two" / "logs" / "train_rank1.log").exists()


def test_a_sharded_run_is_continued_by_one_process(run: Run, tmp_path: Path) -> None:
    train(run, tmp_path / "one", "--nproc", "1")
    folder = tmp_path / "sharded"
    train(run, folder, "--nproc", "2", "TRAIN.PARALLEL=fsdp", "SOLVER.SNAPSHOT_ITER=3", "SOLVER.SCHEDULER.TOTAL_ITERS=3")
    assert (folder / "model_iter3.dcp").is_dir()
    output = train(run, folder, "--nproc", "1", "TRAIN.PARALLEL=none")
    assert "continuing from iteration 3 of 6" in output
    assert_alike(weights(folder), weights(tmp_path / "one"))


def test_the_test_of_two_processes_counts_every_sample_once(run: Run, tmp_path: Path) -> None:
    train(run, tmp_path / "run", "--nproc", "1")
    results = []
    for count in ("1", "2"):
        run("test_net_all.py", *OPTIONS, f"MISC.CKPT={tmp_path}/run", "--nproc", count).succeeded()
        folder = tmp_path / "run" / "test"
        assert len((folder / "predictions.jsonl").read_text().splitlines()) == 360
        results.append(((folder / "metrics.json").read_text(), (folder / "predictions.jsonl").read_text()))
    assert results[0][0] == results[1][0]
    ids = [[line.partition('"id": ')[2].partition(",")[0] for line in predictions.splitlines()] for _, predictions in results]
    assert ids[0] == ids[1]
