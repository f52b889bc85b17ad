"""Each cell of the table in docs/further_settings.md: what every layer reaches of the engine."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pet.compat.antgo.framework.helper.trainer import Trainer
from pet.compat.paddleseg import paddle
from pet.compat.paddleseg.core import train
from pet.compat.paddleseg.models.losses import CrossEntropyLoss
from pet.compat.trainframework.model.build import BUILD_NETWORK_REGISTRY
from pet.compat.trainframework.schedule.scheduler import build_trainer
from pet.compat.trainframework.trainer.build import BUILD_TRAINER_REGISTRY
from pet.compat.trainframework.trainer.trainer import BaseTrainer
from petlib.distributed import unwrap
from petlib.engine import Hook, TrainState
from tests.pet.compat.aiearth.image_files import write_pairs
from tests.pet.compat.aiearth.test_job import ChangeJob
from tests.pet.compat.antgo.document import tiny_config
from tests.pet.compat.paddleseg.tiles import Tiny, open_tiles, train_tiny, write_tiles
from tests.pet.compat.trainframework.project import make_config

PAGE = (Path(__file__).parents[3] / "docs" / "further_settings.md").read_text(encoding="utf-8")
AVERAGE, ACCUMULATION = "SOLVER.EMA.ENABLED", "SOLVER.ACCUMULATION"
COMMON = {"SOLVER.AMP.ENABLED": True, "SOLVER.AMP.DTYPE": "bf16", "MISC.COMPILE": "always", "MISC.CHANNELS_LAST": True}
ALL = {**COMMON, AVERAGE: True, ACCUMULATION: 2}


class Observer(Hook):
    """Looks at the first convolution of the network while it is trained."""

    order = 51
    key = "observer"

    def __init__(self) -> None:
        self.steps, self.autocast, self.channels_last = 0, [], False

    def before_train(self, state: TrainState) -> None:
        convolution = next(module for module in unwrap(state.model).modules() if isinstance(module, nn.Conv2d))
        weight = convolution.weight
        self.channels_last = weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
        convolution.register_forward_pre_hook(lambda module, _: self.note(module))

    def note(self, module: nn.Module) -> None:
        if module.training:
            self.autocast.append(torch.is_autocast_enabled("cpu"))

    def after_step(self, state: TrainState) -> None:
        self.steps += 1


@BUILD_NETWORK_REGISTRY.register()
class TinyConvolution(nn.Module):
    """Two numbers in, two out, by way of a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, values: Tensor) -> Tensor:
        return self.convolution(values[:, :, None, None].expand(-1, -1, 4, 4)).mean((2, 3))  # type: ignore[no-any-return]


class Observed(BaseTrainer):
    """Has the hook of the test."""

    hook: Observer

    def build_hooks(self) -> list[Hook]:
        return [self.hook]


BUILD_TRAINER_REGISTRY.register()(Observed)


def train_paddleseg(folder: Path, hook: Observer) -> None:
    train_tiny(write_tiles(folder / "data"), folder, pet=ALL, hooks=[hook], iters=2)


def train_aiearth(folder: Path, hook: Observer) -> None:
    write_pairs(folder, [f"p{number}" for number in range(8)])
    # without pairs to validate on, for which torch would trace the network again
    job = ChangeJob(folder, work_dir=str(folder), parts=("train",))
    for key, value in ALL.items():
        job.trainer.cfg.pet.set(key, value)
    job.run(hooks=[hook])


def train_trainframework(folder: Path, hook: Observer) -> None:
    own = {
        "trainer.model.ema.enable": True,
        "solver.gradient_accumulation_batch": 2,
        "trainer.model.generator": {"name": "TinyConvolution"},
    }
    trainer = build_trainer(make_config(folder, {"trainer.name": "Observed", "pet": COMMON, **own}))
    trainer.hook = hook
    trainer.loop()


def train_antgo(folder: Path, hook: Observer) -> None:
    trainer = Trainer(tiny_config(pet=ALL), folder, device="cpu")
    trainer.config_dataloader()
    trainer.config_model()
    trainer.start_train(max_epochs=1, hooks=[hook])


LAYERS = {"PaddleSeg": train_paddleseg, "AI Earth": train_aiearth, "TrainFramework": train_trainframework, "antgo": train_antgo}


