"""Networks under PaddleSeg's names, their weights, and what is reported of both."""

from pathlib import Path

import pytest
import timm
import torch

from pet.compat.paddleseg import paddle
from pet.compat.paddleseg.models import FCN, DeepLabV3P, HRNet_W18, OCRNet, ResNet50_vd, SegFormer_B0, UNet, losses, segformer
from pet.compat.paddleseg.segmenter import build_segmenter
from pet.losses import pixels
from pet.models.segmentation.networks import build_network
from pet.models.zoo.sources import PublishedWeights
from petlib.errors import CheckpointError, ConfigError


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return SegFormer_B0(num_classes=2)


def save(network: torch.nn.Module, path: Path, prefix: str = "") -> Path:
    path.parent.mkdir(parents=True)
    torch.save({prefix + name: value for name, value in network.state_dict().items()}, path)
    return path


def test_segformers_give_logits_of_the_size_of_the_images(network: torch.nn.Module) -> None:
    assert segformer.SegFormer_B0 is SegFormer_B0
    (logits,) = network.eval()(torch.rand(1, 3, 64, 96))
    assert logits.shape == (1, 2, 64, 96)


@pytest.mark.parametrize("prefix", ["", "network."])
def test_weights_of_a_training_are_read(network: torch.nn.Module, tmp_path: Path, prefix: str) -> None:
    path = save(network, tmp_path / "run" / "best_model" / "model.pdparams", prefix)
    other = SegFormer_B0(2, pretrained=path)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in network.state_dict().items())


def test_a_best_model_that_no_training_has_written_yet_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    UNet(2, pretrained=tmp_path / "output" / "best_model" / "model.pdparams")
    assert len(caplog.records) == 1
    assert "no training has written it yet; the network begins with random weights" in caplog.text


def test_a_run_that_ended_before_its_first_checkpoint_counts_as_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "config.yaml").write_text("MISC: {}\n")
    UNet(2, pretrained=tmp_path / "best_model" / "model.pdparams")
    assert "random weights" in caplog.text


@pytest.mark.parametrize("name", ["best_model/model.pdparams", "new/model.pdparams", "weights.pth"])
def test_other_missing_files_are_errors(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match=rf"pretrained: .*{name}: there is no such file"):
        UNet(2, pretrained=tmp_path / name)


def test_weights_for_another_number_of_classes_are_reported(network: torch.nn.Module, tmp_path: Path, caplog) -> None:
    SegFormer_B0(3, pretrained=save(network, tmp_path / "run" / "weights.pth"))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "2 mismatched: segmentation_head" in record.getMessage()
    assert len(record.getMessage()) < 1000


def test_weights_of_another_network_are_reported(network: torch.nn.Module, tmp_path: Path) -> None:
    path = save(torch.nn.Linear(2, 2), tmp_path / "run" / "linear.pth")
    with pytest.raises(CheckpointError, match="none of its 2 tensors fits"):
        UNet(2, pretrained=path)


def test_ocrnet_has_two_outputs_and_needs_two_losses() -> None:
    network = OCRNet(num_classes=2, backbone=HRNet_W18(), backbone_indices=[0], ocr_mid_channels=32, ocr_key_channels=16)
    assert [logits.shape for logits in network(torch.rand(2, 3, 64, 64))] == [(2, 2, 64, 64)] * 2
    one = {"types": [losses.CrossEntropyLoss()], "coef": [1]}
    with pytest.raises(ConfigError, match=r"1 given as types, but the network has 2 outputs in training.*\[1, 0.4\]"):
        build_segmenter(network, one, num_classes=2)
    two = {"types": [losses.MixedLoss([losses.BCELoss(), losses.DiceLoss()], [2, 1])] * 2, "coef": [1, 0.4]}
    assert build_segmenter(network, two, num_classes=2).output_weights == (1.0, 0.4)


def test_other_backbones_and_maps_are_reported() -> None:
    with pytest.raises(ConfigError, match=r"backbone: Linear given, HRNet_W18\(\)"):
        OCRNet(2, torch.nn.Linear(2, 2))
    with pytest.raises(ConfigError, match=r"backbone_indices: \[0, 1\] given, \[0\] expected"):
        OCRNet(2, HRNet_W18(), [0, 1])


def test_losses_are_pets_with_paddlesegs_arguments() -> None:
    logits, labels = torch.randn(2, 2, 8, 8), torch.randint(0, 2, (2, 8, 8))
    pairs = [
        (losses.BCELoss(pos_weight=2.0), pixels.BCELoss(positive_weight=2.0)),
        (losses.CrossEntropyLoss(weight=[1, 3]), pixels.CrossEntropyLoss(class_weights=[1, 3])),
        (losses.DiceLoss(smooth=0.5), pixels.DiceLoss(smooth=0.5)),
        (losses.FocalLoss(alpha=0.3, gamma=1.0), pixels.FocalLoss(alpha=0.3, gamma=1.0)),
        (losses.LovaszHingeLoss(), pixels.LovaszHingeLoss()),
        (losses.LovaszSoftmaxLoss(classes="all"), pixels.LovaszSoftmaxLoss(classes="all")),
        (losses.OhemCrossEntropyLoss(thresh=0.5, min_kept=4), pixels.OhemCrossEntropyLoss(threshold=0.5, min_kept=4)),
    ]
    for own, pets in pairs:
        assert float(own(logits, labels)) == float(pets(logits, labels))
    mixed = losses.MixedLoss([own for own, _ in pairs[:2]], coef=[2, 1])
    assert float(mixed(logits, labels)) == pytest.approx(2 * float(pairs[0][1](logits, labels)) + float(pairs[1][1](logits, labels)))


