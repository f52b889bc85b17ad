"""Centre points: where they lie on a map, their Gaussians, and peaks."""

import math
from typing import Any

import pytest
import torch

from pet.structures.centers import draw_centers, find_peaks, gaussian_radius, locate_centers, values_at, values_at_peaks


def test_points_lie_in_cells_and_those_outside_in_the_nearest() -> None:
    centers = locate_centers([torch.tensor([[2.25, 0.5]]), torch.zeros(0, 2), torch.tensor([[-1.0, 9.5], [3.0, 2.0]])], (4, 5))
    assert centers.images.tolist() == [0, 2, 2]
    assert centers.cells.tolist() == [[2, 0], [0, 3], [3, 2]]
    assert centers.offsets.tolist() == [[0.25, 0.5], [-1.0, 6.5], [0.0, 0.0]]


def test_a_batch_without_points_is_empty() -> None:
    centers = locate_centers([torch.zeros(0, 2), torch.zeros(0, 2)], (4, 5))
    assert centers.cells.shape == (0, 2)
    assert centers.offsets.shape == (0, 2)
    assert centers.images.shape == (0,)


def reference_radius(width: float, height: float, overlap: float) -> float:
    """Return the least of the three radii of the published code."""
    total = height + width
    b1, c1 = total, width * height * (1 - overlap) / (1 + overlap)
    b2, c2 = 2 * total, (1 - overlap) * width * height
    b3, c3 = -2 * overlap * total, (overlap - 1) * width * height
    radii = [
        (b1 + math.sqrt(b1**2 - 4 * c1)) / 2,
        (b2 + math.sqrt(b2**2 - 4 * 4 * c2)) / 2,
        (b3 + math.sqrt(b3**2 - 4 * 4 * overlap * c3)) / 2,
    ]
    return min(radii)


@pytest.mark.parametrize("overlap", [0.1, 0.7])
def test_the_radius_is_that_of_the_published_code(overlap: float) -> None:
    sizes = torch.tensor([[10.0, 10.0], [3.0, 40.0], [0.5, 0.5], [100.0, 7.0]])
    expected = [reference_radius(width, height, overlap) for width, height in sizes.tolist()]
    assert gaussian_radius(sizes, min_overlap=overlap).tolist() == pytest.approx(expected, rel=1e-5)


def test_gaussians_are_1_at_their_centres_end_at_the_radius_and_the_greatest_counts() -> None:
    cells, labels = torch.tensor([[3, 2], [5, 2], [0, 0]]), torch.tensor([0, 0, 1])
    heatmap = draw_centers(cells, torch.tensor([2.7, 1.0, 0.0]), labels, num_classes=3, size=(6, 8))
    assert heatmap.shape == (3, 6, 8)

    def gaussian(distance: float, radius: int) -> float:
        return math.exp(-(distance**2) / (2 * ((2 * radius + 1) / 6) ** 2))

    assert heatmap[0, 2, [3, 5]].tolist() == [1.0, 1.0]
    assert heatmap[0, 2, 1].item() == pytest.approx(gaussian(2, 2))
    assert heatmap[0, 2, 0].item() == 0
    assert heatmap[0, 2, 4].item() == pytest.approx(max(gaussian(1, 2), gaussian(1, 1)))
    assert heatmap[0, 3, 4].item() == pytest.approx(gaussian(math.sqrt(2), 2))
    assert heatmap[1].sum().item() == 1
    assert heatmap[2].sum().item() == 0


def test_a_heatmap_without_objects_is_empty() -> None:
    heatmap = draw_centers(
        torch.zeros(0, 2, dtype=torch.int64), torch.zeros(0), torch.zeros(0, dtype=torch.int64), num_classes=2, size=(3, 4)
    )
    assert heatmap.shape == (2, 3, 4)
    assert not heatmap.any()


def test_peaks_are_the_highest_cells_of_their_neighbourhood() -> None:
    scores = torch.zeros(2, 2, 5, 6)
    scores[0, 0, 1, 2], scores[0, 0, 1, 3] = 0.9, 0.8
    scores[0, 1, 1, 3] = 0.7
    scores[1, 1, 4, 5] = 0.5
    peaks = find_peaks(scores, most=2)
    assert peaks.scores.tolist() == [pytest.approx([0.9, 0.7]), pytest.approx([0.5, 0.0])]
    assert peaks.labels.tolist()[0] == [0, 1]
    assert peaks.labels[1, 0] == 1
    assert peaks.cells[0].tolist() == [[2, 1], [3, 1]]
    assert peaks.cells[1, 0].tolist() == [5, 4]


def test_a_small_map_has_no_more_peaks_than_cells() -> None:
    assert find_peaks(torch.rand(1, 1, 2, 3), most=100).scores.shape == (1, 6)


def test_what_is_drawn_is_found_where_it_was() -> None:
    generator = torch.Generator().manual_seed(0)
    cells = torch.stack([torch.randperm(20, generator=generator)[:5] * 4, torch.randperm(10, generator=generator)[:5] * 4], dim=1)
    labels = torch.arange(5) % 3
    heatmap = draw_centers(cells, torch.full((5,), 3.0), labels, num_classes=3, size=(40, 80))
    peaks = find_peaks(heatmap[None], most=5)
    found = {(int(label), *cell) for label, cell in zip(peaks.labels[0], peaks.cells[0].tolist(), strict=True)}
    assert found == {(int(label), *cell) for label, cell in zip(labels, cells.tolist(), strict=True)}


def test_values_are_read_at_cells() -> None:
    maps = torch.arange(2 * 3 * 4 * 5).float().view(2, 3, 4, 5)
    assert torch.equal(
        values_at(maps, torch.tensor([1, 0]), torch.tensor([[4, 2], [0, 3]])), torch.stack([maps[1, :, 2, 4], maps[0, :, 3, 0]])
    )
    peaks = find_peaks(maps.div(120), most=1)
    assert torch.equal(values_at_peaks(maps, peaks), torch.stack([maps[0, :, 3, 4], maps[1, :, 3, 4]])[:, None])


def test_the_points_of_any_frame_are_found_again() -> None:
    """A bird's-eye view of 40 m x 20 m with cells of 0.5 m, as a detector of points would use it."""
    metres = torch.tensor([[3.3, -7.1], [39.9, 9.9]])
    points = (metres - torch.tensor([0.0, -10.0])) / 0.5
    centers = locate_centers([points], (40, 80))
    decoded: Any = (centers.cells + centers.offsets) * 0.5 + torch.tensor([0.0, -10.0])
    assert torch.allclose(decoded, metres, atol=1e-5)
