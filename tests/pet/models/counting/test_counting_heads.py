import numpy as np
import pytest
import torch
from torch import nn

from pet.models.counting.density_head import DensityHead, DensityLosses
from pet.models.counting.dots_head import DotsHead
from pet.models.counting.maps import MapSource, choose_map, inside_cells, look_through_tiles
from pet.models.features import FeatureInfo, Features
from pet.projects import crowdcounting
from petlib.errors import ConfigError

LAST = MapSource(place=0, of_neck=False, channels=8, stride=8)


def build(*options):
    cfg = crowdcounting.config.get_base_cfg()
    cfg.merge_from_list(list(options))
    return crowdcounting.TASK.build_model(cfg)


def features_of(sizes, edge=64, stride=8, channels=8):
    maps = torch.randn(len(sizes), channels, edge // stride, edge // stride, generator=torch.Generator().manual_seed(0))
    return Features(images=torch.zeros(len(sizes), 3, edge, edge), image_sizes=sizes, stages=[maps], maps={})


def density_head(**changes):
    arguments = {"source": LAST, "stride": 8, "channels": [4], "dilation": 1, "activation": "softplus", "losses": DensityLosses()}
    return DensityHead(**{**arguments, **changes})


def dots_head(**changes):
    return DotsHead(**{"source": LAST, "lines": 2, "channels": 8, "convolutions": 2, **changes})


CSRNET = [
    "MODEL.BACKBONE=timm/vgg16",
    "MODEL.BACKBONE_ARGS={out_indices: [3]}",
    "MODEL.HAS_DENSITY=True",
    "MODEL.DENSITY.CHANNELS=[512,512,512,256,128,64]",
    "MODEL.DENSITY.DILATION=2",
]
DM_COUNT = ["MODEL.BACKBONE=timm/vgg19", "MODEL.BACKBONE_ARGS={out_indices: [4]}", "MODEL.HAS_DENSITY=True"]
P2PNET = [
    "MODEL.BACKBONE=timm/vgg16_bn",
    "MODEL.BACKBONE_ARGS={out_indices: [2,3,4]}",
    "MODEL.HAS_DOTS=True",
    "MODEL.NECK=fpn",
    "MODEL.FPN.LEVELS=[2,3,4]",
    "MODEL.FPN.TOP=none",
]


@pytest.mark.parametrize(("options", "parameters"), [(CSRNET, 16_263_489), (DM_COUNT, 21_499_457), (P2PNET, 21_579_344)])
def test_networks_have_the_published_number_of_parameters(options, parameters):
    with torch.device("meta"):
        network = build(*options)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_density_leaves_out_the_padding_in_training_and_evaluation():
    head = density_head()
    features = features_of([(64, 64), (20, 33)])
    first, second = head.eval()(features, {}).predictions
    assert first["density"].shape == (8, 8) and second["density"].shape == (3, 5)
    assert second["count"].item() == pytest.approx(second["density"].sum().item())
    assert second["density_cell"].tolist() == [8, 8]
    empty = {"dots": [torch.zeros(0, 2), torch.zeros(0, 2)]}
    error = head.train()(features, empty).metrics["count_error"]
    assert error.item() == pytest.approx((first["count"] + second["count"]).item() / 2, rel=1e-5)


def test_all_losses_of_a_density_are_finite_and_can_be_switched_off():
    losses = DensityLosses(count=1.0, transport=0.1, variation=0.01, squared=1.0, iterations=5)
    head = density_head(losses=losses)
    dots = [torch.rand(5, 2) * 64, torch.zeros(0, 2)]
    found = head(features_of([(64, 64)] * 2), {"dots": dots}).losses
    assert set(found) == {"loss_count", "loss_transport", "loss_variation", "loss_squared"}
    sum(found.values()).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in head.parameters())
    only = density_head(losses=DensityLosses(transport=0.0, variation=0.0))
    assert set(only(features_of([(64, 64)]), {"dots": dots[:1]}).losses) == {"loss_count"}


