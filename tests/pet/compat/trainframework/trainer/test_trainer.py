import logging
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn
from torch.distributed.tensor import DTensor

from pet.compat.trainframework.configuration import TrainFrameworkConfig
from pet.compat.trainframework.model.build import BUILD_MODEL_REGISTRY
from pet.compat.trainframework.schedule.scheduler import build_trainer
from pet.compat.trainframework.trainer.build import BUILD_TRAINER_REGISTRY
from pet.compat.trainframework.trainer.trainer import BaseTrainer
from petlib.checkpoint.locate import read_checkpoint
from petlib.data.seeding import seed_everything
from petlib.engine.hook import Hook
from petlib.engine.state import BatchStream, TrainState
from petlib.errors import CheckpointError, ConfigError, UserError
from tests.conftest import RunRanks
from tests.faults.training import assert_same_state
from tests.pet.compat.trainframework.project import GAN, TinyModel, TinyPairs, make_config

EXACT: dict[str, Any] = {
    **GAN,
    "trainer.model.generator": {"name": "TinyNet", "dropout": 0.3, "norm": True},
    "trainer.model.ema": {"enable": True, "decay_rate": 0.5},
    "solver.generator.optimizer": {"type": "Adam", "params": {"lr": 0.1}, "clip_gradients": {"enabled": True, "clip_value": 0.1}},
    "solver.generator.lr_scheduler": {"params": {"lr_scheduler_param": {"name": "WarmupCosineLR"}, "warmup_iter": 1}},
    "solver.gradient_accumulation_batch": 2,
    "solver.checkpoint_period": 2,
    "solver.max_iter": 4,
}


def train(cfg: TrainFrameworkConfig) -> BaseTrainer:
    seed_everything(cfg.run.MISC.SEED)
    trainer = build_trainer(cfg)
    trainer.loop()
    return trainer


class InterruptedTrainingError(Exception):
    """What ends a training in its middle here."""


class StopAfter(BaseTrainer):
    """Ends with an error in the third iteration, when the second is saved or being saved."""

    iterations = 0

    def iterate_after(self, epoch: int, loss_dict: dict[str, float]) -> None:
        self.iterations += 1
        if self.iterations == 3:
            raise InterruptedTrainingError


BUILD_TRAINER_REGISTRY.register()(StopAfter)


def test_a_gan_that_was_interrupted_ends_bit_for_bit_as_one_that_was_not(tmp_path: Path) -> None:
    train(make_config(tmp_path / "whole", EXACT))
    with pytest.raises(InterruptedTrainingError):
        train(make_config(tmp_path / "parts", {**EXACT, "trainer.name": "StopAfter"}))
    assert [path.name for path in (tmp_path / "parts").glob("model_iter*")] == ["model_iter2.pth"]
    train(make_config(tmp_path / "parts", EXACT, resume=True))
    whole, parts = (read_checkpoint(tmp_path / name / "model_latest.pth") for name in ("whole", "parts"))
    assert whole["iteration"] == parts["iteration"] == 4
    assert list(whole["optimizers"]) == list(whole["schedulers"]) == ["generator", "discriminator"]
    for part in ("model", "ema", "optimizers", "schedulers", "random"):
        assert_same_state(whole[part], parts[part], part)


def averages_of(folder: Path, changes: dict[str, Any]) -> dict[str, bool]:
    """Return for each network whether its average differs from its weights after a training."""
    train(make_config(folder, {**EXACT, **changes}))
    saved = read_checkpoint(folder / "model_latest.pth")
    names = [name for name in saved["model"] if name.endswith("linear.weight")]
    return {name.partition(".")[0]: not torch.equal(saved["model"][name], saved["ema"][name]) for name in names}


def test_the_average_of_the_model_is_that_of_its_generator(tmp_path: Path) -> None:
    assert averages_of(tmp_path, {}) == {"g_model": True, "d_model": False}


