"""Weights of transformers in our models, from a folder, and what is said where there are none."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch

from pet.models import load_pretrained, load_test_weights
from pet.models.detr.head import SetDetectionHead
from pet.models.detr.networks import build_network
from pet.models.detr.published import read_transformers_folder, repository_of
from pet.models.detr.sizes import DFINE_SIZES, RFDETR_SIZES, SIZES
from pet.models.torchvision_names import COCO_CATEGORY_IDS
from pet.models.zoo.table import sized_models
from pet.vision import GeneralizedCNN
from petlib.errors import CheckpointError, ConfigError
from tests.pet.models.detr.conftest import BATCH, TINY_DFINE, TINY_RFDETR, make_cfg


def save_theirs(detector: str, folder: Path, *, num_labels: int = 3) -> Any:
    """Return a network of transformers, saved as it is published."""
    kind, size, args = ("d_fine", DFINE_SIZES["s"], TINY_DFINE) if detector == "dfine" else ("rf_detr", RFDETR_SIZES["nano"], TINY_RFDETR)
    torch.manual_seed(1)
    network = build_network(kind, "ForObjectDetection", size, args, {"num_labels": num_labels}).eval()
    network.save_pretrained(folder)
    return network


@pytest.mark.parametrize("detector", ["dfine", "rfdetr"])
@torch.no_grad()
def test_a_folder_of_the_library_gives_the_same_network(detector: str, tmp_path: Path) -> None:
    theirs = save_theirs(detector, tmp_path / "theirs")
    cfg = make_cfg(detector, **{"TRAIN.WEIGHTS": str(tmp_path / "theirs"), "MISC.CKPT": str(tmp_path / "run")})
    ours = GeneralizedCNN(cfg)
    load_pretrained(ours, cfg)
    images = torch.nn.functional.pad(BATCH["image"], (0, 0, 0, 32))
    logits, boxes, _ = cast("SetDetectionHead", ours.eval().heads["box"]).find(images)
    expected = theirs(images)
    torch.testing.assert_close(logits, expected.logits)
    torch.testing.assert_close(boxes, expected.pred_boxes)
    tested = GeneralizedCNN(cfg)
    cfg.set("TEST.WEIGHTS", str(tmp_path / "theirs"))
    load_test_weights(tested, cfg)
    torch.testing.assert_close(cast("SetDetectionHead", tested.eval().heads["box"]).find(images)[0], logits)


def test_the_80_classes_of_coco_are_picked_of_91_outputs(tmp_path: Path) -> None:
    theirs = save_theirs("rfdetr", tmp_path, num_labels=91)
    state = read_transformers_folder(tmp_path, num_classes=80)
    assert torch.equal(state["heads.box.network.class_embed.weight"], theirs.class_embed.weight[list(COCO_CATEGORY_IDS)])
    assert state["heads.box.network.model.enc_out_class_embed.2.bias"].shape == (80,)
    assert read_transformers_folder(tmp_path, num_classes=3)["heads.box.network.class_embed.bias"].shape == (91,)


def test_what_is_missing_is_said_with_what_to_put_where(tmp_path: Path) -> None:
    save_theirs("dfine", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"cannot be read.*\n.*config.json and model.safetensors of one repository"):
        read_transformers_folder(tmp_path, num_classes=3)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match="weights of a network bert; d_fine or rf_detr expected"):
        read_transformers_folder(tmp_path, num_classes=3)


def test_the_published_weights_go_by_the_size() -> None:
    assert repository_of(make_cfg("dfine", **{"MODEL.BOX.DFINE.SIZE": "n"})) == "ustc-community/dfine-nano-coco"
    for detector, sizes in SIZES.items():
        assert list(sized_models(detector)) == list(sizes), "each network has its weights in the table"
    with pytest.raises(ConfigError, match="TRAIN.WEIGHTS: huggingface: the network is not one of transformers"):
        repository_of(make_cfg("dfine", **{"MODEL.BOX.DETECTOR": "fcos", "MODEL.NECK": "fpn", "MODEL.BACKBONE": "timm/resnet18"}))
