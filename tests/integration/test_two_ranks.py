"""Two processes train the model that one process trains."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.integration.conftest import DIGITS, Run
from tests.integration.many_runs import run_many

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


def assert_close_weights(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-4, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process trained, without launcher."""
    folder = tmp_path_factory.mktemp("one")
    (done,) = run_many([("vision/train_net.py", [*OPTIONS, f"MISC.CKPT={folder}"])], folder)
    done.succeeded()
    return folder


def train_two(run: Run, folder: Path, *options: str) -> str:
    return run("train_net_all.py", *OPTIONS, f"MISC.CKPT={folder}", "--nproc", "2", *options).succeeded().output


def test_ranks_and_parts_of_a_batch_change_nothing(one: Path, run: Run, tmp_path: Path) -> None:
    output = train_two(run, tmp_path / "two", "SOLVER.ACCUMULATION=2")
    assert "2 processes on cpu" in output
    assert_close_weights(weights(tmp_path / "two"), weights(one))
    assert (tmp_path / "two" / "logs" / "train_rank1.log").exists()


def test_a_sharded_run_is_continued_by_one_process(one: Path, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "sharded"
    train_two(run, folder, "TRAIN.PARALLEL=fsdp", "SOLVER.SNAPSHOT_ITER=3", "SOLVER.SCHEDULER.TOTAL_ITERS=3")
    assert (folder / "model_iter3.dcp").is_dir()
    done = run("vision/train_net.py", *OPTIONS, f"MISC.CKPT={folder}", "TRAIN.PARALLEL=none").succeeded()
    assert "continuing from iteration 3 of 6" in done.output
    assert_close_weights(weights(folder), weights(one))


def test_the_test_of_two_processes_counts_every_sample_once(one: Path, run: Run) -> None:
    results = []
    for words in (("test_net.py",), ("test_net_all.py", "--nproc", "2")):
        run(*words, *OPTIONS, f"MISC.CKPT={one}").succeeded()
        folder = one / "test"
        assert len((folder / "predictions.jsonl").read_text().splitlines()) == 360
        results.append(((folder / "metrics.json").read_text(), (folder / "predictions.jsonl").read_text()))
    assert results[0][0] == results[1][0]
    ids = [[line.partition('"id": ')[2].partition(",")[0] for line in predictions.splitlines()] for _, predictions in results]
    assert ids[0] == ids[1]
