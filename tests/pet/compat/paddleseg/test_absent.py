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
    "paddle.distributed.spawn": "torchrun --nproc-per-node N",
    "paddle.distributed.all_reduce": "all_reduce_sum",
    "paddle.jit.save": "export(",
    "paddle.static.InputSpec": "export(",
    "paddle.io.DataLoader": "train(batch_size=..., num_workers=...)",
    "paddle.amp.auto_cast": "train(precision='fp16')",
    "paddle.nn.functional.interpolate": "torch.nn.functional.interpolate",
    "paddle.nn.functional.softmax": "axis is called dim",
    "paddle.nn.initializer.KaimingNormal": "torch.nn.init",
    "paddle.to_tensor": "torch.as_tensor",
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
    assert all(hasattr(torch.nn.functional, name) for name in paddle.nn.functional.NAMES.values())
    assert issubclass(timm.optim.Lamb, torch.optim.Optimizer)
    for name, other in (("Conv2D", "Conv2d"), ("Conv2DTranspose", "ConvTranspose2d"), ("LayerList", "ModuleList")):
        assert paddle.nn.ABSENT[name] == f"torch.nn.{other}" and hasattr(torch.nn, other)


def test_names_that_are_torchs_are_the_same_objects() -> None:
    assert paddle.nn.Layer is torch.nn.Module
    assert paddle.io.Dataset is torch.utils.data.Dataset
    assert paddle.no_grad is torch.no_grad
    assert paddle.seed is torch.manual_seed
    assert isinstance(utils.logger, logging.Logger)


MODULES = ["paddle.distributed", "paddle.jit", "paddle.io", "paddle.static", "paddle.amp", "paddle.nn.functional", "paddle.nn.initializer"]


@pytest.mark.parametrize("module", MODULES)
def test_modules_of_paddle_are_imported_as_scripts_do(module: str) -> None:
    exec(f"import pet.compat.paddleseg.{module} as alias", {})  # noqa: S102 -- what is tested is the statement of a script
    parent, _, name = module.rpartition(".")
    exec(f"from pet.compat.paddleseg.{parent} import {name}", {})  # noqa: S102 -- likewise


def test_a_process_knows_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    paddle.distributed.init_parallel_env()
    place = paddle.distributed.ParallelEnv()
    assert (place.rank, place.local_rank, place.nranks, paddle.distributed.get_world_size()) == (0, 0, 1, 1)
    for name, value in {"RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8"}.items():
        monkeypatch.setenv(name, value)
    place = paddle.distributed.ParallelEnv()
    assert (place.rank, place.local_rank, place.device_id, place.world_size) == (5, 1, 1, 8)
    assert paddle.distributed.get_rank() == 5


def test_to_static_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    # the default compiler takes a minute and needs a C++ compiler; that and what torch is asked to compile is what can go wrong here
    seen: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda function: seen.append(function) or function)
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module: seen.append(module))  # noqa: PLW0108 -- a method has to be a function
    network = torch.nn.Linear(2, 2)
    assert paddle.jit.to_static(network) is network

    @paddle.jit.to_static
    def double(value: torch.Tensor) -> torch.Tensor:
        return 2 * value

    assert double(torch.ones(1)).item() == 2
    assert seen[0] is network and len(seen) == 2


def test_other_names_are_missing_as_in_any_module() -> None:
    for module in (models, core, cvlibs, datasets, paddle, utils):
        assert not hasattr(module, "nothing_of_this_name")
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        _ = paddle.distributed.nothing_of_this_name
    find = refuse_absent("some.module", {"Old": "take New"}, {"Here": 3}.__getitem__)
    assert find("Here") == 3
