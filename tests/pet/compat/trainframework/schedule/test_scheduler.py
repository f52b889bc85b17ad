import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from pet.compat.trainframework.configuration import TrainFrameworkConfig
from pet.compat.trainframework.data.build import BUILD_DATASET_REGISTRY
from pet.compat.trainframework.data.dataset import EngineDataSet
from pet.compat.trainframework.loss.pipe import LossKeyCompose
from pet.compat.trainframework.model.base_model import BaseModel
from pet.compat.trainframework.model.build import BUILD_MODEL_REGISTRY, BUILD_NETWORK_REGISTRY
from pet.compat.trainframework.schedule import scheduler
from pet.compat.trainframework.schedule.scheduler import BaseScheduler, TrainArguments, pick_devices
from pet.compat.trainframework.trainer.build import BUILD_TRAINER_REGISTRY
from pet.compat.trainframework.trainer.trainer import BaseTrainer
from pet.compat.trainframework.transforms import functional
from petlib.checkpoint.locate import read_checkpoint
from petlib.errors import DeviceError
from tests.pet.compat.trainframework.project import make_config

FOLDER = Path(__file__).parents[1]


@BUILD_NETWORK_REGISTRY.register()
class MyNetwork(nn.Module):
    """Scores of two classes."""

    def __init__(self, my_network_param: str) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images)  # type: ignore[no-any-return]


@BUILD_MODEL_REGISTRY.register()
class MyModel(BaseModel):
    """The model of the document, word by word where it matters."""

    def __init__(self, cfg: TrainFrameworkConfig) -> None:
        super().__init__(cfg)
        self.loss = LossKeyCompose(cfg.TRAINER.LOSS)

    def create_model(self, params: Any) -> Any:
        return

    def run_step(self, data: Any, *, epoch: int | None = None, **kwargs: Any) -> Any:
        input_data = data["input_data"].to(self.device, non_blocking=True)
        target_data = data["target_data"].to(self.device, non_blocking=True)
        fake_data = self.g_model(input_data)
        return self.loss((fake_data, target_data))

    def generator(self, data: Any) -> Any:
        return self.g_model(data.to(self.device, non_blocking=True))


@BUILD_TRAINER_REGISTRY.register()
class MyTrainer(BaseTrainer):
    def after_loop(self) -> None:
        return

    def iterate_after(self, epoch: int, loss_dict: dict[str, float]) -> None:
        return


@BUILD_DATASET_REGISTRY.register()
class MyDataset(EngineDataSet):
    def __init__(self, my_data_param: str, transformer: Sequence[Any]) -> None:
        super().__init__(transformer)
        self.dataset = [(number, number % 2) for number in range(8)]

    def __getitem__(self, index: int) -> dict[str, Any]:
        number, target_data = self.dataset[index]
        results: dict[str, Any] = {"img": np.full((6, 8, 3), 20 * number, np.uint8)}
        results["img_shape"] = results["ori_shape"] = results["img"].shape[:2]
        results["img_fields"] = results["color_fields"] = ["img"]
        results = self.data_pipeline(results)
        return {"input_data": functional.to_tensor(results["img"]), "target_data": target_data}


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the log handlers and the environment of pytest."""
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.setenv(name, "")
    yield
    for handler in [*root.handlers]:
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)
    logging.captureWarnings(False)


def schedule(folder: Path, config: str, *words: str) -> None:
    BaseScheduler(["--config-file", str(FOLDER / config), f"output_dir={folder}", *words]).schedule()


def test_the_documents_project_trains_with_its_sample_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = ["solver.max_iter=2", "dataloader.num_workers=0", "solver.generator.lr_scheduler.params.warmup_iter=1"]
    small = [f"dataloader.train_data_set.transformer.1.target_size={size}" for size in (16,)]
    schedule(tmp_path, "sample_config.py", "--num-gpus", "1", *short, *small)
    captured = capsys.readouterr()
    assert "1 process on the CPU (no GPU is visible: computing on the CPU)" in captured.err
    assert "240000] never reached" in captured.out
    assert "|-[my-log]-[iter: 2/2]" in captured.out
    assert "-[loss1: " in captured.out
    saved = read_checkpoint(tmp_path / "model_latest.pth")
    assert saved["iteration"] == 2
    assert "ema" in saved
    assert (tmp_path / "logs" / "my-log_rank0.log").exists()
    record = yaml.safe_load((tmp_path / "engine_config.yaml").read_text(encoding="utf-8"))
    assert record["solver"]["max_iter"] == 2


def test_resume_goes_on_and_without_it_the_training_begins_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schedule(tmp_path, "tiny.yaml")
    schedule(tmp_path, "tiny.yaml", "--resume", "solver.max_iter=3")
    assert "continuing from iteration 2 of 3" in capsys.readouterr().out
    schedule(tmp_path, "tiny.yaml", "solver.max_iter=1")
    assert "continuing" not in capsys.readouterr().out
    assert read_checkpoint(tmp_path / "model_latest.pth")["iteration"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["solver.max_iter=0"], "error: command line: solver.max_iter: 0 given, at least 1 iteration expected\n"),
        (["solver.max_itr=1"], "error: command line: solver.max_itr: unknown key, nothing reads it; did you mean solver.max_iter?\n"),
        (["imports=['no_such_module']"], "there is no module 'no_such_module'"),
        (["trainer.model.returns=none"], "error: TinyModel.run_step returned None; a loss expected"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(
    tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        schedule(tmp_path, "tiny.yaml", *words)
    assert caught.value.code == 2
    message_of_run = capsys.readouterr().err
    assert message in message_of_run
    assert "Traceback" not in message_of_run


@pytest.mark.parametrize(
    ("num_gpus", "nproc", "device", "visible", "expected"),
    [
        (None, None, "cuda", [], (1, ())),
        (1, None, "cuda", [], (1, ())),
        (None, None, "cuda", ["0", "1"], (2, ("0", "1"))),
        (1, None, "cuda", ["0", "1"], (1, ("0",))),
        (0, 2, "cuda", ["0", "1"], (2, ())),
        (None, 3, "cpu", ["0"], (3, ())),
    ],
)
def test_the_devices(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    num_gpus: int | None,
    nproc: int | None,
    device: str,
    visible: list[str],
    expected: tuple[int, tuple[str, ...]],
) -> None:
    monkeypatch.setattr(scheduler, "visible_gpus", lambda: visible)
    arguments = TrainArguments(Path("x.py"), [], num_gpus=num_gpus, nproc=nproc)
    devices = pick_devices(arguments, make_config(tmp_path, {"trainer.device": device}))
    assert (devices.count, devices.gpus) == expected


@pytest.mark.parametrize(
    ("num_gpus", "nproc", "visible", "message"),
    [
        (2, None, [], "--num-gpus 2: there are not so many GPUs on this machine .none visible"),
        (3, None, ["0", "1"], "--num-gpus 3: there are not so many GPUs on this machine .2 visible"),
        (None, 2, ["0"], "--nproc counts CPU processes: add --num-gpus 0"),
    ],
)
def test_devices_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, num_gpus: int | None, nproc: int | None, visible: list[str], message: str
) -> None:
    monkeypatch.setattr(scheduler, "visible_gpus", lambda: visible)
    cfg = make_config(tmp_path, {"trainer.device": "cuda"})
    with pytest.raises(DeviceError, match=message):
        pick_devices(TrainArguments(Path("x.py"), [], num_gpus=num_gpus, nproc=nproc), cfg)