# torch traces the network of AI Earth's layer for half a minute; the engine is that of the others
SLOW = {"AI Earth"}
RUNS = [pytest.param(run, marks=[pytest.mark.nightly] * (name in SLOW), id=name) for name, run in LAYERS.items()]


@pytest.mark.parametrize("run", RUNS)
def test_a_layer_reaches_what_the_engine_has(
    run: Callable[[Path, Observer], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, compiled, compile_by = Observer(), [], nn.Module.compile

    def compile_traced(self: nn.Module) -> None:
        # torch traces the network as for its default compiler, which takes a minute for each and needs one of C++
        compiled.append(self)
        compile_by(self, backend=note_graph)

    graphs = []

    def note_graph(graph: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(nn.Module, "compile", compile_traced)
    run(tmp_path, hook)
    assert any("conv" in str(node.target) for graph in graphs for node in graph.graph.nodes)
    saved: dict[str, Any] = torch.load(tmp_path / "model_latest.pth", weights_only=True)
    assert hook.steps == saved["iteration"] > 0
    assert saved["ema"] is not None
    assert len(compiled) == 1
    assert hook.channels_last
    assert set(hook.autocast) == {True}
    assert len(hook.autocast) == 2 * hook.steps


def warm_up_in_paddleseg(folder: Path) -> None:
    model = Tiny()
    rate = paddle.optimizer.lr.LinearWarmup(0.1, warmup_steps=500, start_lr=0.0, end_lr=0.1)
    tiles = open_tiles(write_tiles(folder / "data"))
    losses = {"types": [CrossEntropyLoss()], "coef": [1]}
    train(model, tiles, None, paddle.optimizer.SGD(rate, parameters=model.parameters()), folder, iters=2, losses=losses)


def warm_up_in_aiearth(folder: Path) -> None:
    write_pairs(folder, [f"p{number}" for number in range(8)])
    job = ChangeJob(folder, work_dir=str(folder))
    job.trainer.cfg.lr_config["warmup_iters"] = 500
    job.run()


def warm_up_in_trainframework(folder: Path) -> None:
    build_trainer(make_config(folder, {"solver.generator.lr_scheduler": SCHEDULER})).loop()


def warm_up_in_antgo(folder: Path) -> None:
    rate = {"policy": "Fixed", "warmup": "linear", "warmup_iters": 500}
    trainer = Trainer(tiny_config(lr_config=rate), folder, device="cpu")
    trainer.config_dataloader()
    trainer.config_model()
    trainer.start_train(max_epochs=1)


SCHEDULER = {"params": {"lr_scheduler_param": {"name": "WarmupCosineLR"}, "warmup_iter": 500}}
WARM_UPS = [warm_up_in_paddleseg, warm_up_in_aiearth, warm_up_in_trainframework, warm_up_in_antgo]


@pytest.mark.parametrize("run", WARM_UPS)
def test_a_warm_up_longer_than_the_training_is_a_warning(
    run: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(tmp_path)
    said = caplog.text + "".join(path.read_text() for path in tmp_path.glob("logs/*.log"))
    assert re.search(r"WARNING.*the warm-up of 500 iterations does not end in this training of \d", said), said
    assert (tmp_path / "model_latest.pth").exists()


def test_the_page_has_every_layer_and_the_keys_of_this_test() -> None:
    heading, _, *rows = re.findall(r"^\|(.*)\|$", PAGE, re.MULTILINE)
    assert re.findall(r"\[([^\]]+)\]", heading) == list(LAYERS)
    cells = {row.split("|")[0].strip(): [cell.strip(" `") for cell in row.split("|")[1:]] for row in rows}
    for key, words in {
        "SOLVER.AMP.ENABLED": cells["mixed precision"],
        "MISC.COMPILE": cells["compilation"],
        "MISC.CHANNELS_LAST": cells["channels last"],
        AVERAGE: cells["moving average of the weights"],
        ACCUMULATION: cells["accumulation"],
    }.items():
        assert sum(word.startswith(key) for word in words) == 4 - (key in (AVERAGE, ACCUMULATION))
    (script,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(script, namespace)  # noqa: S102 -- the block of the page
    assert namespace["PrintEvery"]().key == "print_every"
