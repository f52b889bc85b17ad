from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pet.compat.trainframework.configuration import TrainFrameworkConfig
from pet.compat.trainframework.data.build import BUILD_DATASET_REGISTRY
from pet.compat.trainframework.data.dataset import EngineDataSet
from pet.compat.trainframework.exporting import export_generator
from pet.compat.trainframework.model.base_model import BaseModel, build_model
from pet.compat.trainframework.model.build import BUILD_MODEL_REGISTRY, BUILD_NETWORK_REGISTRY
from pet.exporting import OnnxModel, ProgramModel
from petlib.errors import CheckpointError, ConfigError, DataError
from tests.pet.compat.trainframework.project import make_config


@BUILD_DATASET_REGISTRY.register()
class TinyImages(EngineDataSet):
    """Images from 0 to 1 that are multiples of 1/255, of two sizes."""

    def __init__(self, count: int = 3, transformer: Any = None) -> None:
        super().__init__(transformer)
        self.dataset = range(count)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(index)
        return {"noisy": torch.randint(0, 256, (3, 8, 8 + 2 * (index % 2)), generator=generator) / 255}


@BUILD_NETWORK_REGISTRY.register()
class TinyFilter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.filter = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.filter(images)  # type: ignore[no-any-return]


@BUILD_MODEL_REGISTRY.register()
class TinyFiltering(BaseModel):
    def run_step(self, data: dict[str, Any], *, epoch: int | None = None, **kwargs: Any) -> Any:
        return self.g_model(data["noisy"]).mean()

    def generator(self, data: Tensor) -> Any:
        filtered = self.g_model(data.to(self.device))
        return {"image": filtered, "mean": filtered.mean((1, 2, 3))} if self.epoch < 0 else filtered


def config(folder: Path, **export: Any) -> TrainFrameworkConfig:
    images = {"name": "TinyImages"}
    return make_config(
        folder,
        {
            "dataloader.train_data_set": images,
            "dataloader.val_data_set": images,
            "trainer.model": {"name": "TinyFiltering", "generator": {"name": "TinyFilter"}},
            "export": {"input_field": "noisy", **export},
        },
    )


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A checkpoint whose moving average differs from its weights."""
    torch.manual_seed(1)
    model = build_model(config(tmp_path))
    averages = {name: tensor + 0.25 for name, tensor in model.state_dict().items()}
    torch.save({"model": model.state_dict(), "ema": averages}, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def expected(weights: Path, images: np.ndarray) -> np.ndarray:
    average = torch.load(weights)["ema"]
    return nn.functional.conv2d(
        torch.from_numpy(images), average["g_model.filter.weight"], average["g_model.filter.bias"], padding=1
    ).numpy()


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_the_file_computes_the_generator_with_the_moving_average(weights: Path, tmp_path: Path, suffix: str) -> None:
    report = export_generator(config(tmp_path), tmp_path / f"model{suffix}", weights)
    assert report.inputs == {"images": (1, 3, 8, 8)}
    assert report.outputs == ["output"]
    assert len(report.checked) == 3 + 3
    model = (OnnxModel if suffix == ".onnx" else ProgramModel)(report.path)
    images = np.random.default_rng(0).random((1, 3, 8, 8), np.float32)
    np.testing.assert_allclose(model({"images": images})[0], expected(weights, images), atol=1e-5)


def test_pixels_go_in_where_the_file_normalizes(weights: Path, tmp_path: Path) -> None:
    scaling = {"mean": [0.5], "std": [0.25]}
    cfg = config(tmp_path, normalize=scaling, dynamic=True, input_name="pixels", output_names=["filtered"])
    report = export_generator(cfg, tmp_path / "model.onnx", weights)
    assert report.inputs == {"pixels": ("batch", 3, "height", "width")}
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 9, 7)).astype(np.float32)
    (found,) = OnnxModel(report.path)({"pixels": pixels})
    np.testing.assert_allclose(found, expected(weights, ((pixels / 255 - 0.5) / 0.25).astype(np.float32)), atol=1e-4)


def test_size_and_batch_are_those_of_the_config(weights: Path, tmp_path: Path) -> None:
    report = export_generator(config(tmp_path, size=[6, 5], batch=2, half=True), tmp_path / "model.onnx", weights)
    assert report.inputs == {"images": (2, 3, 6, 5)}
    assert 1e-6 < report.largest_difference < 2e-2


def test_without_a_checkpoint_the_best_of_the_output_folder_is_taken(weights: Path, tmp_path: Path) -> None:
    cfg = config(tmp_path)
    folder = Path(cfg.run.MISC.CKPT)
    with pytest.raises(CheckpointError, match=r"there is no model_best.pth and no model_latest.pth; train first, or name .* --weights"):
        export_generator(cfg, tmp_path / "model.onnx")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model_latest.pth").write_bytes(weights.read_bytes())
    assert export_generator(config(tmp_path), tmp_path / "model.onnx").path.exists()


@pytest.mark.parametrize(
    ("export", "message"),
    [
        ({"input_field": "noise"}, "gives no field 'noise', which export.input_field names; it gives noisy"),
        ({"dynamik": True}, "export: unknown argument 'dynamik'; did you mean dynamic"),
        ({"size": [8]}, r"size: \[8\] given, \[height, width\] expected"),
        ({"output_names": ["a", "b"]}, r"export: the names \['a', 'b'\] given to the outputs, but the network gives 1 tensors"),
        ({"normalize": {"median": [1.0]}}, "normalize: unknown argument 'median'"),
        ({"tolerance": 0.0, "half": True, "half_tolerance": 0.0}, "differ"),
    ],
)
def test_what_is_wrong_is_reported_and_no_file_is_left(weights: Path, tmp_path: Path, export: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        export_generator(config(tmp_path, **export), tmp_path / "model.onnx", weights)
    assert not [*tmp_path.glob("*model.onnx*")]


def test_another_suffix_is_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a name that ends with .onnx \(for onnxruntime\) or .pt2 \(torch.export\) expected"):
        export_generator(config(tmp_path), tmp_path / "model.tflite", weights)
