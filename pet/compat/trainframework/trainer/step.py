"""One iteration of a model with several optimizers, such as a GAN."""

import functools
import operator
from collections.abc import Callable, Mapping
from itertools import chain

import torch
from torch import Tensor, distributed

from pet.compat.trainframework.model.base_model import SEPARATOR
from petlib.distributed.collectives import broadcast_buffers
from petlib.distributed.process_group import world_size
from petlib.engine.skipping import StepGuard
from petlib.engine.state import Batch, BatchStream, TrainState
from petlib.solver.optimizers import GradientClipper, gradients_of


class NetworksStep:
    """One step of every optimizer, each from the losses of its own network.

    All losses are computed with the weights that the iteration begins with. The gradients of a network's losses go into the parameters
    of its optimizer and no others, so a user neither switches ``requires_grad`` nor detaches anything. Of several processes the gradients
    are averaged here; a parameter without a gradient counts as zero then.

    Args:
        accumulation: batches whose gradients are averaged before the optimizers step.
        clippers: limit the gradients of a network; None: they stay.
        guard: leaves out iterations whose losses or gradients are not finite, for all networks; None: every iteration counts.
    """

    scaler = None
    """Several networks are trained in full precision."""

    def __init__(self, *, accumulation: int, clippers: Mapping[str, GradientClipper | None], guard: StepGuard | None = None) -> None:
        self.accumulation = accumulation
        self.guard = guard
        self.clippers = dict(clippers)

    def __call__(self, state: TrainState, data: BatchStream, after_backward: Callable[[TrainState], None]) -> None:
        """Do one iteration."""
        # as DistributedDataParallel does it: the buffers of the main process are those of a checkpoint
        broadcast_buffers(state.network)
        for optimizer in state.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        if self.guard is not None:
            self.guard.begin(state.network)
        parameters = {name: _parameters(optimizer) for name, optimizer in state.optimizers.items()}
        used: set[str] = set()
        for _ in range(self.accumulation):
            used |= self._forward_backward(state, next(data), parameters)
        trained = [name for name in parameters if name in used]
        if world_size() > 1:
            _average_gradients([parameter for name in trained for parameter in parameters[name]])
        after_backward(state)
        if self.guard is not None and self.guard.leaves_out(state, gradients_of(chain.from_iterable(parameters.values()))):
            return
        for name in trained:
            clipper = self.clippers[name]
            if clipper is not None:
                clipper(parameters[name])
            state.optimizers[name].step()

    def _forward_backward(self, state: TrainState, batch: Batch, parameters: Mapping[str, list[Tensor]]) -> set[str]:
        """Add the gradients of one batch; return the networks that have losses."""
        outputs = state.model(batch)
        losses: dict[str, Tensor] = outputs["losses"]
        figures: dict[str, Tensor] = outputs["metrics"]
        totals: dict[str, Tensor] = {}
        for name, value in losses.items():
            network = name.partition(SEPARATOR)[0]
            totals[network] = totals[network] + value if network in totals else value
        joint = functools.reduce(operator.add, totals.values())
        if self.guard is None:
            state.storage.put(losses, figures, total=joint)
        else:
            self.guard.put(batch, losses, figures, total=joint)
        last = list(totals)[-1]
        for network, total in totals.items():
            # networks may share a graph: it is kept until the last one has gone through it
            torch.autograd.backward(total / self.accumulation, inputs=parameters[network], retain_graph=network != last)
        return set(totals)


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


@torch.no_grad()
def _average_gradients(parameters: list[Tensor]) -> None:
    """Replace the gradients by their mean over the processes; one message for each dtype."""
    by_dtype: dict[torch.dtype, list[Tensor]] = {}
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        by_dtype.setdefault(parameter.dtype, []).append(parameter.grad)
    for gradients in by_dtype.values():
        message = torch.cat([gradient.reshape(-1) for gradient in gradients])
        distributed.all_reduce(message)
        message /= world_size()
        for gradient, part in zip(gradients, torch.split(message, [gradient.numel() for gradient in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
