"""Names of PaddleSeg and Paddle: they are here, or the message of the import says what to take instead."""

import importlib
import logging

import pytest
import torch

from pet.compat.paddleseg import core, cvlibs, datasets, models, paddle, utils
from pet.compat.shared.absent import refuse_absent

ADVICE = {
    "models.U2Net": "train() takes any network of torch",
    "models.PSPNet": "segmentation_models_pytorch.PSPNet(",
    "models.backbones.STDC1": "pet.models.segmentation.networks.build_network",
    "models.deeplab.DeepLabV3": "segmentation_models_pytorch.DeepLabV3(",
    "models.losses.EdgeAttentionLoss": "torch.nn.Module with forward(logits, labels)",
    "datasets.Cityscapes": "Dataset(transforms, dataset_root, num_classes",
    "core.infer": "predict(",
    "cvlibs.Config": "cfgs/projects/buildseg/segformer_b2_512.yaml",
    "utils.resume": "resume_model",
    "paddle.set_device": "MISC.DEVICE",
    "paddle.distributed": "petlib.distributed.rank()",
    "paddle.to_tensor": "torch.as_tensor",
    "paddle.jit": "export(",
    "paddle.summary": "petlib.analyser.Analyser",
    "paddle.nn.CrossEntropyLoss": "pet.compat.paddleseg.models.losses",
    "paddle.nn.SyncBatchNorm": "torch.nn.SyncBatchNorm",
    "paddle.optimizer.Lamb": "timm.optim.Lamb",
    "paddle.optimizer.lr.OneCycleLR": "lr_scheduler",
}


@pytest.mark.parametrize(("name", "advice"), ADVICE.items())
def test_a_name_without_a_counterpart_says_what_to_take(name: str, advice: str) -> None:
    module, _, attribute = f"pet.compat.paddleseg.{name}".rpartition(".")
    statement = f"from {module} import {attribute}"
    with pytest.raises(ImportError) as caught:
        exec(statement, {})  # noqa: S102 -- what is tested is the statement of a script
    assert str(caught.value).startswith(f"{module} has no {attribute}: ")
    assert advice in str(caught.value)
    with pytest.raises(ImportError, match=attribute):
        getattr(importlib.import_module(module), attribute)


def test_what_the_messages_name_is_there() -> None:
    import segmentation_models_pytorch
    import timm.optim

    assert {"UnetPlusPlus", "PSPNet", "DeepLabV3", "PAN", "MAnet", "UPerNet", "FPN"} <= set(dir(segmentation_models_pytorch))
    assert issubclass(timm.optim.Lamb, torch.optim.Optimizer)
    for name, other in (("Conv2D", "Conv2d"), ("Conv2DTranspose", "ConvTranspose2d"), ("LayerList", "ModuleList")):
        assert paddle.nn.ABSENT[name] == f"torch.nn.{other}" and hasattr(torch.nn, other)


def test_names_that_are_torchs_are_the_same_objects() -> None:
    assert paddle.nn.Layer is torch.nn.Module
    assert paddle.no_grad is torch.no_grad
    assert paddle.seed is torch.manual_seed
    assert isinstance(utils.logger, logging.Logger)


def test_other_names_are_missing_as_in_any_module() -> None:
    for module in (models, core, cvlibs, datasets, paddle, utils):
        assert not hasattr(module, "nothing_of_this_name")
    find = refuse_absent("some.module", {"Old": "take New"}, {"Here": 3}.__getitem__)
    assert find("Here") == 3