@pytest.mark.parametrize(
    "name", ["BCELoss", "CrossEntropyLoss", "DiceLoss", "FocalLoss", "LovaszHingeLoss", "LovaszSoftmaxLoss", "OhemCrossEntropyLoss"]
)
def test_another_ignored_label_belongs_to_the_data_set(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: ignore_index: 0 given, 255 expected; give yours to Dataset\(ignore_index=0\)"):
        getattr(losses, name)(ignore_index=0)


def test_weights_are_loaded_and_set_by_paddles_calls(network: torch.nn.Module, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paddle.save(network.state_dict(), tmp_path / "run" / "model.pdparams")
    state = paddle.load(tmp_path / "run" / "model.pdparams")
    other = SegFormer_B0(2)
    assert other.set_state_dict(state) == ([], [])
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in network.state_dict().items())
    lacking = {name: value for name, value in state.items() if not name.startswith("decoder.")}
    missing, unexpected = SegFormer_B0(2).set_dict({**lacking, "extra": torch.zeros(1)})
    assert missing and all(name.startswith("decoder.") for name in missing)
    assert unexpected == ["extra"]
    assert caplog.records[-1].levelname == "WARNING"
    with pytest.raises(CheckpointError, match="set_state_dict: none of its 1 tensors fits"):
        UNet(2).set_dict({"weight": torch.zeros(3)})


@pytest.mark.parametrize("make", [lambda source: HRNet_W18(pretrained=source), lambda source: UNet(2, pretrained=source).backbone])
def test_published_weights_are_those_of_timm(make, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    published: dict[str, torch.Tensor] = {}

    def read(name: str, _: Path) -> dict[str, torch.Tensor]:
        published.update(timm.create_model(name, pretrained=False).state_dict())
        return published

    monkeypatch.setattr("pet.models.published._read_timm", read)
    monkeypatch.setattr(PublishedWeights, "fetch", lambda weights: [Path(weights.name)])
    own = make("timm").state_dict()
    shared = {name.removeprefix("body."): value for name, value in own.items()}
    assert "conv1.weight" in shared
    assert all(torch.equal(value, published[name]) for name, value in shared.items() if name in published)
    assert sum(name in published for name in shared) > 0.9 * len(shared)


def test_weights_that_cannot_be_had_are_one_message() -> None:
    with pytest.raises(CheckpointError, match=r"^pretrained: https://.*tar.gz: weights of Paddle cannot be read; pretrained='timm' takes"):
        HRNet_W18(pretrained="https://bj.bcebos.com/paddleseg/dygraph/hrnet_w18_ssld.tar.gz")
    with pytest.raises(CheckpointError, match="^pretrained: timm: timm has none of this network; give a file of torch"):
        SegFormer_B0(2, pretrained="timm")


def test_deeplab_looks_at_the_backbone_that_is_given_with_its_own_dilations() -> None:
    backbone = ResNet50_vd(output_stride=16)
    theirs = {name: value.shape for name, value in timm.create_model("resnet50d", num_classes=0).state_dict().items()}
    assert {name.removeprefix("body."): value.shape for name, value in backbone.state_dict().items()} == theirs
    network = DeepLabV3P(num_classes=3, backbone=backbone)
    assert network.backbone is backbone
    dilations = {module.dilation[0] for name, module in network.decoder.named_modules() if isinstance(module, torch.nn.Conv2d)}
    assert {6, 12, 18} <= dilations
    (logits,) = network.eval()(torch.rand(1, 3, 64, 96))
    assert logits.shape == (1, 3, 64, 96)
    with pytest.raises(ConfigError, match=r"DeepLabV3P: aspp_ratios: \[6, 12, 18\] given, 1 and three dilations expected"):
        DeepLabV3P(num_classes=3, backbone=backbone, aspp_ratios=(6, 12, 18))
    with pytest.raises(ConfigError, match="DeepLabV3P: backbone: Linear given"):
        DeepLabV3P(num_classes=3, backbone=torch.nn.Linear(1, 1))


def test_fcn_is_that_of_hrnet() -> None:
    network = FCN(num_classes=5, backbone=HRNet_W18())
    theirs = build_network("fcn_hrnet_w18", channels=5)
    assert [tuple(value.shape) for value in network.parameters()] == [tuple(value.shape) for value in theirs.parameters()]
    with pytest.raises(ConfigError, match=r"FCN: backbone_indices: \[0, 1\] given"):
        FCN(num_classes=5, backbone=HRNet_W18(), backbone_indices=(0, 1))
