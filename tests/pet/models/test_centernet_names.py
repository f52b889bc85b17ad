"""Weights that CenterNet and FairMOT publish for DLA-34 with deformable convolutions, under the names of their files."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pet.models import load_pretrained
from pet.models.pretrained import load_test_weights
from pet.projects import fairmot
from pet.vision import GeneralizedCNN
from petlib.config import CfgNode
from petlib.errors import CheckpointError

HEADS = {"heads.box.heatmap": "hm", "heads.box.size": "wh", "heads.box.offset": "reg", "heads.identity.embedding": "id"}
PARTS = {"project": "proj", "up": "up", "node": "node"}


def published_name(name: str) -> str:
    """Return the name that a layer of ours has in fairmot_dla34.pth."""
    for ours, theirs in HEADS.items():
        if name.startswith(ours):
            return name.replace(ours, theirs)
    if name.startswith("backbone.body."):
        return name.replace("backbone.body.", "base.")
    place, part, number, rest = re.fullmatch(r"neck\.(dla_up\.\d|ida_up)\.(\w+)\.(\d)\.(.*)", name).groups()  # type: ignore[union-attr]
    if part != "up":
        rest = rest.replace("0.", "conv.", 1) if rest.startswith("0.") else rest.replace("1.", "actf.0.", 1)
    return f"{place.replace('dla_up.', 'dla_up.ida_')}.{PARTS[part]}_{int(number) + 1}.{rest}"


def settings(path: Path, *further: str) -> CfgNode:
    cfg = fairmot.config.get_base_cfg()
    options = ["MODEL.BACKBONE=timm/dla34", "MODEL.NUM_CLASSES=1", "MODEL.IDENTITY.NUM_IDENTITIES=9"]
    cfg.merge_from_list([*options, f"TRAIN.WEIGHTS={path}", f"TEST.WEIGHTS={path}", *further])
    fairmot.config.infer_cfg(cfg)
    return cfg


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    """The names of fairmot_dla34.pth, with random values."""
    with torch.device("meta"):
        model = GeneralizedCNN(settings(Path("any.pth")))
    generator = torch.Generator().manual_seed(0)
    shapes = {published_name(name): value.shape for name, value in model.state_dict().items()}
    unused = {"base.fc.weight": (1000, 512, 1, 1), "base.fc.bias": (1000,)}
    for level, channels in ((3, 128), (4, 256)):
        unused[f"base.level{level}.project.0.weight"] = (channels, channels // 2, 1, 1)
        unused |= {f"base.level{level}.project.1.{name}": (channels,) for name in ("weight", "bias", "running_mean", "running_var")}
    values = {name: torch.rand(tuple(shape), generator=generator) for name, shape in {**shapes, **unused}.items()}
    return {name: torch.tensor(7) if name.endswith("num_batches_tracked") else value for name, value in values.items()}


def test_the_names_are_those_of_the_published_file(published: dict[str, Tensor]) -> None:
    assert {
        *("base.base_layer.0.weight", "base.level3.tree1.project.0.weight", "base.level5.root.bn.running_var"),
        *("dla_up.ida_2.proj_3.conv.conv_offset_mask.bias", "dla_up.ida_0.node_1.actf.0.running_mean", "dla_up.ida_1.up_2.weight"),
        *("ida_up.proj_2.conv.weight", "ida_up.up_2.weight", "hm.0.weight", "hm.2.bias", "wh.2.weight", "id.2.weight", "reg.2.weight"),
    } <= set(published)


@pytest.mark.parametrize("beginning", ["", "module."])
def test_all_of_fairmot_is_tested_with_its_weights(published: dict[str, Tensor], tmp_path: Path, beginning: str) -> None:
    path = tmp_path / "fairmot_dla34.pth"
    torch.save({"epoch": 30, "state_dict": {f"{beginning}{name}": value for name, value in published.items()}}, path)
    model = GeneralizedCNN(settings(path))
    load_test_weights(model, settings(path))
    for name, value in model.state_dict().items():
        assert torch.equal(value, published[published_name(name)]), name


def test_a_training_begins_with_those_of_centernet_but_the_heads_of_other_sizes(published: dict[str, Tensor], tmp_path: Path) -> None:
    others = {"hm.2.weight": (80, 256, 1, 1), "hm.2.bias": (80,), "wh.2.weight": (2, 256, 1, 1), "wh.2.bias": (2,)}
    state = {name: value for name, value in published.items() if not name.startswith("id.")}
    torch.save({"state_dict": {**state, **{name: torch.zeros(shape) for name, shape in others.items()}}}, tmp_path / "ctdet.pth")
    cfg = settings(tmp_path / "ctdet.pth")
    model = GeneralizedCNN(cfg)
    load_pretrained(model, cfg)
    own = model.state_dict()
    assert torch.equal(own["heads.box.offset.2.weight"], published["reg.2.weight"])
    assert torch.equal(own["neck.ida_up.node.1.0.conv_offset_mask.weight"], published["ida_up.node_2.conv.conv_offset_mask.weight"])
    assert own["heads.box.heatmap.2.weight"].shape == (1, 256, 1, 1) and own["heads.box.heatmap.2.weight"].any()


def test_weights_of_deformable_convolutions_do_not_fit_plain_ones(published: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(published, tmp_path / "fairmot.pth")
    cfg = settings(tmp_path / "fairmot.pth", "MODEL.DLA_UP.DEFORMABLE=False")
    with pytest.raises(CheckpointError):
        load_test_weights(GeneralizedCNN(cfg), cfg)
