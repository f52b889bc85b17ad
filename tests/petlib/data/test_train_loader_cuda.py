import numpy as np
import pytest
import torch

from petlib.data import SampleReader, TrainLoader
from petlib.data.evaluation_loader import EvaluationLoader
from petlib.data.samplers import ShuffledSampler
from petlib.data.train_batches import TrainBatches

pytestmark = pytest.mark.cuda


class Pictures:
    def __len__(self):
        return 200

    def __getitem__(self, index):
        return {"image": np.full((300, 300, 3), index, np.uint8), "boxes": np.full((index % 3, 4), index, np.float32), "label": index}


def keep(sample, rng):
    return sample


def train_loader(device, num_workers):
    plan = TrainBatches(ShuffledSampler(200, seed=3), batch_size=8, epochwise=True)
    return TrainLoader(SampleReader(Pictures(), keep, seed=3), plan, device=torch.device(device), num_workers=num_workers, seed=3)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_on_cuda_equal_those_on_the_cpu_while_the_device_is_busy(num_workers):
    expected = list(train_loader("cpu", 0).batches(0, 60))
    sums = []
    for batch in train_loader("cuda", num_workers).batches(0, 60):
        assert batch["image"].device.type == batch["label"].device.type == batch["boxes"][0].device.type == "cuda"
        torch.cuda._sleep(20_000_000)
        sums.append((batch["image"].sum(dtype=torch.int64), batch["label"].clone(), torch.cat(batch["boxes"]).sum()))
    for batch, (image, label, boxes) in zip(expected, sums, strict=True):
        assert image.item() == batch["image"].sum(dtype=torch.int64).item()
        assert torch.equal(label.cpu(), batch["label"])
        assert boxes.item() == torch.cat(batch["boxes"]).sum().item()


def test_an_evaluation_on_cuda_sees_every_sample():
    loader = EvaluationLoader(SampleReader(Pictures(), keep, seed=3), batch_size=64, device=torch.device("cuda"), num_workers=2)
    assert torch.cat([batch["label"] for batch in loader]).tolist() == list(range(200))
