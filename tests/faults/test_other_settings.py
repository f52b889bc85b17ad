"""Promise 9: a run continues with other settings where that is possible, says what changed, and refuses the rest."""

import json
import signal
from typing import Any

import pytest
import torch

from tests.faults.conftest import Happened
from tests.faults.training import LENGTH, Training

# batch norm sees the samples of one process only; with a network that has none, two processes compute the same
NETWORK = (
    "MODEL.BACKBONE=timm/vit_tiny_patch16_224",
    "MODEL.BACKBONE_ARGS.img_size=16",
    "MODEL.BACKBONE_ARGS.patch_size=8",
    "MODEL.BACKBONE_ARGS.depth=2",
    "SOLVER.OPTIMIZER.BASE_LR=0.01",
)
# notes the samples of every iteration that was computed, and asks for the end in iteration STOP_AT
WATCH = """
import json, os, signal
from petlib.engine.step import DefaultStep

rank, stop_at = os.environ.get("RANK", "0"), int(os.environ.get("STOP_AT", "0"))
forward_backward = DefaultStep._forward_backward

def watch(self, state, batch):
    with open("samples.jsonl", "a") as file:
        note = {"iteration": state.iteration, "rank": int(rank), "samples": [meta["index"] for meta in batch["meta"]]}
        file.write(json.dumps(note) + "\\n")
    if rank == "0" and state.iteration == stop_at - 1:
        os.kill(os.getpid(), signal.SIGTERM)
    forward_backward(self, state, batch)

DefaultStep._forward_backward = watch
"""


def samples(training: Training) -> list[int]:
    """Return the samples of the whole run in the order of the stream, and forget them."""
    path = training.root / "samples.jsonl"
    notes = [json.loads(line) for line in path.read_text().splitlines()]
    path.unlink()
    assert sorted({note["iteration"] for note in notes}) == list(range(LENGTH))
    return [index for note in sorted(notes, key=lambda note: (note["iteration"], note["rank"])) for index in note["samples"]]


def losses(training: Training) -> list[float]:
    assert training.logged_iterations() == list(range(1, LENGTH + 1))
    records = [json.loads(line) for line in (training.folder / "metrics.jsonl").read_text().splitlines()]
    return [record["loss_cls"] for record in records if "loss_cls" in record]


@pytest.mark.fault(9, "another architecture, then other settings")
def test_what_cannot_continue_is_refused_and_what_can_is_said(training: Training, happened: Happened) -> None:
    short = "SOLVER.SCHEDULER.TOTAL_ITERS=5"
    code, printed = training.run_script(short)
    assert code == 0, printed
    before = (training.folder / "model_latest.pth").read_bytes()

    code, printed = training.run_script(short, "MODEL.BACKBONE=resnet32", "TRAIN.NUM_WORKERS=1")
    assert code == 2, printed
    message = printed[printed.index("error: ") :]
    assert "the weights are those of another architecture" in message
    assert "\n  TRAIN.NUM_WORKERS: 0 -> 1 (no effect on the weights)\n" in message
    assert "\n  MODEL.BACKBONE: 'resnet20' -> 'resnet32' (counts from here on)\n" in message
    assert "Traceback" not in printed
    assert (training.folder / "model_latest.pth").read_bytes() == before

    code, printed = training.run_script("SOLVER.SCHEDULER.TOTAL_ITERS=7", "SOLVER.OPTIMIZER.BASE_LR=0.02", "TRAIN.BATCH_SIZE=64")
    assert code == 0, printed
    assert "continuing from iteration 5 of 7" in printed
    assert "\n  SOLVER.OPTIMIZER.BASE_LR: 0.1 -> 0.02 (counts from here on)\n" in printed
    assert "\n  SOLVER.SCHEDULER.TOTAL_ITERS: 5 -> 7 (the rate is that of the new schedule from here on" in printed
    assert "\n  TRAIN.BATCH_SIZE: 128 -> 64 (iterations are counted on" in printed
    assert "an epoch had 11 iterations and has 22 now" in printed
    groups = training.checkpoint()["optimizers"]["main"]["param_groups"]
    assert {group["initial_lr"] for group in groups} == {0.02}
    happened("another backbone: exit code 2; another rate, batch and length: listed, and continued")


@pytest.mark.nightly
@pytest.mark.fault(9, "another optimizer, and other parameter groups")
@pytest.mark.parametrize(
    ("setting", "listed"),
    [
        ("SOLVER.OPTIMIZER.NAME=AdamW", "SOLVER.OPTIMIZER.NAME: 'SGD' -> 'AdamW' (cannot be continued: "),
        ("SOLVER.OPTIMIZER.WEIGHT_DECAY_NORM=0.5", "SOLVER.OPTIMIZER.WEIGHT_DECAY_NORM: 0.0 -> 0.5 (counts from here on)"),
    ],
)
def test_another_optimizer_is_refused(training: Training, happened: Happened, setting: str, listed: str) -> None:
    code, printed = training.run_script("SOLVER.SCHEDULER.TOTAL_ITERS=4")
    assert code == 0, printed
    code, printed = training.run_script("SOLVER.SCHEDULER.TOTAL_ITERS=8", setting)
    assert code == 2, printed
    assert listed in printed
    assert "Traceback" not in printed
    happened("exit code 2, the setting is named")


@pytest.mark.nightly
@pytest.mark.fault(9, "two ranks, then one, then two")
def test_another_number_of_ranks_continues_with_the_same_samples(training: Training, happened: Happened) -> None:
    watch = training.module("watch", WATCH)
    options = (*NETWORK, watch)
    code, printed = training.run_script(*options)
    assert code == 0, printed
    wanted, wanted_losses, reference = samples(training), losses(training), training.checkpoint()["model"]
    # 1,437 samples: each once in the first epoch, and once in the second
    assert sorted(wanted[:1437]) == sorted(wanted[1437:2874]) == list(range(1437))

    (training.folder).rename(training.root / "undisturbed")
    code, printed = training.run(*options, ranks=2, environment={"STOP_AT": "5"})
    assert code == 128 + signal.SIGTERM, printed
    code, printed = training.run_script(*options, environment={"STOP_AT": "15"})
    assert code == 128 + signal.SIGTERM, printed
    assert "the checkpoint is of 2 processes, now there are 1: the batches stay the same" in printed
    code, printed = training.run(*options, ranks=2)
    assert code == 0, printed
    assert "the checkpoint is of 1 processes, now there are 2: the batches stay the same" in printed
    assert samples(training) == wanted
    assert losses(training) == pytest.approx(wanted_losses, rel=1e-3)
    assert_close(training.checkpoint()["model"], reference)
    happened("every sample once in each epoch, the same losses and weights within rounding")


def assert_close(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-3, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")
