"""Optimizer steps that concern some rows of a parameter alone, such as the centres that an iteration looked at among very many."""

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from petlib.distributed.row_sharded import local_rows, share_some_rows


class RowUpdate:
    """Shows an optimizer the rows of a parameter that an iteration took, in place of the parameter.

    For the other rows the iteration does not exist: their values, their momentum and whatever else the optimizer keeps of them stay as they
    are, bit for bit, and weight decay does not shrink them. A gradient of all rows is never made. What an optimizer keeps of the parameter
    as a whole, such as Adam's number of steps, counts every iteration. For optimizers that treat each element on its own, the result of a
    row that is always taken is that of an ordinary step.

    In an iteration: :meth:`take`, as often as there are forward passes; the backward passes; :meth:`begin`; clipping and the optimizer's
    step, if there is one; :meth:`end`.

    Args:
        parameter: (N, ...); several processes may share out its rows (:mod:`petlib.distributed.row_sharded`).
    """

    def __init__(self, parameter: nn.Parameter) -> None:
        self._parameter = parameter
        self._taken: list[tuple[Tensor, Tensor]] = []
        self._rows = torch.zeros(0, dtype=torch.int64)
        self._part: nn.Parameter | None = None
        self._optimizer: Optimizer | None = None

    def take(self, rows: Tensor) -> Tensor:
        """Return rows of this process, (R, ...), whose gradient :meth:`begin` hands to the optimizer.

        Args:
            rows: int64 (R,), places among the rows of this process, ascending, each once; they may be none.
        """
        part = local_rows(self._parameter.detach())[rows]
        if torch.is_grad_enabled() and self._parameter.requires_grad:
            self._taken.append((rows, part.requires_grad_()))
        return part

    def forget(self) -> None:
        """Begin an iteration without what an earlier one took.

        Raises:
            RuntimeError: gradients of an earlier one are there that no optimizer has seen.
        """
        if any(part.grad is not None for _, part in self._taken):
            raise RuntimeError(
                "gradients of rows were never applied: call begin(optimizer) before the optimizer's step, and end() after it"
            )
        self._taken = []

    @torch.no_grad()
    def begin(self, optimizer: Optimizer) -> None:
        """Put the rows that were taken, with their gradients and state, into the place of the parameter; every process calls it."""
        if not self._taken:
            return
        self._rows, gradient = self._joined()
        self._taken = []
        part = nn.Parameter(self._shared(local_rows(self._parameter)[self._rows]))
        part.grad = self._shared(gradient)
        for name, value in optimizer.state.get(self._parameter, {}).items():
            by_row = isinstance(value, Tensor) and value.shape[:1] == self._parameter.shape[:1]
            optimizer.state[part][name] = self._shared(local_rows(value)[self._rows]) if by_row else value
        self._replace(optimizer, self._parameter, part)
        self._part, self._optimizer = part, optimizer

    @torch.no_grad()
    def end(self) -> None:
        """Write the rows and their state back, and give the parameter its place again; without :meth:`begin` nothing is done."""
        part, optimizer = self._part, self._optimizer
        if part is None or optimizer is None:
            return
        local_rows(self._parameter)[self._rows] = local_rows(part)
        kept = optimizer.state[self._parameter]
        for name, value in optimizer.state.pop(part, {}).items():
            if isinstance(value, Tensor) and value.dim() == part.dim() and value.shape[:1] == part.shape[:1]:
                if name not in kept:
                    kept[name] = self._shared(local_rows(value).new_zeros(len(local_rows(self._parameter)), *value.shape[1:]))
                local_rows(kept[name])[self._rows] = local_rows(value)
            else:
                kept[name] = value
        self._replace(optimizer, part, self._parameter)
        self._part, self._optimizer = None, None

    def _joined(self) -> tuple[Tensor, Tensor]:
        """Return the rows that any forward pass took, and the sum of their gradients."""
        gradients = [torch.zeros_like(part) if part.grad is None else part.grad for _, part in self._taken]
        if len(self._taken) == 1:
            return self._taken[0][0], gradients[0]
        rows = torch.unique(torch.cat([rows for rows, _ in self._taken]))
        joined = gradients[0].new_zeros(len(rows), *gradients[0].shape[1:])
        for (taken, _), gradient in zip(self._taken, gradients, strict=True):
            joined.index_add_(0, torch.searchsorted(rows, taken), gradient)
        return rows, joined

    def _shared(self, own: Tensor) -> Tensor:
        return share_some_rows(own, like=self._parameter)

    @staticmethod
    def _replace(optimizer: Optimizer, old: Tensor, new: Tensor) -> None:
        for group in optimizer.param_groups:
            group["params"] = [new if parameter is old else parameter for parameter in group["params"]]
