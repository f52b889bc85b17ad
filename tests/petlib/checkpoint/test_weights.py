from collections import OrderedDict

import pytest
import torch
from torch import nn

from petlib.checkpoint import Checkpointer, load_weights
from petlib.checkpoint.restore import Mismatch, load_model_strict
from petlib.errors import CheckpointError


class Classifier(nn.Module):
    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.backbone = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4)))
        self.head = nn.Linear(4, classes)


@pytest.fixture
def source():
    torch.manual_seed(0)
    return Classifier()


@pytest.fixture
def target():
    torch.manual_seed(1)
    return Classifier()


def save(path, content):
    torch.save(content, path)
    return str(path)


def assert_equal_states(model, state):
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"model": state, "epoch": 3},
        lambda state: {"state_dict": state, "args": {"lr": 0.1}},
        lambda state: {f"module.{name}": value for name, value in state.items()},
        lambda state: {"model": {f"_orig_mod.module.{name}": value for name, value in state.items()}},
        lambda state: {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")},
    ],
    ids=["plain", "model", "state_dict", "ddp", "compiled ddp", "without counters"],
)
def test_every_usual_form_of_a_weights_file_is_understood(tmp_path, source, target, wrap):
    report = load_weights(target, save(tmp_path / "weights.pth", wrap(source.state_dict())), prefer_ema=False)
    assert_equal_states(target, source.state_dict())
    assert report.complete
    assert report.matched[0] == "backbone.conv.weight"
    report.require_complete()


def test_names_without_the_prefix_of_the_model_are_found(tmp_path, source, target):
    report = load_weights(target, save(tmp_path / "backbone.pth", source.backbone.state_dict()), key_prefixes=["neck.", "backbone."])
    assert_equal_states(target.backbone, source.backbone.state_dict())
    assert report.missing == ["head.weight", "head.bias"]
    assert report.unexpected == []


@pytest.mark.parametrize("prefix", ["model.", "module.encoder_q.", "network.student."])
def test_a_beginning_that_only_the_names_of_the_file_have_is_left_out(tmp_path, source, target, prefix, caplog):
    caplog.set_level("INFO", logger="petlib.checkpoint.prefixes")
    state = {prefix + name: value for name, value in source.state_dict().items()} | {
        "encoder_k.head.weight": torch.zeros(5, 4),
        "queue": torch.zeros(9),
    }
    report = load_weights(target, save(tmp_path / "other.ckpt", {"state_dict": state}))
    assert_equal_states(target, source.state_dict())
    assert len(report.matched) == len(source.state_dict())
    assert report.unexpected == ["encoder_k.head.weight", "queue"]
    assert f"names that begin with {prefix!r} are taken without it: 9 of their 9 tensors fit; 2 others are left" in caplog.text


def test_a_tensor_that_happens_to_fit_below_another_name_is_not_taken(tmp_path, target):
    state = {f"net.layers.{number}.weight": torch.zeros(7, 7) for number in range(9)} | {"net.layers.head.bias": torch.zeros(5)}
    with pytest.raises(CheckpointError, match="none of its 10 tensors fits"):
        load_weights(target, save(tmp_path / "other.pth", state))


def test_what_does_not_fit_is_reported_and_stays_as_it_was(tmp_path, source):
    target = Classifier(classes=7)
    head = target.head.weight.detach().clone()
    state = source.state_dict()
    state["neck.weight"] = torch.ones(1)
    del state["backbone.norm.bias"]
    report = load_weights(target, save(tmp_path / "weights.pth", state), prefer_ema=False)
    assert torch.equal(target.head.weight, head)
    assert torch.equal(target.backbone.conv.weight, source.backbone.conv.weight)
    assert (report.missing, report.unexpected) == (["backbone.norm.bias"], ["neck.weight"])
    assert report.mismatched == [Mismatch("head.weight", (5, 4), (7, 4)), Mismatch("head.bias", (5,), (7,))]
    assert report.summary().splitlines() == [
        f"{tmp_path / 'weights.pth'}: 6 tensors matched",
        "  1 missing: backbone.norm.bias",
        "  1 unexpected: neck.weight",
        "  2 mismatched: head.weight [5, 4] in the file, [7, 4] in the model, head.bias [5] in the file, [7] in the model",
    ]
    with pytest.raises(CheckpointError, match="another architecture(.|\n)*1 missing: backbone.norm.bias"):
        report.require_complete()


