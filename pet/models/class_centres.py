"""A classifier of very many classes: a centre for each, which the processes share out, and a softmax over all of them."""

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd import Function
from torch.nn.functional import linear, normalize

from pet.losses.margins import AngularMargin
from petlib.data.seeding import seed_sequence
from petlib.distributed.collectives import all_reduce_sum
from petlib.distributed.gathering import gather_with_gradient
from petlib.distributed.process_group import world_size
from petlib.distributed.row_sharded import local_rows, own_rows, share_rows
from petlib.solver.row_updates import RowUpdate

SPREAD = 0.01
"""Standard deviation of the first centres."""
BLOCK = 4096
"""Centres that are drawn from one seed, so that they do not depend on the number of processes."""
PURPOSE = "class centres"
MIXERS = ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15))
"""Shifts and multipliers of splitmix64 (https://doi.org/10.1145/2714064.2660195), as signed numbers."""
LAST_SHIFT = 31
NUMBER_BITS = 24
"""Bits of a random number; so many a float32 holds exactly."""


class ClassCentres(nn.Module):
    """The loss of embeddings against the centre of every class, with a margin: a softmax over the cosines (https://arxiv.org/abs/2203.15565).

    Each process has its share of the centres (:mod:`petlib.distributed.row_sharded`) and sees the embeddings of all. The loss is that of
    the whole batch, the same on every process, and so are the gradients, whatever the number of processes.

    With a ``sample_rate`` below 1 an iteration looks at the centres of the classes in its batch and at a random part of the others. Which
    ones, follows from seed and iteration alone (:meth:`begin_iteration`). The others do not change: see
    :class:`petlib.solver.row_updates.RowUpdate`, whose ``begin`` and ``end`` go around the optimizer's step, here as :attr:`update`.

    Args:
        num_classes: number of centres.
        length: of an embedding.
        margin: turns cosines into logits.
        sample_rate: share of the centres that are looked at, greater than 0, at most 1.
        seed: of the first centres and of the samples.
        device: where the centres lie.

    Attributes:
        update: shows the optimizer the centres that were looked at; it has nothing to do where all are.
    """

    waits_for_others = True

    def __init__(
        self, *, num_classes: int, length: int, margin: AngularMargin, sample_rate: float = 1.0, seed: int = 0, device: torch.device
    ) -> None:
        super().__init__()
        assert 0 < sample_rate <= 1, f"sample_rate is {sample_rate}, a share greater than 0 and at most 1 expected"
        self.margin = margin
        self.sample_rate = sample_rate
        self._rows = own_rows(num_classes)
        self._seed = seed
        self._iteration, self._part = 0, 0
        self.weight = share_rows(_first_centres(self._rows, length, seed).to(device), num_classes)
        self.update = RowUpdate(self.weight)

    @property
    def can_repeat(self) -> bool:
        """Whether a forward pass draws the same centres when it is repeated."""
        return self.sample_rate == 1

    def begin_iteration(self, iteration: int) -> None:
        """Let the samples of the centres be those of an iteration; each call of the module within it draws others."""
        self._iteration, self._part = iteration, 0
        self.update.forget()

    def forward(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean loss of the batch of all processes, a scalar, and ``acc1`` and ``own_cosine``, measured without the margin.

        Args:
            embeddings: floating point (B, length) of this process; B is the same on every process.
            labels: int64 (B,).
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            every = normalize(gather_with_gradient(embeddings.float(), scale=world_size()))
            places = _gather(labels) - self._rows.start
            places = torch.where((places >= 0) & (places < len(self._rows)), places, -1)
            centres, places = self._sample(places)
            cosines = linear(every, normalize(centres))
            losses, greatest = _SharedSoftmax.apply(self.margin(cosines, places), places)
            return losses.mean(), _metrics(cosines.detach(), places, greatest / self.margin.scale)

    def _sample(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Return the centres of this process that count in this step, and where the own class of each embedding is among them."""
        if self.sample_rate == 1:
            return local_rows(self.weight), places
        key = _seed(self._seed, 1, self._iteration, self._part)
        self._part += 1
        # one position more takes what belongs to other processes
        chosen = torch.ones(len(self._rows) + 1, dtype=torch.bool, device=places.device)
        chosen[:-1] = random_numbers(torch.arange(self._rows.start, self._rows.stop, device=places.device), key) < self.sample_rate
        chosen[places] = True
        moved = torch.where(places >= 0, chosen.cumsum(0)[places] - 1, -1)
        return self.update.take(chosen[:-1].nonzero()[:, 0]), moved


class _SharedSoftmax(Function):
    """Cross-entropy of logits whose columns the processes share out."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each row and its greatest logit, (B,) both, of logits (B, C) and the places of the own class or -1, (B,)."""
        greatest = logits.max(dim=1).values if logits.shape[1] else logits.new_full((len(logits),), -torch.inf)
        if world_size() > 1:
            distributed.all_reduce(greatest, distributed.ReduceOp.MAX)
        shares = (logits - greatest[:, None]).exp_()
        own = _own_column(logits, places)
        total, own = all_reduce_sum(torch.stack([shares.sum(dim=1), own]))
        ctx.save_for_backward(shares.div_(total[:, None]), places)
        ctx.mark_non_differentiable(greatest)
        return total.log() + greatest - own, greatest

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the shares of the softmax, less 1 at the own class."""
        shares, places = ctx.saved_tensors
        result = shares * gradients[0][:, None]
        rows = (places >= 0).nonzero()[:, 0]
        result[rows, places[rows]] -= gradients[0][rows]
        return result, None


def random_numbers(places: Tensor, key: int) -> Tensor:
    """Return a number from 0 to below 1 for each place, float32, that follows from place and key alone: splitmix64 without a state."""
    mixed = places + key
    for shift, factor in MIXERS:
        mixed = (mixed ^ _shifted(mixed, shift)) * factor
    numbers: Tensor = _shifted(mixed ^ _shifted(mixed, LAST_SHIFT), 64 - NUMBER_BITS).float() / 2**NUMBER_BITS
    return numbers


def _seed(seed: int, *numbers: int) -> int:
    """Return a seed of 63 bits."""
    return int(seed_sequence(seed, PURPOSE, *numbers).generate_state(1, "uint64")[0]) >> 1


def _shifted(values: Tensor, count: int) -> Tensor:
    """Return values shifted right with zeros coming in, which torch does with signed numbers only for the positive ones."""
    return (values >> count) & ((1 << (64 - count)) - 1)


def _own_column(values: Tensor, places: Tensor) -> Tensor:
    """Return the value at the place of each row, 0 where that is -1."""
    if not values.shape[1]:
        return values.new_zeros(len(values))
    zero = values.new_zeros(())
    return torch.where(places >= 0, values.gather(1, places.clamp(min=0)[:, None])[:, 0], zero)


def _metrics(cosines: Tensor, places: Tensor, greatest: Tensor) -> dict[str, Tensor]:
    own = all_reduce_sum(_own_column(cosines, places))
    # the greatest may be the own one less its margin, which is no greater than the own one
    return {"acc1": (own >= greatest).float().mean(), "own_cosine": own.mean()}


def _gather(labels: Tensor) -> Tensor:
    """Return the labels (B,) of all processes, which have the same number."""
    if world_size() == 1:
        return labels
    gathered = labels.new_empty(world_size() * len(labels))
    distributed.all_gather_into_tensor(gathered, labels.contiguous())
    return gathered


def _first_centres(rows: range, length: int, seed: int) -> Tensor:
    centres = torch.empty(len(rows), length)
    generator = torch.Generator()
    for block in range(rows.start // BLOCK, -(-rows.stop // BLOCK) if len(rows) else 0):
        generator.manual_seed(_seed(seed, 0, block))
        drawn = torch.randn(BLOCK, length, generator=generator) * SPREAD
        inside = range(max(rows.start, block * BLOCK), min(rows.stop, (block + 1) * BLOCK))
        centres[inside.start - rows.start : inside.stop - rows.start] = drawn[inside.start - block * BLOCK : inside.stop - block * BLOCK]
    return centres
