from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pet.compat.trainframework.configuration import Settings, TrainFrameworkConfig
from pet.compat.trainframework.model.base_model import BaseModel, build_model, load_model
from pet.compat.trainframework.model.build import BUILD_MODEL_REGISTRY
from petlib.errors import CheckpointError, ConfigError
from tests.pet.compat.trainframework.project import GAN, TinyGan, TinyModel, TinyNet, make_config

BATCH = {"input_data": torch.tensor([[1.0, 0.0]]), "target_data": torch.tensor([[2.0, 0.0]])}


def test_networks_are_attributes_by_the_names_of_their_blocks(tmp_path: Path) -> None:
    model = TinyGan(make_config(tmp_path, {**GAN, "trainer.model.critic": {"name": "TinyNet"}}))
    assert model.networks == {"generator": model.g_model, "discriminator": model.d_model, "critic": model.critic_model}
    assert model.trained == ["generator", "discriminator"]
    assert model.d_model.linear.out_features == 1
    assert model.device == torch.device("cpu")


class OwnNetwork(TinyModel):
    def create_model(self, params: Settings) -> nn.Module:
        assert params.NAME == "TinyNet"
        return nn.Linear(2, 2)


class EmptyHanded(TinyModel):
    def create_model(self, params: Settings) -> None:
        return


class OnItsOwn(TinyModel):
    def __init__(self, cfg: TrainFrameworkConfig) -> None:
        super().__init__(cfg)
        self.g_model = nn.Linear(2, 2)


def test_create_model_may_give_a_network_or_leave_it_to_the_registry(tmp_path: Path) -> None:
    assert isinstance(OwnNetwork(make_config(tmp_path)).g_model, nn.Linear)
    assert isinstance(EmptyHanded(make_config(tmp_path)).g_model, TinyNet)


def test_a_constructor_may_set_the_network_itself(tmp_path: Path) -> None:
    cfg = make_config(tmp_path, {"trainer.model": {"name": "TinyModel"}})
    model = OnItsOwn(cfg)
    assert model.networks == {"generator": model.g_model}
    with pytest.raises(ConfigError, match=r"solver.generator: TinyModel has no such network: .* or set self.g_model"):
        _ = TinyModel(cfg).networks


def test_training_gives_losses_and_evaluation_figures(tmp_path: Path) -> None:
    model = TinyModel(make_config(tmp_path))
    with torch.no_grad():
        model.g_model.linear.weight.copy_(torch.eye(2))
        model.g_model.linear.bias.zero_()
    model.epoch = 5
    outputs = model(BATCH)
    assert outputs["losses"]["mse"].item() == 0.5
    assert outputs["metrics"] == {}
    assert model.epochs == [5]
    assert model.eval()(BATCH) == {}


def test_replicas_keep_the_names_of_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = TinyModel(make_config(tmp_path))
    names = list(model.state_dict())
    monkeypatch.setattr("petlib.distributed.parallelize", lambda network, mode, *, device: nn.DataParallel(network))
    model.share_by_replicas()
    assert isinstance(model.g_model, nn.DataParallel)
    assert list(model.state_dict()) == names
    assert model(BATCH)["losses"]["mse"].requires_grad


@BUILD_MODEL_REGISTRY.register()
class TinyUnfinished(BaseModel):
    def run_step(self, data: dict[str, Any], *, epoch: int | None = None, **kwargs: Any) -> Any:
        return None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainer.model.name": "TinyModl"}, "trainer.model.name: unknown model 'TinyModl'; did you mean TinyModel"),
        ({"trainer.model.name": "TinyUnfinished"}, "TinyUnfinished cannot be used: it has to define generator"),
        ({"trainer.model.generator.name": "TinyNt"}, "unknown network 'TinyNt'; did you mean TinyNet"),
        ({"trainer.model.generator.outputz": 3}, r"network TinyNet: unknown argument 'outputz'; did you mean outputs\?"),
        ({"trainer.model.generator.outputs": "many"}, "network TinyNet: outputs: 'many' given, int expected"),
    ],
)
def test_a_model_that_cannot_be_built(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build_model(make_config(tmp_path, changes))
    if "unknown" in message and "argument" not in message:
        assert "modules looked at: " in str(caught.value)
        assert "imports in the config" in str(caught.value)


def test_a_trained_model_is_loaded_with_its_average_or_its_last_weights(tmp_path: Path) -> None:
    config = Path(__file__).parents[1] / "tiny.yaml"
    last, average = TinyModel(make_config(tmp_path)), TinyModel(make_config(tmp_path))
    torch.save({"model": last.state_dict(), "ema": average.state_dict()}, tmp_path / "weights.pth")
    for use_ema, expected in ((True, average), (False, last)):
        loaded = load_model(config, tmp_path / "weights.pth", use_ema=use_ema)
        assert not loaded.training
        assert torch.equal(loaded.generator(BATCH["input_data"]), expected.generator(BATCH["input_data"]))
    with pytest.raises(CheckpointError, match=r"those of another architecture.*2 tensors matched\n  4 missing: g_model.norm.weight"):
        load_model(config, tmp_path / "weights.pth", ["trainer.model.generator.norm=True"])
