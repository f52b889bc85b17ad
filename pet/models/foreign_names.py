"""Names that detectron2, Caffe2's detectors before it, the toolboxes of OpenMMLab, CenterNet and FairMOT give to layers of our models."""

import logging
import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

_LOGGER = logging.getLogger(__name__)


class _Project(NamedTuple):
    """How the names of a project are recognised, and rules that are applied one after the other."""

    sign: re.Pattern[str]
    rules: tuple[tuple[str, str], ...]
    needs: str = ""
    """The end of a name that the model has to have."""
    unused: str = ""
    """A pattern of names that no network computes with: they are left out."""


def _stages(theirs: str, ours: str) -> tuple[tuple[str, str], ...]:
    """Return a rule for each of the four stages of a ResNet, which detectron2 counts from 2, as the feature maps."""
    return tuple((theirs.replace("N", str(stage + 1)), ours.replace("N", str(stage))) for stage in (1, 2, 3, 4))


_CAFFE2 = _Project(
    re.compile(r"^res2_0_branch2a_w$"),
    (
        (r"^(?:res_)?conv1_(?=(?:bn_)?[a-z]+$)", "stem.conv1_"),
        (r"^res(\d)_(\d+)_branch1_", r"res\1.\2.shortcut_"),
        *((rf"^res(\d)_(\d+)_branch2{letter}_", rf"res\1.\2.conv{number}_") for number, letter in enumerate("abc", start=1)),
        (r"^(?:fc1000|pred)_", "linear_"),
        *((rf"_bn_{short}$", f".norm.{name}") for short, name in (("s", "weight"), ("b", "bias"), ("rm", "running_mean"))),
        (r"_bn_riv$", ".norm.running_var"),
        (r"_w$", ".weight"),
        (r"_b$", ".bias"),
    ),
)
_DETECTRON2 = _Project(
    re.compile(r"(?:^|\.)res2\.0\.conv1\."),
    (
        (r"\bstem\.conv1\.norm\.", "bn1."),
        (r"\bstem\.conv1\.", "conv1."),
        *_stages(r"\bresN\.(\d+)\.shortcut\.norm\.", r"layerN.\1.downsample.1."),
        *_stages(r"\bresN\.(\d+)\.shortcut\.", r"layerN.\1.downsample.0."),
        *_stages(r"\bresN\.(\d+)\.conv(\d)\.norm\.", r"layerN.\1.bn\2."),
        *_stages(r"\bresN\.(\d+)\.conv(\d)\.", r"layerN.\1.conv\2."),
        (r"^linear\.", "fc."),
    ),
)
_DETECTRON2_FPN = _Project(
    re.compile(r"\bbackbone\.fpn_lateral2\."),
    (
        *((rf"\bbackbone\.fpn_lateral{level}\.", f"neck.inner_blocks.{level - 2}.0.") for level in (2, 3, 4, 5)),
        *((rf"\bbackbone\.fpn_output{level}\.", f"neck.layer_blocks.{level - 2}.0.") for level in (2, 3, 4, 5)),
    ),
)
_MMDETECTION = _Project(
    re.compile(r"(?:^|\.)neck\.lateral_convs\.\d+\.conv\."),
    (
        (r"\bneck\.lateral_convs\.(\d+)\.conv\.", r"neck.inner_blocks.\1.0."),
        (r"\bneck\.fpn_convs\.(\d+)\.conv\.", r"neck.layer_blocks.\1.0."),
    ),
)
_MMSEGMENTATION = _Project(
    re.compile(r"(?:^|\.)decode_head\.conv_seg\."),
    (
        (r"\bdecode_head\.convs\.0\.conv\.", "decoder.decoder.conv."),
        (r"\bdecode_head\.convs\.0\.bn\.", "decoder.decoder.norm."),
        (r"\bdecode_head\.conv_seg\.", "classifier."),
    ),
    needs="decoder.decoder.conv.weight",
)
_CENTERNET = _Project(
    re.compile(r"^ida_up\.proj_1\.conv\."),
    (
        (r"^base\.", "backbone.body."),
        (r"^dla_up\.ida_(\d)\.", r"neck.dla_up.\1."),
        (r"^ida_up\.", "neck.ida_up."),
        *(
            (rf"^(neck\..*){theirs}_{number}\.", rf"\1{ours}.{number - 1}.")
            for theirs, ours in (("proj", "project"), ("up", "up"), ("node", "node"))
            for number in (1, 2, 3)
        ),
        (r"^(neck\..*)\.conv\.", r"\1.0."),
        (r"^(neck\..*)\.actf\.0\.", r"\1.1."),
        *((rf"^{theirs}\.", f"heads.box.{ours}.") for theirs, ours in (("hm", "heatmap"), ("wh", "size"), ("reg", "offset"))),
        (r"^id\.", "heads.identity.embedding."),
    ),
    needs="neck.ida_up.project.0.0.conv_offset_mask.weight",
    # a classifier of ImageNet, and projections of trees whose inner trees have their own
    unused=r"^base\.(?:fc|level[34]\.project)\.",
)
"""Of DLA-34 with deformable convolutions: https://github.com/ifzhang/FairMOT and https://github.com/xingyizhou/CenterNet."""


def familiar_names(names: Iterable[str], own: Collection[str]) -> dict[str, str]:
    """Return for each name of a file the one that our models have for the layer, without those that no network computes with.

    Layers of ResNets and FPN have torchvision's names. A file is recognised by some of its names; names that are of none of these
    projects stay as they are. Beginnings such as ``backbone.bottom_up.`` stay too.

    Args:
        names: of the tensors in a file.
        own: those of the model.
    """
    known = {name: name for name in names}
    for project in (_CAFFE2, _DETECTRON2, _DETECTRON2_FPN, _MMDETECTION, _MMSEGMENTATION, _CENTERNET):
        if any(map(project.sign.search, known.values())) and (not project.needs or any(name.endswith(project.needs) for name in own)):
            if project is _CAFFE2:
                _LOGGER.warning(
                    "these weights of Caffe2 are of a ResNet that has the stride in its 1x1 convolutions and takes BGR images of 0 to 255: "
                    "set load_weights.convert_conv1, and expect less of them than of torchvision's"
                )
            used = {name: new for name, new in known.items() if not (project.unused and re.search(project.unused, new))}
            known = {name: _renamed(new, project.rules) for name, new in used.items()}
    return known


def _renamed(name: str, rules: Iterable[tuple[str, str]]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name
