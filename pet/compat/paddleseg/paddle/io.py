"""``paddle.io``: what data sets are derived from. Loading is the matter of a training."""

from torch.utils import data

from pet.compat.shared.absent import refuse_absent

Dataset = data.Dataset

LOADS = "train(batch_size=..., num_workers=...) makes the batches of each process; torch.utils.data has it for loops of your own"
ABSENT = {
    **dict.fromkeys(("DataLoader", "BatchSampler", "DistributedBatchSampler", "RandomSampler", "SequenceSampler"), LOADS),
    **{name: f"torch.utils.data.{name}" for name in ("IterableDataset", "TensorDataset", "Subset", "random_split")},
}
__getattr__ = refuse_absent(__name__, ABSENT)