def test_every_network_may_have_an_average_of_its_own(tmp_path: Path) -> None:
    own = {"trainer.model.ema.enable": False, "solver.discriminator.ema": {"enable": True, "decay_rate": 0.5}}
    assert averages_of(tmp_path, own) == {"g_model": False, "d_model": True}


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"enable": True, "decay": 0.5}, "solver.generator.ema: ema: unknown argument 'decay'"),
        ({"decay_rate": 1.5}, "solver.generator.ema.decay_rate: 1.5 given, a number from 0 to below 1 expected"),
    ],
)
def test_a_wrong_block_of_an_average(tmp_path: Path, block: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train(make_config(tmp_path, {"solver.generator.ema": block}))


def test_a_training_of_one_network_goes_on_bit_for_bit(tmp_path: Path) -> None:
    changes = {"trainer.model.generator.dropout": 0.3, "solver.checkpoint_period": 1}
    train(make_config(tmp_path / "whole", {**changes, "solver.max_iter": 4}))
    train(make_config(tmp_path / "parts", {**changes, "solver.max_iter": 2}))
    train(make_config(tmp_path / "parts", {**changes, "solver.max_iter": 4}, resume=True))
    whole, parts = (read_checkpoint(tmp_path / name / "model_latest.pth") for name in ("whole", "parts"))
    assert_same_state(whole["model"], parts["model"])
    assert_same_state(whole["random"], parts["random"])


def test_the_parts_of_a_batch_train_as_the_whole_batch(tmp_path: Path) -> None:
    one = train(make_config(tmp_path / "one"))
    two = train(make_config(tmp_path / "two", {"solver.gradient_accumulation_batch": 2}))
    assert torch.allclose(one.model.g_model.linear.weight, two.model.g_model.linear.weight, atol=1e-6)


def train_a_rank(folder: str, changes: dict[str, Any]) -> list[list[float]]:
    trainer = train(make_config(Path(folder), {**changes, "trainer.name": "Listening"}))
    assert isinstance(trainer, Listening)
    assert trainer.outputs.shape == (3, 2)
    whole = [parameter.full_tensor() if isinstance(parameter, DTensor) else parameter for parameter in trainer.model.parameters()]
    return [parameter.flatten().tolist() for parameter in whole]


@pytest.mark.parametrize("changes", [{}, GAN, {"trainer.parallel": "FSDP2"}])
def test_two_processes_train_as_one(run_ranks: RunRanks, tmp_path: Path, changes: dict[str, Any]) -> None:
    first, second = run_ranks(train_a_rank, 2, str(tmp_path / "two"), changes)
    alone = train(make_config(tmp_path / "one", changes))
    assert first == second
    for parameter, values in zip(alone.model.parameters(), first, strict=True):
        assert values == pytest.approx(parameter.flatten().tolist(), abs=1e-6)


class Listening(BaseTrainer):
    """Notes what it is given."""

    def __init__(self, cfg: TrainFrameworkConfig) -> None:
        super().__init__(cfg)
        self.received: list[tuple[int, dict[str, float]]] = []
        self.outputs: Any = None

    def iterate_after(self, epoch: int, loss_dict: dict[str, float]) -> None:
        self.received.append((epoch, loss_dict))

    def after_loop(self) -> None:
        assert list(Path(self.cfg.run.MISC.CKPT).glob("model_latest.*"))
        self.outputs = self.model.generator(torch.zeros(3, 2))


BUILD_TRAINER_REGISTRY.register()(Listening)


def test_a_trainer_gets_the_losses_of_each_iteration_and_the_end(tmp_path: Path) -> None:
    # both iterations are in the first epoch of the data
    trainer = train(make_config(tmp_path, {"trainer.name": "Listening", "dataloader.train_data_set.count": 8}))
    assert isinstance(trainer, Listening)
    assert [epoch for epoch, _ in trainer.received] == [0, 1]
    assert all(list(losses) == ["mse"] and type(losses["mse"]) is float for _, losses in trainer.received)
    assert trainer.outputs.shape == (3, 2)
    assert isinstance(trainer.model, TinyModel)
    assert trainer.model.epochs == [0, 1]
    assert trainer.model.kept_losses is None


class CountingHook(Hook):
    """Counts what it is called for."""

    order = 51
    key = "counting"
    count = 0

    def after_step(self, state: TrainState) -> None:
        self.count += 1


class WithHook(BaseTrainer):
    """Has a hook of its own."""

    hook = CountingHook()

    def build_hooks(self) -> list[Hook]:
        return [self.hook]


BUILD_TRAINER_REGISTRY.register()(WithHook)


def test_the_network_is_compiled_where_the_config_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # compiled by Inductor each network takes a minute; that the layer asks for it, and of which, is what can go wrong here
    compiled: list[nn.Module] = []
    monkeypatch.setattr(nn.Module, "compile", lambda module: compiled.append(module))  # noqa: PLW0108 -- a method has to be a function
    trainer = train(make_config(tmp_path, {"pet": {"MISC.COMPILE": "always"}}))
    assert compiled == [trainer.model]


def test_settings_under_pets_names_and_hooks_of_ones_own(tmp_path: Path) -> None:
    amp = {"SOLVER.AMP.ENABLED": True, "SOLVER.AMP.DTYPE": "bf16"}
    trainer = train(make_config(tmp_path, {"trainer.name": "WithHook", "pet": amp}))
    assert isinstance(trainer, WithHook)
    assert trainer.hook.count == 2
    assert yaml.safe_load(read_checkpoint(tmp_path / "model_latest.pth")["config"])["SOLVER"]["AMP"]["ENABLED"]
    with pytest.raises(ConfigError, match="pet: TRAIN.BATCH_SIZE is called solver.train_per_batch here"):
        make_config(tmp_path, {"pet": {"TRAIN.BATCH_SIZE": 2}})
    with pytest.raises(ConfigError, match=r"pet: SOLVER.AMP.ENABLED: True given; several networks are trained in full precision"):
        train(make_config(tmp_path / "gan", {**EXACT, "pet": amp}))


def test_no_losses_are_kept_for_a_trainer_that_does_not_want_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(TinyModel, "run_step", lambda self, data, **_: seen.append(self.kept_losses) or self.g_model.linear.weight.sum())
    train(make_config(tmp_path))
    assert seen == [None, None]


def test_the_validation_set_is_measured_sample_by_sample(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    changes = {
        "trainer.model.name": "TinyMeasuredModel",
        "dataloader.val_data_set": {"name": "TinyPairs", "count": 5},
        "solver.test_per_batch": 4,
        "solver.best_rule": "less",
    }
    trainer = train(make_config(tmp_path, changes))
    figures = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8")
    assert '"val/one": 1.0' in figures
    hook_state = read_checkpoint(tmp_path / "model_best.pth")["hooks"]["evaluation"]
    data = trainer._build_evaluation()
    assert data is not None
    values = torch.cat([batch["target_data"][:, 0] for batch in data.loader])
    assert len(values) == 5
    assert hook_state["best_value"] == pytest.approx(values.double().mean().item())


def test_a_validation_set_that_nothing_measures_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        train(make_config(tmp_path, {"dataloader.val_data_set": {"name": "TinyPairs"}}))
    assert "nothing measures the validation set: TinyModel has no evaluate_step(data)" in caplog.text


@BUILD_MODEL_REGISTRY.register()
class TinyWithMore(TinyModel):
    def __init__(self, cfg: TrainFrameworkConfig) -> None:
        super().__init__(cfg)
        self.extra = nn.Linear(2, 2)


def test_what_has_no_optimizer_stays_as_it_is_and_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    changes = {"trainer.model.name": "TinyWithMore", "trainer.model.critic": {"name": "TinyNet"}}
    with caplog.at_level(logging.INFO):
        trainer = train(make_config(tmp_path, changes))
    assert "4 parameters have no optimizer and stay as they are: those of critic_model, extra" in caplog.text
    assert not any(parameter.requires_grad for parameter in trainer.model.critic_model.parameters())
    assert all(parameter.requires_grad for parameter in trainer.model.g_model.parameters())


def test_weights_are_taken_from_a_checkpoint_and_from_a_bare_network(tmp_path: Path) -> None:
    source = build_trainer(make_config(tmp_path)).model
    torch.save(source.g_model.state_dict(), tmp_path / "bare.pth")
    torch.save({"model": source.state_dict()}, tmp_path / "whole.pth")
    for name in ("bare.pth", "whole.pth"):
        model = build_trainer(make_config(tmp_path, {"trainer.weights": str(tmp_path / name)})).model
        assert_same_state(model.state_dict(), source.state_dict())


@pytest.mark.parametrize("returns", ["none", "vector", "number", "empty", "detached"])
def test_a_model_without_a_loss_is_reported_in_one_message(tmp_path: Path, returns: str) -> None:
    with pytest.raises(ConfigError, match=r"TinyModel.run_step"):
        train(make_config(tmp_path, {"trainer.model.returns": returns}))
    assert not (tmp_path / "model_latest.pth").exists()


def test_a_loss_that_is_not_finite_ends_the_training_before_anything_is_saved(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"the loss became nan in iteration 1 .*\n.*\n.*with --resume the run .*Lower lr in optimizer.params"
    ):
        train(make_config(tmp_path, {"trainer.model.returns": "nan"}))
    assert not (tmp_path / "model_latest.pth").exists()


def test_a_checkpoint_of_another_network_is_reported_and_not_touched(tmp_path: Path) -> None:
    train(make_config(tmp_path))
    before = (tmp_path / "model_latest.pth").read_bytes()
    with pytest.raises(CheckpointError, match=r"g_model.linear.weight \[2, 2\] in the file, \[3, 2\] in the model"):
        train(make_config(tmp_path, {"trainer.model.generator.outputs": 3}, resume=True))
    assert (tmp_path / "model_latest.pth").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainer.name": "BaseTrainr"}, "trainer.name: unknown trainer 'BaseTrainr'; did you mean BaseTrainer"),
        ({"solver.max_itr": 3}, "solver.max_itr: unknown key, nothing reads it; did you mean solver.max_iter"),
        ({"trainer.model.los": {"a": 1}}, "trainer.model.los: unknown key, nothing reads it"),
        ({"trainer.parallel": "fsdp", **GAN}, "trainer.parallel: fsdp shards a model with one optimizer"),
        ({"dataloader.train_data_set.count": 3}, "it has 3 samples, fewer than one batch"),
    ],
)
def test_a_wrong_config_is_reported_before_the_training(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        train(make_config(tmp_path, changes))
    assert not (tmp_path / "model_latest.pth").exists()


@pytest.mark.parametrize("changes", [{}, GAN], ids=["one network", "two networks"])
def test_iterations_that_are_not_finite_can_be_left_out(tmp_path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def nan_once(batch: dict[str, Any]) -> dict[str, Any]:
        calls.append(None)
        return {**batch, "input_data": batch["input_data"] * (torch.nan if len(calls) == 2 else 1.0)}

    item = BatchStream.__next__
    monkeypatch.setattr(BatchStream, "__next__", lambda stream: nan_once(item(stream)))
    train(make_config(tmp_path, {**changes, "solver.nonfinite": "skip", "solver.max_iter": 4}))
    saved = read_checkpoint(tmp_path / "model_latest.pth")
    assert saved["hooks"]["skipped_steps"] == {"count": 1, "in_a_row": 0}
    assert all(bool(value.isfinite().all()) for value in saved["model"].values())


def test_samples_that_cannot_be_read_can_be_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = TinyPairs.__getitem__

    def torn(data_set: TinyPairs, index: int) -> Any:
        if index == 1:
            raise OSError("the tape is torn")
        return item(data_set, index)

    monkeypatch.setattr(TinyPairs, "__getitem__", torn)
    train(make_config(tmp_path / "skip", {"dataloader.on_error": "skip", "solver.max_iter": 8}))
    assert '"index": 1, "file": "", "reason": "OSError: the tape is torn"' in (tmp_path / "skip" / "skipped_samples.jsonl").read_text()
    with pytest.raises(OSError, match="the tape is torn"):
        train(make_config(tmp_path / "raise", {"solver.max_iter": 8}))


def test_names_of_a_data_set_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TinyPairs, "label_map", {"cat": 0, "dog": 1}, raising=False)
    trainer = train(make_config(tmp_path, {"solver.max_iter": 1}))
    assert read_checkpoint(Path(trainer.cfg.run.MISC.CKPT) / "model_latest.pth")["names"] == {"classes": ["cat", "dog"]}
