"""Keys of earlier batches."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize


class KeyQueue(nn.Module):
    """The newest K keys, each batch in the place of the oldest ones (MoCo, https://arxiv.org/abs/1911.05722).

    It begins with random vectors. As buffers of the model the keys are saved and continued; every process pushes the keys of all
    processes, so they are equal everywhere and need not be exchanged (``ignored`` of :func:`petlib.engine.parallelize`).

    Attributes:
        keys: float32 (K, D), of unit length.
        place: where the next batch goes, int64 scalar; it stays on the device, so that nothing waits for it.

    Args:
        count: K.
        length: D.
    """

    keys: Tensor
    place: Tensor

    def __init__(self, *, count: int, length: int) -> None:
        super().__init__()
        self.register_buffer("keys", normalize(torch.randn(count, length), dim=1))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def push(self, keys: Tensor) -> None:
        """Take the keys (N, D) of a whole batch; N is at most K."""
        count = len(self.keys)
        assert len(keys) <= count, f"{len(keys)} keys do not fit into a queue of {count}"
        places = (self.place + torch.arange(len(keys), device=keys.device)) % count
        self.keys.index_copy_(0, places, keys.to(self.keys.dtype))
        self.place.copy_((self.place + len(keys)) % count)
