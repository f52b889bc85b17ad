"""The network of single objects: heads that combine, what they learn, and where their predictions lie."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pet.data.targets.dataset import IGNORE
from pet.models.instance.heads import Crops, look_into_boxes, part_labels
from pet.structures.affine import move_points
from pet.tasks.instance import config
from pet.tasks.instance.model import InstanceNetwork, MirroredViews, build_model
from petlib import solver
from petlib.config import CfgNode, ConfigError, load_cfg

ROOT = Path(__file__).parents[4]

HEIGHT, WIDTH = 64, 96
SWAP = [0, 2, 1, 4, 3]
PART_SWAP = [0, 1, 3, 2]
TRANSFORMS = "[{name: CropObject, size: [64, 96]}, Normalize]"
MSRA_CROPS = [f"{split}.TRANSFORMS=[{{name: CropObject, size: [64, 96], convention: msra}}, Normalize]" for split in ("TRAIN", "TEST")]
ALL_HEADS = [
    *("MODEL.HAS_KEYPOINTS=True", "MODEL.KEYPOINTS.NUM_KEYPOINTS=5", "MODEL.KEYPOINTS.QUALITY=True"),
    *("MODEL.HAS_MASK=True", "MODEL.MASK.CHANNELS=[8]", "MODEL.MASK.QUALITY=True"),
    *("MODEL.HAS_PARSING=True", "MODEL.PARSING.NUM_PARTS=4", "MODEL.PARSING.CHANNELS=[8]", "MODEL.PARSING.QUALITY=True"),
]


def make_cfg(folder: Path, *settings: str) -> CfgNode:
    path = folder / "cfgs" / "tasks" / "instance" / "x.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("MODEL: {BACKBONE: timm/test_resnet, UPSAMPLING: {CHANNELS: 16}}\nSOLVER: {SCHEDULER: {TOTAL_ITERS: 1}}\n")
    return load_cfg(config, path, [f"TRAIN.TRANSFORMS={TRANSFORMS}", f"TEST.TRANSFORMS={TRANSFORMS}", *settings])  # type: ignore[arg-type]


@pytest.fixture
def network(tmp_path: Path) -> InstanceNetwork:
    torch.manual_seed(0)
    network = build_model(make_cfg(tmp_path, *ALL_HEADS))
    # as weights begin, heatmaps are flat; a trained network has peaks
    for layer in network.upsampling.modules():
        if isinstance(layer, torch.nn.ConvTranspose2d):
            torch.nn.init.normal_(layer.weight, std=0.1)
    for head in network.named_heads().values():
        torch.nn.init.normal_(head.final_layer.weight, std=0.5)
    return network


def make_batch(count: int = 3, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    keypoints = np.concatenate([rng.uniform(0, 1, (count, 1, 5, 2)) * (WIDTH, HEIGHT), rng.integers(0, 3, (count, 1, 5, 1))], axis=-1)
    return {
        "image": torch.from_numpy(rng.normal(size=(count, 3, HEIGHT, WIDTH)).astype(np.float32)),
        "boxes": torch.tensor([[[10.0, 8.0, 80.0, 56.0]]]).repeat(count, 1, 1),
        "labels": torch.zeros(count, 1, dtype=torch.int64),
        "keypoints": torch.from_numpy(keypoints.astype(np.float32)),
        "masks": torch.from_numpy(rng.integers(0, 2, (count, 1, HEIGHT, WIDTH)).astype(np.uint8)),
        "parsing": torch.from_numpy(rng.integers(0, 4, (count, HEIGHT, WIDTH)).astype(np.uint8)),
        "instances": torch.from_numpy(rng.integers(0, 3, (count, HEIGHT, WIDTH)).astype(np.uint16)),
        "instance_ids": torch.ones(count, 1, dtype=torch.int64),
    }


def make_metas(count: int) -> list[dict[str, Any]]:
    """Return where crops come from: windows of twice their size, at different places of an image of 300 x 400."""
    metas = []
    for place in range(count):
        matrix = np.array([[0.5, 0.0, -5.0 * place], [0.0, 0.5, -10.0], [0.0, 0.0, 1.0]])
        box = np.array([20.0 + 10 * place, 40.0, 150.0 + 10 * place, 120.0], np.float32)
        meta = {"size": (300, 400), "matrix": matrix, "box": box, "score": 0.5, "label": place}
        metas.append({**meta, "keypoint_swap": SWAP, "part_swap": PART_SWAP})
    return metas


def test_every_head_learns_and_reports(network: InstanceNetwork) -> None:
    output = network.train()(make_batch())
    names = ["loss_keypoints", "loss_keypoint_quality", "loss_mask", "loss_mask_quality", "loss_parsing", "loss_parsing_quality"]
    assert list(output["losses"]) == names
    assert list(output["metrics"]) == ["keypoint_similarity", "mask_iou", "parsing_iou"]
    sum(output["losses"].values()).backward()
    assert all(parameter.grad is not None for name, parameter in network.named_parameters())


def test_the_loss_is_a_sum_over_the_objects_divided_by_the_samples(network: InstanceNetwork) -> None:
    # so that the mean over the processes is that of one; without batch norm, whose statistics are those of a batch
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    batch = make_batch(4)
    whole = network(batch)["losses"]
    halves = [network({name: value[part] for name, value in batch.items()})["losses"] for part in (slice(0, 2), slice(2, 4))]
    for name, value in whole.items():
        assert float(value) == pytest.approx(float(sum(half[name] for half in halves)) / 2, rel=1e-5)


def test_a_crop_that_lost_its_object_teaches_nothing(network: InstanceNetwork) -> None:
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    batch = make_batch(3)
    lists = {name: list(batch[name]) for name in ("boxes", "labels", "keypoints", "masks", "instance_ids")}
    for name, values in lists.items():
        values[1] = batch[name][1][:0]
    found = network({**batch, **lists})["losses"]
    kept = network({name: value[[0, 2]] for name, value in batch.items()})["losses"]
    for name, value in found.items():
        assert float(value) == pytest.approx(float(kept[name]) * 2 / 3, rel=1e-5)
    none = {name: [value[:0] for value in values] for name, values in lists.items()}
    losses = network({**batch, **none})["losses"]
    assert all(float(value) == 0.0 for value in losses.values())
    sum(losses.values()).backward()


def test_keypoints_that_are_absent_do_not_count(tmp_path: Path) -> None:
    network = build_model(make_cfg(tmp_path, *ALL_HEADS[:2])).train()
    batch = make_batch(2)
    batch["keypoints"][..., 2] = 0
    assert float(network(batch)["losses"]["loss_keypoints"]) == 0.0
    batch["keypoints"][0, 0, 1, 2] = 1
    # one Gaussian of 2 pixels at most, over 16 x 24 pixels, of 2 samples with 5 keypoints, against a map of zeros
    assert 0.0 < float(network(batch)["losses"]["loss_keypoints"]) < 1.05 * (np.pi * 4) / (16 * 24) / 10


def test_parts_of_others_are_background_and_objects_without_parts_are_ignored() -> None:
    fields = {
        "parsing": torch.tensor([[[1, 2, 255]], [[1, 2, 3]]], dtype=torch.uint8),
        "instances": torch.tensor([[[1, 2, 0]], [[1, 2, 2]]], dtype=torch.uint16),
        "instance_ids": torch.tensor([1, 0]),
    }
    assert part_labels(fields).tolist() == [[[1, 0, IGNORE]], [[IGNORE, IGNORE, IGNORE]]]


def test_predictions_lie_in_the_file(network: InstanceNetwork) -> None:
    batch, metas = make_batch(), make_metas(3)
    network.eval()
    crops = network({"image": batch["image"]})
    for plain, placed, meta in zip(crops, network({"image": batch["image"], "meta": metas}), metas, strict=True):
        expected = move_points(plain["keypoints"][0, :, :2].detach().numpy().astype(np.float64), np.linalg.inv(meta["matrix"]))
        assert np.abs(placed["keypoints"][0, :, :2].detach().numpy() - expected).max() < 1e-3
        assert placed["boxes"].tolist() == [meta["box"].tolist()]
        assert placed["labels"].tolist() == [meta["label"]]
        assert float(placed["scores"]) == 0.5
        assert placed["masks"].shape == (1, 16, 24)
        assert placed["parsing"].shape == (1, 4, 16, 24)
        assert placed["parsing"].sum(dim=1).allclose(torch.ones(1, 16, 24), atol=1e-5)
        for scores in ("keypoint_scores", "mask_scores", "parsing_scores"):
            assert placed[scores].shape == (1,)


def test_maps_are_looked_at_over_the_box() -> None:
    columns = (torch.arange(24) + 0.5) * 4
    maps = columns.expand(1, 1, 16, 24).contiguous()
    crops = Crops(torch.tensor([[20.0, 0.0, 68.0, 64.0]]), torch.ones(1), (64, 96))
    found = look_into_boxes(maps, crops)[0, 0, 0]
    assert found.allclose(20 + (torch.arange(24) + 0.5) * 2, atol=1e-3)


def mirrored(images: Tensor) -> Tensor:
    return images.flip(-1)


def test_a_mirrored_crop_gives_the_mirrored_pose_and_parts(network: InstanceNetwork) -> None:
    views, batch = MirroredViews(network.eval()), make_batch()
    metas = [{name: meta[name] for name in ("keypoint_swap", "part_swap")} for meta in make_metas(3)]
    with torch.no_grad():
        found = views({"image": batch["image"], "meta": metas})
        turned = views({"image": mirrored(batch["image"]), "meta": metas})
    for one, other in zip(found, turned, strict=True):
        points = other["keypoints"][:, SWAP]
        assert one["keypoints"][..., 2].min() > 1e-3
        assert (WIDTH - points[..., 0] - one["keypoints"][..., 0]).abs().max() < 1e-4
        assert (points[..., 1:] - one["keypoints"][..., 1:]).abs().max() < 1e-4
        assert (other["masks"].flip(-1) - one["masks"]).abs().max() < 1e-4
        assert (other["parsing"].flip(-1)[:, PART_SWAP] - one["parsing"]).abs().max() < 1e-4


def test_where_left_and_right_are_not_known_the_crop_counts_alone(network: InstanceNetwork) -> None:
    batch = make_batch()
    with torch.no_grad():
        plain, both = network.eval()({"image": batch["image"]}), MirroredViews(network)({"image": batch["image"]})
    for one, other in zip(plain, both, strict=True):
        assert torch.equal(one["keypoints"], other["keypoints"])
        assert torch.equal(one["parsing"], other["parsing"])
        assert not torch.equal(one["masks"], other["masks"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["MODEL.BACKBONE=''", "MODEL.HAS_MASK=True"], r"MODEL\.BACKBONE: nothing given"),
        ([], r"no head is switched on; set MODEL\.HAS_KEYPOINTS or MODEL\.HAS_MASK or MODEL\.HAS_PARSING"),
        (["MODEL.HAS_MASK=True", "TRAIN.TRANSFORMS=[Normalize]"], r"TRAIN\.TRANSFORMS: no CropObject or RandomCropObject in it"),
        (
            ["MODEL.HAS_MASK=True", "TEST.TRANSFORMS=[{name: CropObject, size: [256, 190]}]"],
            r"TEST\.TRANSFORMS: the size \[256, 190\] of CropObject given, multiples of 32 expected",
        ),
        (["MODEL.HAS_KEYPOINTS=True", "EVAL.PCK=[10.0]"], r"EVAL\.PCK: 10 given"),
        (
            ["MODEL.HAS_KEYPOINTS=True", "MODEL.KEYPOINTS.TARGET=offsets", "MODEL.KEYPOINTS.CONVENTION=msra", *MSRA_CROPS],
            r"MODEL\.KEYPOINTS\.CONVENTION: msra given, which rounds places to pixels, but offsets",
        ),
        (
            ["MODEL.HAS_KEYPOINTS=True", "MODEL.KEYPOINTS.CONVENTION=udp"],
            r"TRAIN\.TRANSFORMS: a crop with the convention pet given, but MODEL\.KEYPOINTS\.CONVENTION is udp: set both to the same",
        ),
        (["MODEL.HAS_KEYPOINTS=True", "TEST.DECODING=darc"], "one of .plain., .quarter., .dark. expected"),
    ],
)
def test_wrong_settings_are_refused(settings: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        make_cfg(tmp_path, *settings)


def test_a_network_without_a_suitable_map_is_refused(tmp_path: Path) -> None:
    cfg = make_cfg(tmp_path, "MODEL.HAS_MASK=True", "MODEL.BACKBONE=timm/vit_small_patch14_dinov2")
    with pytest.raises(ConfigError, match=r"MODEL\.BACKBONE.*a stride of 14"):
        build_model(cfg)


@pytest.mark.parametrize(("size", "blocks", "share"), [("small", 12, 0.8), ("base", 12, 0.75), ("large", 24, 0.8)])
def test_each_block_of_vitpose_learns_at_its_share_of_the_rate_of_the_next(size: str, blocks: int, share: float) -> None:
    # as LayerDecayOptimizerConstructor of https://github.com/ViTAE-Transformer/ViTPose: embeddings first, norm and decoder at the full rate
    cfg = load_cfg(config, ROOT / "cfgs" / "tasks" / "instance" / "mscoco" / f"vitpose_{size}_256x192.yaml", [])  # type: ignore[arg-type]
    with torch.device("meta"):
        model = build_model(cfg)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = solver.build_optimizer(model, cfg).param_groups
    rates = {names[id(parameter)]: group["lr"] / 5e-4 for group in groups for parameter in group["params"]}
    decays = {names[id(parameter)]: group["weight_decay"] for group in groups for parameter in group["params"]}
    for block in range(blocks):
        own = [rate for name, rate in rates.items() if name.startswith(f"backbone.body.blocks.{block}.")]
        assert own == pytest.approx([share ** (blocks - block)] * 12)
    for name in ("cls_token", "pos_embed", "patch_embed.proj.weight"):
        assert rates[f"backbone.body.{name}"] == pytest.approx(share ** (blocks + 1))
    assert {rate for name, rate in rates.items() if not name.startswith("backbone.")} == {1.0}
    assert rates["backbone.body.norm.weight"] == 1.0
    assert {name for name, decay in decays.items() if decay} == {
        name for name, parameter in model.named_parameters() if parameter.dim() > 1 and "pos_embed" not in name
    }
    assert set(decays.values()) == {0.0, 0.1}
