"""The pretended GPU finds what a real one would refuse, and lets everything else pass."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pet.metrics.segmentation import SegmentationMetrics
from tests.pretended_gpu.pretended import MixedDevicesError, PretendedTensor, pretended_gpu


@pytest.fixture(autouse=True)
def gpu() -> Iterator[None]:
    with pretended_gpu():
        yield


def on_gpu(*shape: int) -> Tensor:
    return torch.arange(float(np.prod(shape)), device="cuda").reshape(shape)


MIXED: dict[str, Callable[[], object]] = {
    "a mask made without device=": lambda: on_gpu(3).masked_fill(torch.ones(3, dtype=torch.bool), 0.0),
    "a mask that is multiplied": lambda: on_gpu(3) * (torch.arange(3) > 1),
    "an index of the GPU into a tensor of the CPU": lambda: torch.ones(3)[on_gpu(3).long()],
    "values of the CPU that are put into a tensor of the GPU": lambda: on_gpu(3).index_put_((torch.arange(2),), torch.ones(2)),
    "a metric that collects mixed tensors": lambda: torch.cat([on_gpu(2), torch.ones(2)]),
    "a list of scalars of both": lambda: torch.stack([on_gpu(1)[0], torch.ones(())]),
    "a sum on the CPU that is added to in place": lambda: torch.zeros(()).add_(on_gpu(1)[0]),
    "a network that was not moved": lambda: nn.Linear(3, 2)(on_gpu(1, 3)),
    "a batch that was not moved": lambda: nn.Linear(3, 2).to("cuda")(torch.ones(1, 3)),
    "counts by class on the CPU": lambda: torch.zeros(4).index_add_(0, on_gpu(3).long(), on_gpu(3)),
}


@pytest.mark.parametrize("what", MIXED)
def test_a_planted_mistake_is_found(what: str) -> None:
    with pytest.raises(MixedDevicesError, match="CPU"):
        MIXED[what]()


def test_numpy_is_refused_until_the_tensor_is_on_the_host() -> None:
    with pytest.raises(TypeError, match=r"can't convert cuda:0 device type tensor to numpy"):
        on_gpu(3).numpy()
    assert on_gpu(3).cpu().numpy().tolist() == [0, 1, 2]


MOVES: dict[str, tuple[Callable[[], Tensor], str]] = {
    "to a name": (lambda: torch.ones(2).to("cuda"), "cuda:0"),
    "to a device and a type": (lambda: torch.ones(2).to(torch.device("cuda", 0), torch.int64), "cuda:0"),
    "to another tensor's": (lambda: torch.ones(2, dtype=torch.int64).to(on_gpu(1)), "cuda:0"),
    "cuda()": (lambda: torch.ones(2).cuda(), "cuda:0"),
    "tensor": (lambda: torch.tensor([1, 2], device="cuda"), "cuda:0"),
    "as_tensor": (lambda: torch.as_tensor([1, 2], device="cuda"), "cuda:0"),
    "new_tensor": (lambda: on_gpu(2).new_tensor([1.0]), "cuda:0"),
    "zeros_like": (lambda: torch.zeros_like(on_gpu(2)), "cuda:0"),
    "index by the CPU": (lambda: on_gpu(3)[torch.tensor([0, 2])], "cuda:0"),
    "a scalar of the CPU": (lambda: on_gpu(2) * torch.tensor(2.0), "cuda:0"),
    "cpu()": (lambda: on_gpu(2).cpu(), "cpu"),
    "to the host without waiting": (lambda: on_gpu(2).to("cpu", non_blocking=True), "cpu"),
    "copied into": (lambda: torch.empty(2).copy_(on_gpu(2)), "cpu"),
    "a list": (lambda: torch.tensor(on_gpu(2).tolist()), "cpu"),
}


@pytest.mark.parametrize("what", MOVES)
def test_what_cuda_allows_is_allowed(what: str) -> None:
    make, device = MOVES[what]
    made = make()
    assert str(made.device) == device
    assert isinstance(made, PretendedTensor) == (device != "cpu")
    assert made.sum().item() >= 0


def test_a_network_learns_what_it_learns_on_the_cpu() -> None:
    results = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).to(device)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
        images, labels = torch.randn(5, 3, 8, 8).to(device), torch.tensor([0, 1, 0, 1, 1], device=device)
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images), labels).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        results.append({name: value.cpu() for name, value in network.state_dict().items()})
    for name, value in results[0].items():
        torch.testing.assert_close(value, results[1][name])


def test_a_metric_of_pet_counts_on_the_gpu() -> None:
    metrics = SegmentationMetrics(3)
    metrics.update(on_gpu(2, 3).long() % 3, torch.zeros(2, 3, dtype=torch.uint8))
    assert metrics.merge().pixel_accuracy == pytest.approx(1 / 3)
