"""The network that a config describes."""

from typing import Any

import pytest
import torch

from pet.models.features import Features, HeadOutput, Regions
from pet.vision import GeneralizedCNN, config
from petlib.config import CfgNode
from petlib.errors import ConfigError

BOXES = {"MODEL.HAS_CLS": False, "MODEL.HAS_BOX": True, "MODEL.BACKBONE": "torchvision/resnet18", "MODEL.NECK": "fpn"}


def make_cfg(**values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    settings = {"MODEL.BACKBONE": "resnet20", "MODEL.HAS_CLS": True, "MODEL.NUM_CLASSES": 10} | values
    for name, value in settings.items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    return cfg


def make_batch(size: int = 4) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    return {
        "image": torch.rand(size, 3, 16, 16, generator=generator),
        "label": torch.arange(size) % 10,
        "meta": [{"id": number} for number in range(size)],
    }


def test_training_gives_scalar_losses_and_metrics() -> None:
    outputs = GeneralizedCNN(make_cfg())(make_batch())
    assert set(outputs) == {"losses", "metrics"}
    assert outputs["losses"]["loss_cls"].shape == ()
    assert 0 <= outputs["metrics"]["acc1"].item() <= 1


def test_every_parameter_gets_a_gradient() -> None:
    model = GeneralizedCNN(make_cfg())
    outputs = model(make_batch())
    sum(outputs["losses"].values()).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_evaluation_gives_a_prediction_for_each_sample() -> None:
    predictions = GeneralizedCNN(make_cfg()).eval()({"image": make_batch(5)["image"]})
    assert [prediction["logits"].shape for prediction in predictions] == [(10,)] * 5


def test_all_weights_are_below_backbone() -> None:
    assert all(name.startswith("backbone.") for name in GeneralizedCNN(make_cfg()).state_dict())


def test_weights_follow_from_the_seed() -> None:
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(GeneralizedCNN(make_cfg()).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["backbone.conv1.weight"], states[2]["backbone.conv1.weight"])


def test_backbone_arguments_reach_the_network() -> None:
    model = GeneralizedCNN(make_cfg(**{"MODEL.BACKBONE_ARGS": {"shortcut": "B"}}))
    assert "backbone.layer2.0.shortcut.0.weight" in model.state_dict()


def test_predictions_of_several_heads_are_joined() -> None:
    class Brightness(torch.nn.Module):
        def forward(self, features: Features, batch: dict[str, Any], regions: Regions | None) -> HeadOutput:
            brightness = features.images.mean(dim=(1, 2, 3))
            if self.training:
                return HeadOutput(losses={"loss_brightness": brightness.mean()})
            return HeadOutput(predictions=[{"brightness": value} for value in brightness])

    model = GeneralizedCNN(make_cfg())
    model.heads["brightness"] = Brightness()
    assert set(model(make_batch())["losses"]) == {"loss_cls", "loss_brightness"}
    predictions = model.eval()(make_batch())
    assert [set(prediction) for prediction in predictions] == [{"logits", "brightness"}] * 4


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"MODEL.HAS_CLS": False}, "no head is switched on; set MODEL.HAS_CLS or MODEL.HAS_BOX or"),
        ({"MODEL.BACKBONE": ""}, "MODEL.BACKBONE: nothing given"),
        ({"MODEL.NUM_CLASSES": 0}, "MODEL.NUM_CLASSES: 0 given"),
        ({"MODEL.LABEL_SMOOTHING": 1.0}, "MODEL.LABEL_SMOOTHING: 1 given"),
        ({"MODEL.HAS_BOX": True}, "MODEL.HAS_CLS and MODEL.HAS_BOX are both True"),
        ({**BOXES, "MODEL.HAS_BOX": False, "MODEL.HAS_MASK": True}, "set MODEL.HAS_BOX to True as well"),
        ({**BOXES, "MODEL.HAS_MASK": True, "MODEL.BOX.DETECTOR": "fcos"}, "take faster_rcnn or cascade_rcnn"),
        ({**BOXES, "MODEL.NECK": ""}, "MODEL.NECK: '' given; detectors look at the maps of a neck: set it to fpn"),
        ({**BOXES, "DATA.CLASSES": ["cat", "dog", "cat"]}, "DATA.CLASSES: 'cat' is given twice"),
        ({"DATA.CLASSES": ["cat", "cat"]}, "DATA.CLASSES: 'cat' is given twice"),
        ({**BOXES, "MODEL.NUM_CLASSES": 0}, "MODEL.NUM_CLASSES: 0 given; set it to the number of classes, without the background"),
    ],
)
def test_settings_that_do_not_go_together(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        make_cfg(**values)
    assert text in str(error.value)


def test_sync_bn_of_one_process_changes_nothing() -> None:
    model = GeneralizedCNN(make_cfg(**{"MODEL.SYNC_BN": True}))
    assert not [module for module in model.modules() if isinstance(module, torch.nn.SyncBatchNorm)]


def build_with_sync_bn() -> str:
    try:
        GeneralizedCNN(make_cfg(**{"MODEL.SYNC_BN": True, "MISC.DEVICE": "cpu"}))
    except ConfigError as error:
        return str(error)
    return ""


def test_sync_bn_without_gpus_is_refused(run_ranks: Any) -> None:
    assert run_ranks(build_with_sync_bn, 2) == ["MODEL.SYNC_BN: True works on GPUs only and this run has none; set it to False"] * 2
