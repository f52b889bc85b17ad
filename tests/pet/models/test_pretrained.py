"""Weights from files, from libraries and from earlier runs."""

import logging
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models as torchvision_models

from pet.models import load_pretrained, load_test_weights
from pet.models.classifiers import build_classifier
from pet.vision import GeneralizedCNN, config
from petlib.checkpoint.origin import Origin
from petlib.config import CfgNode
from petlib.errors import CheckpointError, ConfigError


def make_cfg(**values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    for name, value in ({"MODEL.HAS_CLS": True, "MODEL.NUM_CLASSES": 1000} | values).items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    return cfg


@pytest.fixture(scope="module")
def timm_resnet() -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model("resnet18", num_classes=1000).eval()


def logits_of(model: nn.Module, image: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return torch.stack([prediction["logits"] for prediction in model.eval()({"image": image})])


def test_a_timm_state_dict_loads_key_for_key(timm_resnet: nn.Module, tmp_path: Path) -> None:
    torch.save(timm_resnet.state_dict(), tmp_path / "theirs.pth")
    cfg = make_cfg(**{"MODEL.BACKBONE": "timm/resnet18", "TRAIN.WEIGHTS": str(tmp_path / "theirs.pth")})
    model = GeneralizedCNN(cfg)
    image = torch.rand(2, 3, 64, 64)
    load_pretrained(model, cfg)
    with torch.no_grad():
        torch.testing.assert_close(logits_of(model, image), timm_resnet(image), atol=1e-5, rtol=0)


def test_a_torchvision_state_dict_loads_key_for_key(tmp_path: Path) -> None:
    theirs = torchvision_models.resnet18().eval()
    torch.save({"state_dict": theirs.state_dict()}, tmp_path / "theirs.pth")
    cfg = make_cfg(**{"MODEL.BACKBONE": "torchvision/resnet18", "TRAIN.WEIGHTS": str(tmp_path / "theirs.pth")})
    model = GeneralizedCNN(cfg)
    load_pretrained(model, cfg)
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(logits_of(model, image), theirs(image), atol=1e-5, rtol=0)


def test_another_number_of_classes_leaves_the_classifier_random(
    timm_resnet: nn.Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.save(timm_resnet.state_dict(), tmp_path / "theirs.pth")
    cfg = make_cfg(**{"MODEL.BACKBONE": "timm/resnet18", "MODEL.NUM_CLASSES": 7, "TRAIN.WEIGHTS": str(tmp_path / "theirs.pth")})
    model = GeneralizedCNN(cfg)
    classifier = model.state_dict()["backbone.fc.weight"].clone()
    with caplog.at_level(logging.INFO):
        load_pretrained(model, cfg)
    assert torch.equal(model.state_dict()["backbone.fc.weight"], classifier)
    assert torch.equal(model.state_dict()["backbone.conv1.weight"], timm_resnet.state_dict()["conv1.weight"])
    assert "2 mismatched: backbone.fc.weight [1000, 512] in the file, [7, 512] in the model" in caplog.text


def test_first_convolution_is_flipped(tmp_path: Path) -> None:
    theirs = build_classifier("resnet20", num_classes=10)
    torch.save(theirs.state_dict(), tmp_path / "bgr.pth")
    weights = str(tmp_path / "bgr.pth")
    cfg = make_cfg(**{"MODEL.BACKBONE": "resnet20", "MODEL.NUM_CLASSES": 10, "TRAIN.WEIGHTS": weights, "MISC.CONV1_RGB2BGR": True})
    model = GeneralizedCNN(cfg)
    load_pretrained(model, cfg)
    image = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(logits_of(model, image), theirs.eval()(image.flip(1)), atol=1e-5, rtol=0)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"encoder.weight": torch.zeros(3)}, tmp_path / "other.pth")
    cfg = make_cfg(**{"MODEL.BACKBONE": "resnet20", "TRAIN.WEIGHTS": str(tmp_path / "other.pth")})
    with pytest.raises(CheckpointError, match=r"other\.pth"):
        load_pretrained(GeneralizedCNN(cfg), cfg)


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_published_weights_come_from_the_store(
    library: str, timm_resnet: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PET_MODELS", str(tmp_path))
    if library == "timm":
        (tmp_path / "timm" / "resnet18.a1_in1k").mkdir(parents=True)
        save_file(timm_resnet.state_dict(), tmp_path / "timm" / "resnet18.a1_in1k" / "model.safetensors")
    else:
        (tmp_path / "torchvision").mkdir()
        torch.save(timm_resnet.state_dict(), tmp_path / "torchvision" / "resnet18-f37072fd.pth")
    cfg = make_cfg(**{"MODEL.BACKBONE": f"{library}/resnet18", "MODEL.NUM_CLASSES": 5, "TRAIN.WEIGHTS": library})
    model = GeneralizedCNN(cfg)
    origin = load_pretrained(model, cfg)
    assert (
        origin
        == {
            "timm": Origin("timm/resnet18.a1_in1k", "apache-2.0"),
            "torchvision": Origin("torchvision/resnet18", "bsd-3-clause"),
        }[library]
    )
    assert torch.equal(model.state_dict()["backbone.conv1.weight"], timm_resnet.state_dict()["conv1.weight"])


def test_published_weights_that_cannot_be_had_say_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PET_MODELS", str(tmp_path / "store"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    cfg = make_cfg(**{"MODEL.BACKBONE": "timm/resnet34", "TRAIN.WEIGHTS": "timm"})
    with pytest.raises(CheckpointError) as raised:
        load_pretrained(nn.Identity(), cfg)
    assert str(raised.value) == (
        "the published weights timm/resnet34.a1_in1k are not on this machine and cannot be had: HF_HUB_OFFLINE is set\n"
        "  on a machine with a network get model.safetensors from https://huggingface.co/timm/resnet34.a1_in1k/tree/main, and put it into "
        f"{tmp_path}/store/timm/resnet34.a1_in1k"
    )


def test_weights_that_are_not_free_for_products_ask_for_a_yes(tmp_path: Path) -> None:
    begun = Origin("timm/vit_small_patch16_dinov3.lvd1689m", "dinov3-license")
    values = {"MODEL.BACKBONE": "resnet20", "TRAIN.WEIGHTS": str(tmp_path / "earlier.pth"), "TRAIN.AUTO_RESUME": False}
    cfg = make_cfg(**values)
    model = GeneralizedCNN(cfg)
    torch.save({"model": model.state_dict(), "iteration": 3, "origin": begun._asdict()}, tmp_path / "earlier.pth")
    with pytest.raises(ConfigError, match="licensed under dinov3-license, which is not free for every product") as raised:
        load_pretrained(model, cfg)
    assert str(raised.value).endswith("if you accept it, name it in require_accepted.accepted")
    # of a chain of trainings the first weights count
    assert load_pretrained(model, make_cfg(**values, **{"MISC.ACCEPTED_LICENCES": ["dinov3-license"]})) == begun
    torch.save(model.state_dict(), tmp_path / "earlier.pth")
    assert load_pretrained(model, cfg) == Origin(str(tmp_path / "earlier.pth"), "unknown")


@pytest.mark.parametrize("backbone", ["resnet20", "torchvision/resnet18"])
def test_weights_of_a_library_that_the_network_is_not_from(backbone: str) -> None:
    cfg = make_cfg(**{"MODEL.BACKBONE": backbone, "TRAIN.WEIGHTS": "timm"})
    with pytest.raises(ConfigError, match=rf"classifier.library: timm: the network {backbone} is "):
        load_pretrained(nn.Identity(), cfg)


def test_no_weights_change_nothing() -> None:
    cfg = make_cfg(**{"MODEL.BACKBONE": "resnet20"})
    model = GeneralizedCNN(cfg)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    load_pretrained(model, cfg)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_tested_weights_must_fit_completely(tmp_path: Path) -> None:
    torch.save(build_classifier("resnet20", num_classes=10).state_dict(), tmp_path / "ten.pth")
    values = {"MODEL.BACKBONE": "resnet20", "TEST.WEIGHTS": str(tmp_path / "ten.pth")}
    fitting, other = make_cfg(**values, **{"MODEL.NUM_CLASSES": 10}), make_cfg(**values, **{"MODEL.NUM_CLASSES": 11})
    load_test_weights(GeneralizedCNN(fitting), fitting)
    with pytest.raises(CheckpointError, match="another architecture"):
        load_test_weights(GeneralizedCNN(other), other)


def test_exported_files_are_not_measured() -> None:
    cfg = make_cfg(**{"MODEL.BACKBONE": "resnet20", "MODEL.NUM_CLASSES": 10, "TEST.WEIGHTS": "model.onnx"})
    with pytest.raises(CheckpointError, match=r"TEST.WEIGHTS: model.onnx is an exported file, a checkpoint expected"):
        load_test_weights(GeneralizedCNN(cfg), cfg)


def test_a_model_on_an_extractor_of_timm_is_tested_with_its_own_checkpoint(tmp_path: Path) -> None:
    """Its backbone has the names that torchvision's detectors give to theirs."""
    values = {"MODEL.HAS_CLS": False, "MODEL.HAS_BOX": True, "MODEL.NECK": "fpn", "MODEL.BACKBONE": "timm/test_resnet"}
    cfg = make_cfg(**values, **{"MODEL.NUM_CLASSES": 3, "MODEL.BOX.ROI.HIDDEN": 8, "MODEL.FPN.CHANNELS": 8})
    trained, tested = GeneralizedCNN(cfg), GeneralizedCNN(cfg)
    cfg.set("TEST.WEIGHTS", str(tmp_path / "trained.pth"))
    torch.save({"model": trained.state_dict()}, cfg.TEST.WEIGHTS)
    load_test_weights(tested, cfg)
    for name, value in trained.state_dict().items():
        assert torch.equal(tested.state_dict()[name], value), name
