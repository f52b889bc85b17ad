"""A backbone that was handed over is taken as a whole by classifiers, detectors and segmenters, or refused."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file
from torch import nn

import pet.vision.config
from pet.models.embedding import build_embedding_network
from pet.models.handed_over import HandedOver, read_handed_over, write_backbone
from pet.models.pretrained import load_pretrained
from pet.segmentation import build_model as build_segmenter
from pet.vision import GeneralizedCNN
from petlib.checkpoint.origin import Origin
from petlib.config import CfgNode, load_cfg
from petlib.errors import CheckpointError, ConfigError
from tests.integration.conftest import ROOT

BEGUN = Origin("timm/resnet18.a1_in1k", "apache-2.0")


@pytest.fixture(scope="module")
def handed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network, length = build_embedding_network("timm/resnet18")
    assert length == 512
    path = tmp_path_factory.mktemp("run") / "backbone.safetensors"
    write_backbone(network, path, network="timm/resnet18", origin=BEGUN)
    return path


def classifier_cfg(path: Path, **values: object) -> CfgNode:
    cfg = pet.vision.config.get_base_cfg()
    settings = {"MODEL.BACKBONE": "timm/resnet18", "MODEL.HAS_CLS": True, "MODEL.NUM_CLASSES": 3, "TRAIN.WEIGHTS": str(path)}
    for name, value in (settings | {"TRAIN.AUTO_RESUME": False} | values).items():
        cfg.set(name, value)
    return cfg


def test_the_file_has_the_names_of_the_library(handed: Path) -> None:
    names = set(timm.create_model("resnet18").state_dict())
    assert set(load_file(handed)) == names - {"fc.weight", "fc.bias"}
    assert read_handed_over(handed) == HandedOver("timm/resnet18", BEGUN)


def test_a_classifier_takes_it_whole(handed: Path) -> None:
    cfg = classifier_cfg(handed)
    model = GeneralizedCNN(cfg)
    assert load_pretrained(model, cfg) == BEGUN
    own = model.backbone.state_dict()
    assert all(torch.equal(own[name], value) for name, value in load_file(handed).items())


@pytest.mark.parametrize(
    ("config", "place"),
    [("vision/shapes/mask_rcnn_R-18-FPN.yaml", "backbone.body."), ("projects/buildseg/unet_R-18_cpu.yaml", "")],
)
def test_detectors_and_segmenters_take_it_whole(handed: Path, config: str, place: str) -> None:
    overrides = [f"TRAIN.WEIGHTS={handed}", "TRAIN.AUTO_RESUME=False"]
    if config.startswith("vision"):
        cfg = load_cfg(pet.vision.config, ROOT / "cfgs" / config, [*overrides, "MODEL.BACKBONE=timm/resnet18", "MODEL.FROZEN_BN=True"])
        model: nn.Module = GeneralizedCNN(cfg)
    else:
        import pet.projects.buildseg.config as buildseg

        cfg = load_cfg(buildseg, ROOT / "cfgs" / config, [*overrides, "MODEL.NETWORK_ARGS={encoder: timm/resnet18}"])
        model = build_segmenter(cfg)
    load_pretrained(model, cfg, backbone="timm/resnet18")
    handed_over = load_file(handed)
    own = model.state_dict()
    for name, value in handed_over.items():
        if not name.endswith("num_batches_tracked"):
            assert any(torch.equal(tensor, value) for key, tensor in own.items() if key.endswith(name) and key.startswith(place)), name


@pytest.mark.parametrize(("backbone", "lost"), [("timm/resnet34", ""), ("resnet18_cifar", r"conv1.weight \[64, 3, 7, 7\] in the file")])
def test_another_network_is_refused(handed: Path, backbone: str, lost: str) -> None:
    cfg = classifier_cfg(handed, **{"MODEL.BACKBONE": backbone})
    model = GeneralizedCNN(cfg)
    if backbone == "timm/resnet34":
        # a larger network has all names of the smaller one: its other layers would stay random
        with pytest.raises(CheckpointError, match=r"timm/resnet18, does not fit the model: .* of the model's own tensors"):
            load_pretrained(model, cfg)
    else:
        with pytest.raises(CheckpointError, match=rf"this backbone, timm/resnet18, does not fit the model: .*{lost}"):
            load_pretrained(model, cfg)


def test_other_files_are_taken_as_far_as_they_fit(handed: Path, tmp_path: Path) -> None:
    torch.save(load_file(handed), tmp_path / "plain.pth")
    assert read_handed_over(tmp_path / "plain.pth") is None
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    assert read_handed_over(tmp_path / "broken.safetensors") is None
    cfg = classifier_cfg(tmp_path / "plain.pth", **{"MODEL.BACKBONE": "resnet18_cifar"})
    load_pretrained(GeneralizedCNN(cfg), cfg)


def test_embeddings_of_every_library() -> None:
    images = torch.zeros(1, 3, 32, 32)
    for name, expected in (("resnet20", 64), ("torchvision/resnet18", 512), ("timm/mobilenetv3_small_050", 1024), ("resnet18_cifar", 512)):
        network, length = build_embedding_network(name)
        assert network.eval()(images).shape == (1, length)
        assert length == expected
    assert sum(parameter.numel() for parameter in build_embedding_network("resnet18_cifar")[0].parameters()) == 11_168_832
    with pytest.raises(ConfigError, match="squeezenet1_0 ends with a Conv2d, not with a linear layer"):
        build_embedding_network("torchvision/squeezenet1_0")
