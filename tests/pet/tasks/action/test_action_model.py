"""The model of action recognition: views, several classes, its head."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pet.models.classification import ClassificationHead, MultilabelHead
from pet.tasks.action import TASK, config
from pet.tasks.action.model import ActionClassifier
from petlib.config import CfgNode
from petlib.errors import ConfigError


class MeanOfFrames(nn.Module):
    """Gives the mean of three channels as the logits of three classes."""

    def forward(self, clips: Tensor) -> Tensor:
        return clips.mean(dim=(2, 3, 4))


def config_of(**values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    usual = {"MODEL.NETWORK": "tsm", "MODEL.BACKBONE": "timm/test_resnet", "MODEL.NUM_CLASSES": 3, "MODEL.FRAMES": 2}
    for name, value in (usual | values).items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    cfg.freeze()
    return cfg


def test_several_views_give_the_mean_of_their_probabilities() -> None:
    model = ActionClassifier(MeanOfFrames(), head=ClassificationHead(num_classes=3), frames=2).eval()
    clips = torch.randn(2, 3, 6, 4, 4) * 5
    predictions = model({"clip": clips})
    views = [clips[:, :, start : start + 2].mean(dim=(2, 3, 4)).softmax(dim=1) for start in (0, 2, 4)]
    expected = torch.stack(views).mean(dim=0)
    assert torch.allclose(torch.stack([prediction["logits"] for prediction in predictions]).softmax(dim=1), expected, atol=1e-6)
    single = model({"clip": clips[:, :, :2]})
    assert torch.allclose(single[1]["logits"], clips[1, :, :2].mean(dim=(1, 2, 3)))
    with pytest.raises(ValueError, match="5 frames given, 2 expected"):
        model({"clip": clips[:, :, :5]})
    with pytest.raises(ValueError, match="6 frames given, 2 expected"):
        model.train()({"clip": clips, "label": torch.zeros(2, dtype=torch.int64)})


def test_several_classes() -> None:
    model = ActionClassifier(MeanOfFrames(), head=MultilabelHead(), frames=2)
    clips, targets = torch.randn(2, 3, 2, 4, 4), torch.tensor([[1, 0, 1], [0, 0, 1]], dtype=torch.uint8)
    logits = clips.mean(dim=(2, 3, 4))
    loss = model({"clip": clips, "multilabel": targets})["losses"]["loss_cls"]
    signs = targets * 2.0 - 1
    assert torch.allclose(loss, torch.log1p(torch.exp(-logits * signs)).mean())
    views = torch.cat([clips, clips.flip(1)], dim=2)
    scores = torch.stack([prediction["class_scores"] for prediction in model.eval()({"clip": views})])
    assert torch.allclose(scores, (logits.sigmoid() + logits.flip(1).sigmoid()) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "head"),
    [
        ({}, ["network.backbone.fc.weight", "network.backbone.fc.bias"]),
        ({"MODEL.NETWORK": "slowonly_r50", "MODEL.BACKBONE": ""}, ["network.classifier.weight", "network.classifier.bias"]),
        ({"MODEL.NETWORK": "torchvision/r3d_18", "MODEL.BACKBONE": ""}, ["network.fc.weight", "network.fc.bias"]),
    ],
)
def test_the_head_is_the_last_layer(values: dict[str, Any], head: list[str]) -> None:
    cfg = config_of(**{"FINETUNE.HEAD_LR_MULT": 5.0}, **values)
    with torch.device("meta"):
        model = TASK.build_model(cfg)
    (rule,) = TASK.build_rules(cfg, model)
    assert [name for name, _ in model.named_parameters() if rule.pattern.search(name)] == head


SEGMENTS, CLIPS = "RandomSegments", {"name": "CentralSegments", "clips": 2}


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (["Normalize"], [CLIPS], "TRAIN.TRANSFORMS: of a video frames are chosen first"),
        ([CLIPS], [CLIPS], "TRAIN.TRANSFORMS: 2 clips in 1 crops"),
        ([SEGMENTS], ["RandomHorizontalFlip", CLIPS], "TEST.TRANSFORMS: of a video frames are chosen first"),
    ],
)
def test_transforms_choose_frames(train: list[Any], test: list[Any], message: str) -> None:
    data = {"TRAIN.DATASETS": ["motions_train"], "TEST.DATASETS": ["motions_test"], "MODEL.NUM_CLASSES": 8}
    cfg = config_of(**{"TRAIN.TRANSFORMS": train, "TEST.TRANSFORMS": test}, **data)
    with pytest.raises(ConfigError, match=message):
        TASK.build_training_data(cfg, torch.device("cpu"))
        TASK.build_evaluation(cfg, torch.device("cpu"))
