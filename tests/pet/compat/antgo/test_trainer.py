"""Training from one config, with the network of the document."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from pet.compat.antgo.framework.helper.models.builder import MODELS
from pet.compat.antgo.framework.helper.runner import BaseModule
from pet.compat.antgo.framework.helper.runner.builder import *  # noqa: F403  # as the document imports it
from pet.compat.antgo.framework.helper.trainer import Trainer
from pet.compat.antgo.samples import PipelineDataset
from petlib.config.nested import nested_of
from petlib.engine.hook import Hook
from petlib.engine.hooks.nan_guard import TrainingDivergedError
from petlib.engine.state import TrainState
from petlib.errors import CheckpointError, ConfigError, DataError
from tests.pet.compat.antgo.document import COUNT, SIZE, EncoderDecoder, tiny_config

SEEN: dict[str, Any] = {}


@MODELS.register_module()
class OneWeight(BaseModule):
    """What a test says is what it returns."""

    def __init__(self, returns: str = "loss", fails_at: int = 0) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))
        self.returns = returns
        self.fails_at = fails_at
        self.calls = 0

    def forward_train(self, image: torch.Tensor, segments: torch.Tensor) -> Any:
        self.calls += 1
        if self.calls == self.fails_at:
            raise RuntimeError("the power is gone")
        loss = (self.weight * image.mean((0, 2, 3)) * 10).sum()
        return {
            "loss": {"loss_a": loss, "aux_loss": 2 * loss, "mean": image.mean(), "count": 3},
            "no loss": {"acc": loss},
            "nothing": None,
            "a vector": {"loss": self.weight},
            "a number": {"loss": 1.0},
            "nan": {"loss": loss * float("nan")},
        }[self.returns]

    def forward_test(self, image: torch.Tensor, segments: torch.Tensor) -> Any:
        return {"pred_segments": list(segments.cpu()), "score": image.mean((1, 2, 3))}


@MEASURES.register_module()  # noqa: F405
class Remembers:
    """Keeps what it was given."""

    def keys(self) -> dict[str, list[str]]:
        return {"pred": ["score", "pred_segments"], "gt": ["segments"]}

    def __call__(self, preds: list[dict[str, Any]], gts: list[dict[str, Any]]) -> dict[str, float]:
        SEEN["preds"], SEEN["gts"] = preds, gts
        same = [np.array_equal(pred["pred_segments"], gt["segments"]) for pred, gt in zip(preds, gts, strict=True)]
        return {"same": float(np.mean(same)), "count": len(preds)}


def train(folder: Path, epochs: int = 1, *, with_validate: bool = False, resume: bool = True, **changes: Any) -> Trainer:
    trainer = Trainer(tiny_config(**changes), folder, device="cpu")
    trainer.config_dataloader(with_validate=with_validate)
    trainer.config_model()
    trainer.start_train(max_epochs=epochs, resume=resume)
    return trainer


def records(folder: Path, name: str) -> list[Any]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def one_weight(**arguments: Any) -> dict[str, Any]:
    return {"type": "OneWeight", **arguments}


def test_the_network_of_the_document_learns(tmp_path: Path) -> None:
    trainer = train(tmp_path, epochs=6, with_validate=True)
    assert isinstance(trainer.model, EncoderDecoder)
    losses, scores = records(tmp_path, "loss_decode"), records(tmp_path, "miou")
    assert len(losses) == 6 * COUNT // 4
    assert losses[-1] < 0.8 * losses[0]
    assert len(scores) == 6
    # the policy counts epochs, the two iterations of the warm-up are a factor of it
    assert records(tmp_path, "lr")[:4] == pytest.approx([0.05 * 0.1, 0.05 * 0.55, 0.05, 1e-5 + (0.05 - 1e-5) * 0.9330127])
    best = torch.load(tmp_path / "model_best.pth", weights_only=True)
    assert best["hooks"]["evaluation"]["best_value"] == max(scores)
    assert best["iteration"] == 3 * (scores.index(max(scores)) + 1)
    assert {path.name for path in tmp_path.glob("model_iter*.pth")} == {"model_iter15.pth", "model_iter18.pth"}


def test_a_config_may_be_a_file_a_dictionary_or_loaded(tmp_path: Path) -> None:
    values = tiny_config(model=one_weight())
    file = tmp_path / "x.py"
    file.write_text("\n".join(f"{name} = {value!r}" for name, value in values.items()))
    found = []
    for number, cfg in enumerate((str(file), values, nested_of(values, source="a program"))):
        trainer = Trainer(cfg, tmp_path / str(number), device="cpu")
        trainer.config_dataloader()
        trainer.config_model()
        trainer.start_train(max_epochs=1)
        found.append(weights(trainer))
    assert same(found[0], found[1])
    assert same(found[0], found[2])


class CountingHook(Hook):
    """Counts what it is called for."""

    order = 51
    key = "counting"
    count = 0

    def after_step(self, state: TrainState) -> None:
        self.count += 1


def test_the_network_is_compiled_where_the_config_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # compiled by Inductor each network takes a minute; that the layer asks for it, and of which, is what can go wrong here
    compiled: list[torch.nn.Module] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module: compiled.append(module))  # noqa: PLW0108 -- a method has to be a function
    trainer = Trainer(tiny_config(pet={"MISC.COMPILE": "always"}), tmp_path)
    trainer.config_dataloader()
    trainer.config_model()
    trainer.start_train(max_epochs=1)
    assert len(compiled) == 1
    assert sum(parameter.numel() for parameter in compiled[0].parameters()) > 0
    with pytest.raises(ConfigError, match=r"pet: .*MISC.COMPILE: True"):
        Trainer(tiny_config(pet={"MISC.COMPILE": True}), tmp_path)


def test_a_config_may_have_its_length_a_note_and_settings_under_pets_names(tmp_path: Path) -> None:
    pet = {"SOLVER.EMA.ENABLED": True, "SOLVER": {"ACCUMULATION": 2, "AMP": {"ENABLED": True, "DTYPE": "bf16"}}}
    hook = CountingHook()
    trainer = Trainer(tiny_config(max_epochs=2, info={"task": "x"}, pet=pet), tmp_path)
    trainer.config_dataloader()
    trainer.config_model()
    trainer.start_train(hooks=[hook])
    saved = torch.load(tmp_path / "model_latest.pth", weights_only=True)
    assert saved["epoch"] == 2
    assert hook.count == saved["iteration"] > 0
    assert saved["ema"] is not None
    assert yaml.safe_load(saved["config"])["SOLVER"]["AMP"]["ENABLED"]
    with pytest.raises(ConfigError, match=r"pet: SOLVER.SCHEDULER.TOTAL_EPOCHS is called max_epochs here; set that"):
        Trainer(tiny_config(pet={"SOLVER.SCHEDULER.TOTAL_EPOCHS": 2}), tmp_path)
    with pytest.raises(ConfigError, match=r"pet: SOLVER.AMP.ENABLE: unknown key; did you mean SOLVER.AMP.ENABLED"):
        Trainer(tiny_config(pet={"SOLVER.AMP.ENABLE": True}), tmp_path)


def test_all_entries_with_loss_in_their_names_are_summed(tmp_path: Path) -> None:
    trainer = train(tmp_path, model=one_weight(), optimizer={"type": "SGD", "lr": 0.1}, lr_config={"policy": "Fixed"})
    losses, total = records(tmp_path, "loss_a"), records(tmp_path, "total_loss")
    assert total == pytest.approx([3 * value for value in losses], rel=1e-5)
    assert records(tmp_path, "count") == [3.0, 3.0, 3.0]
    # every sample is seen once, so the weight moved by three times the sum of the mean gradients
    images = np.stack([np.asarray(_sample(index)["image"]) for index in range(COUNT)])
    assert trainer.model.weight.detach().numpy() == pytest.approx(1 - 0.1 * 3 * 10 * 3 * images.mean((0, 2, 3)), rel=1e-4)


def test_an_interrupted_training_goes_on_exactly(tmp_path: Path) -> None:
    expected = weights(train(tmp_path / "whole", epochs=3))
    with pytest.raises(RuntimeError, match="power is gone"):
        train(tmp_path / "cut", epochs=3, model=one_weight(fails_at=5))
    cut = train(tmp_path / "cut", epochs=3, model=one_weight())
    assert same(weights(cut), weights(train(tmp_path / "other", epochs=3, model=one_weight())))
    # a longer training of the same work_dir goes on, and one that begins anew is the same as the first
    longer = train(tmp_path / "whole", epochs=4)
    assert records(tmp_path / "whole", "iteration") == list(range(1, 13))
    assert not same(weights(longer), expected)
    assert same(weights(train(tmp_path / "whole", epochs=3, resume=False)), expected)


def test_a_training_that_is_done_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = weights(train(tmp_path, epochs=2, model=one_weight()))
    assert same(weights(train(tmp_path, epochs=2, model=one_weight())), done)
    assert "the 2 epochs are done; a greater max_epochs, or another work_dir, trains on" in capsys.readouterr().out
    assert records(tmp_path, "iteration") == [1, 2, 3, 4, 5, 6]


def test_weights_follow_from_the_seed_or_from_a_file(tmp_path: Path) -> None:
    def begin(load_from: Path | None = None, **changes: Any) -> dict[str, torch.Tensor]:
        trainer = Trainer(tiny_config(**changes), tmp_path, device="cpu")
        trainer.config_model(load_from=load_from)
        return weights(trainer)

    assert same(begin(seed=1), begin(seed=1))
    assert not same(begin(seed=1), begin(seed=2))
    torch.save(begin(seed=1), tmp_path / "bare.pth")
    assert same(begin(tmp_path / "bare.pth", seed=2), begin(seed=1))


@pytest.mark.parametrize(("norm_type", "measured"), [(2, 2.0), (float("inf"), float("inf"))])
def test_gradients_are_clipped_by_their_norm(tmp_path: Path, norm_type: float, measured: float) -> None:
    trainer = train(
        tmp_path,
        model=one_weight(),
        optimizer={"type": "SGD", "lr": 1.0},
        optimizer_config={"grad_clip": {"max_norm": 0.5, "norm_type": norm_type}},
        lr_config={"policy": "Exp", "gamma": 0.0, "by_epoch": False},
    )
    moved = trainer.model.weight.detach() - 1
    assert float(torch.linalg.vector_norm(moved, measured)) == pytest.approx(0.5, rel=1e-4)


def test_a_measure_gets_every_sample_once_in_order_as_numpy(tmp_path: Path) -> None:
    config = {"model": one_weight(), "evaluation": {"interval": 1, "metric": [{"type": "Remembers"}], "save_best": "same"}}
    data = tiny_config()["data"]
    train(tmp_path, with_validate=True, **config, data={**data, "val_dataloader": {"samples_per_gpu": 5}})
    assert records(tmp_path, "same") == [1.0]
    assert len(SEEN["preds"]) == COUNT
    assert all(np.array_equal(gt["segments"], _sample(index)["segments"]) for index, gt in enumerate(SEEN["gts"]))
    assert all(isinstance(pred["score"], np.ndarray) and set(pred) == {"score", "pred_segments"} for pred in SEEN["preds"])
    assert [float(pred["score"]) for pred in SEEN["preds"]] == pytest.approx(
        [_sample(index)["image"].mean() for index in range(COUNT)], rel=1e-4
    )


def test_an_out_dir_that_is_the_work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train(Path("output"), model=one_weight(), checkpoint_config={"out_dir": "./output/"})
    assert sorted(path.name for path in tmp_path.rglob("*.pth")) == ["model_iter3.pth", "model_latest.pth"]
    assert (tmp_path / "output" / "model_latest.pth").exists()


def test_folders_lie_below_the_work_dir(tmp_path: Path) -> None:
    train(tmp_path, model=one_weight(), checkpoint_config={"interval": 1, "out_dir": "./kept/", "max_keep_ckpts": 1})
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["model_iter3.pth", "model_latest.pth"]
    assert (tmp_path / "metrics.jsonl").exists()
    train(tmp_path, 2, model=one_weight(), checkpoint_config={"interval": 1, "out_dir": "./kept/", "max_keep_ckpts": 1})
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["model_iter6.pth", "model_latest.pth"]


@pytest.mark.parametrize(
    ("returns", "error", "message"),
    [
        ("no loss", ConfigError, "forward_train returned 'acc'; at least one loss expected, an entry with 'loss' in its name"),
        ("nothing", ConfigError, "forward_train returned a NoneType; a dictionary of losses expected"),
        ("a vector", ConfigError, r"returned 'loss' as a tensor \(3,\); a scalar tensor expected: take its mean or sum"),
        ("a number", ConfigError, "returned 'loss' as a float; a scalar tensor expected"),
        (
            "nan",
            TrainingDivergedError,
            "the loss became nan in iteration 1 .*\n.*samples of that iteration: .*\n.*with resume=True the run .*Lower optimizer.lr",
        ),
    ],
)
def test_losses_that_are_none(tmp_path: Path, returns: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        train(tmp_path, model=one_weight(returns=returns))
    assert not list(tmp_path.glob("*.pth"))


def _with_fields(split: str, fields: list[str]) -> dict[str, Any]:
    data = tiny_config()["data"]
    return {**data, split: {**data[split], "inputs_def": {"fields": fields}}}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"modle": {}}, ConfigError, "modle: unknown key, nothing reads it; did you mean model"),
        ({"evaluation": {"intervall": 1}}, ConfigError, "evaluation.intervall: unknown key.* did you mean evaluation.interval"),
        (
            {"model": {"type": "EncoderDekoder"}},
            ConfigError,
            "(?s)model: unknown network 'EncoderDekoder'; did you mean EncoderDecoder.*modules",
        ),
        ({"model": one_weight(retuns=1)}, ConfigError, "model: network OneWeight: unknown argument 'retuns'; did you mean returns"),
        ({"model": {"type": "OneWait"}}, ConfigError, "unknown network 'OneWait'; did you mean OneWeight"),
        ({"optimizer": {"type": "SDG", "lr": 1.0}}, ConfigError, "optimizer: unknown optimizer 'SDG'; did you mean SGD"),
        ({"optimizer": {"type": "SGD"}}, ConfigError, "optimizer: lr is missing"),
        ({"optimizer": {"type": "SGD", "lr": 1.0, "momentun": 0.9}}, ConfigError, "SGD has no argument 'momentun'; did you mean momentum"),
        ({"optimizer": {"type": "SGD", "lr": 1.0, "nesterov": True}}, ConfigError, "SGD refuses its arguments: Nesterov"),
        ({"optimizer_config": {"grad_clip": {"max_norm": 0.0}}}, ConfigError, "grad_clip: max_norm 0 given"),
        ({"optimizer_config": {"grad_clip": {"max_norm": 1.0, "norm": 2}}}, ConfigError, "unknown argument 'norm'.*norm_type"),
        ({"lr_config": {"policy": "Cosine2"}}, ConfigError, "lr_config: policy: 'Cosine2' given"),
        (
            {"data": _with_fields("train", ["image", "segment"])},
            ConfigError,
            "forward_train takes image, segments: segments is not given.*",
        ),
        ({"data": _with_fields("train", ["image", "segments", "box"])}, ConfigError, "box is not taken"),
        ({"data": _with_fields("val", ["image"])}, ConfigError, "data.val.inputs_def.fields: image given, but .* compares with segments"),
        ({"evaluation": {"metric": {"type": "SegMIoU", "class_num": 2}}}, ConfigError, "unknown measure 'SegMIoU'; did you mean SegMIOU"),
        ({"evaluation": {}}, ConfigError, "evaluation.metric: missing"),
        (
            {"evaluation": {"metric": {"type": "Remembers"}, "save_best": "sames"}},
            ConfigError,
            "save_best: 'sames' given.*did you mean same",
        ),
        (
            {"evaluation": {"metric": {"type": "Remembers"}, "rule": "larger"}},
            ConfigError,
            "rule: 'larger' given, one of 'greater', 'less'",
        ),
        ({"log_config": {"hooks": [{"type": "TextLogHook"}]}}, ConfigError, "TextLogHook given, .*did you mean TextLoggerHook"),
    ],
)
def test_what_is_wrong_in_a_config(tmp_path: Path, changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        train(tmp_path, with_validate=True, **{"model": one_weight(), **changes})


def test_a_field_that_the_data_do_not_give(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="inputs_def.fields has 'depth', which its samples do not"):
        train(tmp_path, model={**tiny_config()["model"]}, data=_with_fields("train", ["image", "segments", "depth"]))


def test_a_batch_that_is_larger_than_the_data(tmp_path: Path) -> None:
    data = tiny_config()["data"]
    with pytest.raises(DataError, match="data.train: it has 12 samples, fewer than the 128 of one step"):
        train(tmp_path, model=one_weight(), data={**data, "train_dataloader": {"samples_per_gpu": 128}})


def test_the_order_of_the_calls(tmp_path: Path) -> None:
    trainer = Trainer(tiny_config(model=one_weight()), tmp_path)
    with pytest.raises(ConfigError, match=r"call config_model\(\) before"):
        trainer.start_train(max_epochs=1)
    trainer.config_model()
    with pytest.raises(ConfigError, match=r"call config_dataloader\(\) before"):
        trainer.start_train(max_epochs=1)
    with pytest.raises(ConfigError, match="max_epochs: 0 given"):
        trainer.start_train(max_epochs=0)


def test_a_work_dir_of_another_network(tmp_path: Path) -> None:
    train(tmp_path, model=one_weight())
    with pytest.raises(CheckpointError, match="another architecture"):
        train(tmp_path, 2)


def _sample(index: int) -> dict[str, Any]:
    generator = np.random.default_rng(index)
    segments = np.zeros((1, SIZE, SIZE), np.uint8)
    top, left = generator.integers(0, SIZE // 2, 2)
    segments[:, top : top + SIZE // 2, left : left + SIZE // 2] = 1
    return {"image": (generator.normal(0, 0.1, (3, SIZE, SIZE)).astype(np.float32) + segments).astype(np.float32), "segments": segments}


def test_iterations_that_are_not_finite_and_bad_samples_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        TrainingDivergedError, match=r"^6 iterations in a row were left out \(SOLVER.NONFINITE_LIMIT\): the loss became nan"
    ):
        train(tmp_path / "nan", 4, model=one_weight(returns="nan"), nonfinite="skip")
    item = PipelineDataset.__getitem__

    def torn(data_set: PipelineDataset, index: int) -> Any:
        if index == 1:
            raise OSError("the tape is torn")
        return item(data_set, index)

    monkeypatch.setattr(PipelineDataset, "__getitem__", torn)
    data = {**tiny_config()["data"], "on_error": "skip"}
    train(tmp_path / "torn", 2, model=one_weight(), data=data)
    assert '"index": 1, "file": "", "reason": "OSError: the tape is torn"' in (tmp_path / "torn" / "skipped_samples.jsonl").read_text()


def test_the_arguments_of_antgos_own_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    options = {"distributed": False, "diff_seed": True, "deterministic": True, "find_unused_parameters": False}
    for epochs, resume_from in ((1, ""), (2, tmp_path / "model_latest.pth")):
        trainer = Trainer(tiny_config(model=one_weight()), tmp_path, -1, **options)
        trainer.config_dataloader(with_validate=False)
        trainer.config_model(resume_from=resume_from, load_from="")
        trainer.start_train(max_epochs=epochs)
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["MISC"]["DETERMINISTIC"] is True
    assert [len(records(tmp_path, "loss_a")), records(tmp_path, "epoch")[-1]] == [2 * COUNT // 4, 2]
    trainer.config_model(model_builder=lambda: OneWeight("nan"))
    assert trainer.model.returns == "nan"
    torch.save({"old.weight": torch.full((3,), 7.0)}, tmp_path / "old.pth")
    trainer.config_model(load_from=tmp_path / "old.pth", revise_keys=[(r"^old\.", "")])
    assert trainer.model.weight.tolist() == [7.0] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gpu_id": 2}, "gpu_id: 2 given; start the script with CUDA_VISIBLE_DEVICES=2 and give 0"),
        ({"distributed": True}, "distributed: True given, but the number of processes is 1; start the script with torchrun"),
    ],
)
def test_arguments_that_cannot_be_met_are_reported(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Trainer(tiny_config(), tmp_path, **options)


def test_arguments_of_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    Trainer(tiny_config(), tmp_path, 3, True)
    with pytest.raises(ConfigError, match="distributed: False given, but the number of processes is 2"):
        Trainer(tiny_config(), tmp_path, distributed=False)
    with pytest.raises(ConfigError, match="diff_seed: False given"):
        Trainer(tiny_config(), tmp_path, diff_seed=False)


def test_nothing_to_go_on_from_and_wrong_names_are_reported(tmp_path: Path) -> None:
    trainer = Trainer(tiny_config(model=one_weight()), tmp_path, device="cpu")
    with pytest.raises(ConfigError, match="config_model: resume_from: .* there is no model_latest.pth to go on from"):
        trainer.config_model(resume_from=tmp_path)
    with pytest.raises(ConfigError, match="resume_from: elsewhere.pth given, but a run goes on in its own folder.*give it as load_from"):
        trainer.config_model(resume_from="elsewhere.pth")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "weights.pth")
    with pytest.raises(ConfigError, match=r"revise_keys\[0\]: '\(' is no regular expression"):
        trainer.config_model(tmp_path / "weights.pth", revise_keys=[("(", "")])