def test_a_long_list_of_names_is_cut(tmp_path, source):
    target = nn.ModuleDict({"backbone": source.backbone, **{f"extra{number}": nn.Linear(1, 1, bias=False) for number in range(20)}})
    report = load_weights(target, save(tmp_path / "weights.pth", source.state_dict()))
    assert "20 missing: extra0.weight" in report.summary(most=3)
    assert "and 17 more" in report.summary(most=3)


@pytest.mark.parametrize("prefer_ema", [True, False])
def test_the_moving_average_is_taken_where_it_is_wanted(tmp_path, source, target, prefer_ema):
    ema = {name: value + 1 for name, value in source.state_dict().items()}
    checkpointer = Checkpointer(tmp_path)
    checkpointer.save({"model": source, "ema": ema, "iteration": 1}, iteration=1, best=True)
    checkpointer.wait()
    load_weights(target, checkpointer.best_path, prefer_ema=prefer_ema)
    assert_equal_states(target, ema if prefer_ema else source.state_dict())


def test_the_first_convolution_of_three_channels_is_flipped(tmp_path, source, target):
    path = save(tmp_path / "bgr.pth", source.state_dict())
    load_weights(target, path, convert_conv1=True)
    weight = source.backbone.conv.weight
    assert torch.equal(target.backbone.conv.weight, weight[:, [2, 1, 0]])
    image = torch.randn(1, 3, 5, 5)
    torch.testing.assert_close(target.backbone.conv(image.flip(1)), source.backbone.conv(image))


def test_a_convolution_that_took_nothing_from_the_file_is_not_flipped(tmp_path, source, target, caplog):
    before = target.backbone.conv.weight.detach().clone()
    load_weights(target, save(tmp_path / "head.pth", {"head.weight": source.head.weight}), convert_conv1=True)
    assert torch.equal(target.backbone.conv.weight, before)
    assert "nothing is flipped" in caplog.text


def test_weights_of_another_architecture_are_refused(tmp_path, target):
    path = save(tmp_path / "other.pth", {"layers.0.weight": torch.ones(2), "layers.0.bias": torch.ones(2)})
    with pytest.raises(CheckpointError) as caught:
        load_weights(target, path)
    assert f"{path}: none of its 2 tensors fits the 9 of the model" in str(caught.value)
    assert "in the file: layers.0.weight [2], layers.0.bias [2]" in str(caught.value)
    assert "in the model: backbone.conv.weight [4, 3, 3, 3], " in str(caught.value)


def test_a_file_without_weights_is_refused(tmp_path, target):
    with pytest.raises(CheckpointError, match="there are no weights in it; expected names and tensors.*found: epoch"):
        load_weights(target, save(tmp_path / "log.pth", {"epoch": 3}))
    with pytest.raises(CheckpointError, match="a checkpoint holds a dictionary, this file holds a list"):
        load_weights(target, save(tmp_path / "list.pth", [1, 2]))


def test_load_model_strict_changes_nothing_where_anything_differs(source, target):
    before = {name: value.clone() for name, value in target.state_dict().items()}
    state = source.state_dict()
    del state["head.bias"]
    with pytest.raises(CheckpointError, match="run/model.pth: 8 tensors matched\n  1 missing: head.bias"):
        load_model_strict(target, state, origin="run/model.pth")
    assert_equal_states(target, before)
    load_model_strict(target, source.state_dict(), origin="run/model.pth")
    assert_equal_states(target, source.state_dict())


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({"iteration": 3, "names": {"label": ["cat", "dog"]}}, {"label": ["cat", "dog"]}),
        ({"iteration": 3, "names": {}}, {}),
        ({"iteration": 3}, None),
        ({"names": ["cat"]}, None),
        ({"iteration": 3, "names": "cat"}, None),
        ({"iteration": 3, "names": {"label": 3}}, {}),
    ],
)
def test_names_of_a_checkpoint_are_reported(tmp_path, source, target, content, names):
    report = load_weights(target, save(tmp_path / "weights.pth", {"model": source.state_dict(), **content}))
    assert report.names == names