def test_dots_are_proposed_at_the_middles_of_the_parts_of_cells():
    head = dots_head()
    nn.init.zeros_(head.offsets[-1].weight)
    nn.init.zeros_(head.offsets[-1].bias)
    places, logits = head.proposals(head.predict_maps(features_of([(64, 64)])))
    assert places.shape == logits.shape == (1, 8 * 8 * 4, 2)
    assert places[0, :5].tolist() == [[2, 2], [6, 2], [2, 6], [6, 6], [10, 2]]
    assert places[0, 8 * 4].tolist() == [2, 10]


def test_a_dots_head_learns_where_dots_are():
    torch.manual_seed(0)
    head, features = dots_head(channels=32), features_of([(64, 64), (64, 64)])
    batch = {"dots": [torch.tensor([[10.0, 12.0], [40.0, 30.0]]), torch.zeros(0, 2)]}
    optimizer = torch.optim.Adam(head.parameters(), lr=2e-3)
    for _ in range(150):
        optimizer.zero_grad()
        sum(head(features, batch).losses.values()).backward()
        optimizer.step()
    found, none = head.eval()(features, {}).predictions
    assert found["count"].item() == 2 and none["count"].item() == 0 and none["dots"].shape == (0, 2)
    order = found["dots"][:, 0].argsort()
    np.testing.assert_allclose(found["dots"][order].detach(), batch["dots"][0], atol=2.0)


def test_maps_are_chosen_by_their_stride():
    info = FeatureInfo((16, 32), (8, 16), 64, (4, 8, 16))
    assert choose_map(info, 8) == MapSource(1, True, 64, 8)
    with pytest.raises(ConfigError, match="32 given, but the maps of the neck have the strides 4, 8, 16"):
        choose_map(info, 32)
    plain = FeatureInfo((16, 32), (8, 16), 0, ())
    assert choose_map(plain, 8) == MapSource(1, False, 32, 16)
    with pytest.raises(ConfigError, match="8 given, but the last map of the backbone has a stride of 16; take that"):
        choose_map(plain, 8, exact=True)
    with pytest.raises(ConfigError, match="32 given, but the last map of the backbone has a stride of 16; take at most that"):
        choose_map(plain, 32)


def test_cells_that_reach_into_the_image_count():
    assert inside_cells(torch.zeros(1, 1, 2, 3), [(9, 16)], 8)[0, 0].tolist() == [[1, 1, 0], [1, 1, 0]]


@pytest.mark.parametrize("size", [(96, 160), (352, 416), (1504, 2016)])
def test_tiles_equal_the_whole_where_the_margin_holds_the_receptive_field(size):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 2, 3, 1, 2, 2)).double()
    images = torch.rand(1, 3, *size, dtype=torch.float64)
    shapes = []

    def predict(part):
        shapes.append(tuple(part.shape[2:]))
        return network(part)

    with torch.no_grad():
        tiled = look_through_tiles(images, predict, tile=256, overlap=0.5, stride=8)
        whole = network(images)
    torch.testing.assert_close(tiled, whole)
    assert max(max(shape) for shape in shapes) <= 256
    assert abs(tiled.sum() - whole.sum()) <= 0.001 * abs(whole.sum())


@pytest.mark.parametrize("options", [CSRNET[:3], [*P2PNET, "MODEL.DOTS.CHANNELS=16", "MODEL.DOTS.CONVOLUTIONS=1"]])
def test_a_network_counts_the_same_through_tiles(options):
    torch.manual_seed(0)
    options = [option.replace("timm/vgg16_bn", "timm/vgg11_bn").replace("timm/vgg16", "timm/vgg11") for option in options]
    model = build(*options).eval()
    batch = {"image": torch.rand(1, 3, 64, 640), "meta": [{"size": (60, 630)}], "image_sizes": [(60, 630)]}
    (whole,) = model(batch)
    model.window, model.overlap = 448, 0.6
    (tiled,) = model(batch)
    assert tiled["count"].item() == pytest.approx(whole["count"].item(), rel=1e-3)
