"""The filter, the registry of components, and the export."""

from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

import pet.compat.paddleseg.transforms as T
from pet.compat.paddleseg import export
from pet.compat.paddleseg.cvlibs import manager
from pet.compat.paddleseg.label import get_img_file
from petlib.errors import ConfigError, DataError
from tests.pet.compat.paddleseg.tiles import Tiny, write_tiles


def test_images_of_nearly_nothing_but_background_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tiles(tmp_path, 3)
    cv2.imwrite(str(tmp_path / "gt" / "1.png"), np.zeros((40, 40), np.uint8))
    monkeypatch.chdir(tmp_path)
    assert get_img_file(str(tmp_path / "img")) == ["0", "2"]
    assert (tmp_path / "train2.txt").read_text() == "0\n2\n"
    assert "kept 2 of 3 images" in capsys.readouterr().out


def test_a_filter_that_leaves_nothing_is_reported(tmp_path: Path) -> None:
    write_tiles(tmp_path, 3)
    with pytest.raises(DataError, match="all 3 label images are more than 10.0% background"):
        get_img_file(tmp_path / "img", 0.1, out=tmp_path / "train2.txt")
    assert not (tmp_path / "train2.txt").exists()


def test_components_are_found_by_name_and_may_be_registered_again() -> None:
    components = manager.ComponentManager("transform")

    @components.add_component
    class Darken:
        pass

    first = Darken
    assert components["Darken"] is first
    # as when a cell of a notebook runs again

    @components.add_component
    class Darken:
        pass

    assert components["Darken"] is Darken is not first
    assert len(components) == 1
    with pytest.raises(KeyError, match="unknown transform 'Brighten'.*there are: Darken"):
        components["Brighten"]


def test_the_exported_file_gives_the_logits_of_normalised_pixels(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Tiny(outputs=2)
    report = export(model, tmp_path / "model.onnx", shape=(3, 32, 48), classes=["ground", "building"])
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3)).astype(np.uint8)
    session = onnxruntime.InferenceSession(str(report.path), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": pixels.transpose(2, 0, 1)[None].astype(np.float32)})
    (image,) = T.Normalize()(pixels)
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(image.transpose(2, 0, 1)[None]))[0]
    np.testing.assert_allclose(logits, expected.numpy(), atol=1e-4)
    assert session.get_modelmeta().custom_metadata_map["classes"] == '["ground", "building"]'


def test_a_shape_of_two_numbers_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"shape: \[32, 32\] given, \(channels, height, width\) expected"):
        export(Tiny(), tmp_path / "model.onnx", shape=(32, 32))
