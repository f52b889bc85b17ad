"""Small networks that learned to count: where they see dots, and how often their intervals hold the truth."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pet.evaluation.counting import CountEvaluator
from pet.metrics.counting import calibrate_interval
from pet.models.counting.density_head import DensityHead, DensityLosses
from pet.models.counting.dots_head import DotsHead
from pet.models.counting.maps import MapSource
from pet.models.features import Features

EDGE, WIDTH = 64, 16
SOURCE = MapSource(place=0, of_neck=False, channels=WIDTH, stride=8)


class Counter(nn.Module):
    """A head behind three convolutions that halve the image."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before in (1, WIDTH, WIDTH):
            layers += [nn.Conv2d(before, WIDTH, 3, stride=2, padding=1), nn.ReLU()]
        self.stages, self.head = nn.Sequential(*layers), head

    def forward(self, batch: dict[str, Any]) -> Any:
        images = batch["image"]
        return self.head(Features(images, [(EDGE, EDGE)] * len(images), [self.stages(images)], {}), batch)


def draw(count: int, seed: int) -> dict[str, Any]:
    """Return images with up to nine bright discs of three pixels in noise, each in a cell of its own, and their places."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:EDGE, :EDGE] + 0.5
    images, dots = [], []
    for _ in range(count):
        cells = rng.permutation(16)[: rng.integers(0, 10)]
        own = np.stack([cells % 4, cells // 4], axis=1) * 16 + rng.uniform(4, 12, (len(cells), 2))
        image = rng.normal(0, 0.1, (EDGE, EDGE))
        for x, y in own:
            image += (columns - x) ** 2 + (rows - y) ** 2 < 9
        images.append(image)
        dots.append(torch.tensor(own, dtype=torch.float32).reshape(-1, 2))
    metas = [{"index": index, "id": str(index), "size": (EDGE, EDGE)} for index in range(count)]
    return {"image": torch.tensor(np.stack(images)[:, None], dtype=torch.float32), "dots": dots, "truth_dots": dots, "meta": metas}


def learn(head: nn.Module, iterations: int) -> Counter:
    model = Counter(head).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    whole = draw(64, 0)
    for step in range(iterations):
        chosen = [(step * 8 + number) % 64 for number in range(8)]
        batch = {"image": whole["image"][chosen], "dots": [whole["dots"][number] for number in chosen]}
        losses: dict[str, Tensor] = model(batch).losses
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model.eval()


@torch.no_grad()
def measure(model: Counter, batch: dict[str, Any], **settings: Any) -> dict[str, float]:
    evaluator = CountEvaluator(**settings)
    evaluator.update(batch, model(batch).predictions)
    return evaluator.compute()


def test_a_network_of_dots_finds_nearly_all_places() -> None:
    torch.manual_seed(0)
    model = learn(DotsHead(source=SOURCE, lines=2, channels=WIDTH, convolutions=1), 180)
    metrics = measure(model, draw(40, 1), radii=[2.0, 4.0])
    assert metrics["dots/F1@4"] >= 0.85 and metrics["dots/precision@4"] >= 0.85 and metrics["dots/recall@4"] >= 0.85
    assert metrics["dots/F1@2"] <= metrics["dots/F1@4"]
    assert metrics["dots/nAP@0.05"] <= metrics["dots/nAP@0.25"] <= metrics["dots/nAP@0.5"]
    assert metrics["dots/nAP@0.25"] >= 0.8
    assert metrics["count/MAE"] < 0.5 * metrics["count/always_the_mean"]


def test_intervals_of_a_network_that_learned_hold_the_share_that_they_promise() -> None:
    torch.manual_seed(0)
    losses = DensityLosses(count=1.0, transport=0.0, variation=0.0, squared=1.0)
    model = learn(DensityHead(source=SOURCE, stride=8, channels=[WIDTH], dilation=1, activation="softplus", losses=losses), 150)
    calibration = draw(200, 2)
    with torch.no_grad():
        found = [float(one["count"]) for one in model(calibration).predictions]
    interval = calibrate_interval(found, [len(dots) for dots in calibration["dots"]], 0.9)
    metrics = measure(model, draw(200, 3), interval=interval)
    assert metrics["count/MAE"] < 0.5 * metrics["count/always_the_mean"]
    assert 0.85 <= metrics["count/coverage"] <= 0.95
    # narrower than always the mean with the spread of the truth
    assert 0 < metrics["count/interval"] < 6
    assert metrics["count/interval"] == pytest.approx(2 * interval.width * np.sqrt(5.5), rel=0.3)
