"""Networks by name, from three tables."""

import subprocess
import sys

import pytest
import timm
import torch

from pet.models.classifiers import CLASSIFIERS, build_classifier, find_classifier
from petlib.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("resnet20", ("", "resnet20")),
        ("timm/resnet18", ("timm", "resnet18")),
        ("timm/resnet18.a1_in1k", ("timm", "resnet18.a1_in1k")),
        ("torchvision/resnet18", ("torchvision", "resnet18")),
        ("resnet18", ("timm", "resnet18")),
        ("alexnet", ("torchvision", "alexnet")),
    ],
)
def test_where_a_name_is_found(name: str, found: tuple[str, str]) -> None:
    assert find_classifier(name) == found


@pytest.mark.parametrize("name", ["timm/resnet10t", "torchvision/shufflenet_v2_x0_5", "squeezenet1_0"])
def test_library_networks_give_logits(name: str) -> None:
    model = build_classifier(name, num_classes=5).eval()
    assert model(torch.rand(2, 3, 64, 64)).shape == (2, 5)


def test_timm_arguments_reach_the_network() -> None:
    model = build_classifier("timm/resnet10t", num_classes=5, args={"in_chans": 1, "drop_rate": 0.25})
    assert model.drop_rate == 0.25
    assert model(torch.rand(2, 1, 64, 64)).shape == (2, 5)


def test_googlenet_gives_one_tensor_in_training() -> None:
    model = build_classifier("torchvision/googlenet", num_classes=4)
    assert model(torch.rand(2, 3, 64, 64)).shape == (2, 4)
    assert not [name for name, _ in model.named_parameters() if name.startswith("aux")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("resnt20", "did you mean resnet20"),
        ("timm/resnet5O", " or timm/resnet50"),
        ("torchvision/alexnett", "did you mean torchvision/alexnet or "),
        ("torchvision/resnet20", "did you mean resnet20 or "),
        ("tim/resnet18", "networks come from timm or torchvision, not from 'tim'; did you mean timm?"),
        ("resnet18.no_such_weights", "there is no network"),
        ("faster_rcnn_resnet50_fpn", "there is no network"),
    ],
)
def test_unknown_names_give_the_nearest_ones(name: str, text: str) -> None:
    with pytest.raises(ConfigError) as error:
        build_classifier(name, num_classes=10)
    assert text in str(error.value)
    assert str(error.value).startswith("find_classifier.name: ")


@pytest.mark.parametrize("name", ["resnet20", "timm/resnet18", "torchvision/resnet18"])
def test_wrong_arguments_name_the_argument(name: str) -> None:
    with pytest.raises(ConfigError, match=r"construct.args: .*cannot be built with .*drop_wrong"):
        build_classifier(name, num_classes=10, args={"drop_wrong": 0.5})


@pytest.mark.parametrize(
    ("args", "text"),
    [({"num_classes": 3}, "set build_classifier.num_classes"), ({"pretrained": True}, "Pet sets it to False"), ({"in_chans": -1}, "-1")],
)
def test_arguments_that_pet_sets_or_timm_refuses(args: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        build_classifier("timm/resnet18", num_classes=10, args=args)


def test_auxiliary_classifiers_are_refused() -> None:
    with pytest.raises(ConfigError, match="aux_logits"):
        build_classifier("torchvision/googlenet", num_classes=10, args={"aux_logits": True})


def test_a_users_network_goes_before_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CLASSIFIERS, "_registered", {})

    @CLASSIFIERS.register("resnet18")
    def tiny(*, num_classes: int) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, num_classes))

    assert build_classifier("resnet18", num_classes=6)(torch.rand(2, 3, 5, 5)).shape == (2, 6)


def test_random_weights_are_those_of_the_library() -> None:
    torch.manual_seed(5)
    theirs = timm.create_model("resnet10t", num_classes=10).state_dict()
    torch.manual_seed(5)
    ours = build_classifier("timm/resnet10t", num_classes=10).state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_training_of_a_classifier_imports_nothing_slow_that_others_need() -> None:
    code = (
        "import sys; from pet import data, models, vision; from petlib import distributed, engine, solver;"
        "from pet.models.classifiers import build_classifier; build_classifier('resnet20', num_classes=10);"
        "vision.GeneralizedCNN, vision.TASK, models.analyse, models.load_pretrained, distributed.parallelize, engine.build_train_hooks;"
        "engine.open_run, engine.train, solver.build_optimizer, solver.build_scheduler, data.build_train_loader;"
        "slow = {'timm', 'torchvision', 'scipy', 'sympy', 'torch._dynamo', 'torch.distributed.tensor', 'torch.utils.tensorboard'};"
        "print(sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=180, check=True)
    assert done.stdout.strip() == "[]"
