"""Exact gradients of a loss over a whole batch that does not fit into memory: encode in parts, compare once, encode again."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from petlib.distributed.parallel import no_sync
from petlib.engine.beginning import random_states, restore_random_states
from petlib.engine.state import Batch, BatchStream, TrainState
from petlib.engine.step import DefaultStep
from petlib.errors import ConfigError

GRADIENTS = "encoded_gradients"
"""The field of a batch that asks a model for :func:`replay_loss` instead of its losses."""

Encoded = dict[str, Tensor]


class Encodes(Protocol):
    """A model whose losses come in two halves."""

    def encode(self, batch: Batch) -> Encoded:
        """Return names to tensors with one row for each sample, through which gradients flow."""

    def encode_teacher(self, batch: Batch) -> Encoded:
        """Return likewise what needs no gradients."""

    def compare(self, encoded: Encoded) -> dict[str, dict[str, Tensor]]:
        """Return ``{"losses": ..., "metrics": ...}`` of what was encoded."""


def replay_loss(encoded: Mapping[str, Tensor], gradients: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return a loss whose gradients are those of the loss that ``gradients``, with respect to ``encoded``, are of.

    A model returns it in training where its batch has the field :data:`GRADIENTS`.
    """
    terms = [(encoded[name].to(gradient.dtype) * gradient).sum() for name, gradient in gradients.items()]
    return {"losses": {"loss": torch.stack(terms).sum()}, "metrics": {}}


class GradientCacheStep(DefaultStep):
    """One optimizer step over ``accumulation`` parts of a batch whose samples are compared with each other (Gao et al., 2021,
    https://arxiv.org/abs/2101.06983).

    All parts are encoded without gradients; the loss of everything gives the gradients of what was encoded; each part is encoded again, and
    gets its gradients. So memory is that of one part, and the gradients are those of the whole batch, for one more forward
    pass. The random numbers of a part, as of dropout, are the same both times.

    The model is an :class:`Encodes`, and each sample must count by itself until it is encoded; :func:`check_parts` refuses batch norm.
    """

    def __call__(self, state: TrainState, data: BatchStream, after_backward: Callable[[TrainState], None]) -> None:
        """Do one iteration."""
        optimizer, model = state.optimizer, cast("Encodes", state.network)
        optimizer.zero_grad(set_to_none=True)
        if self.guard is not None:
            self.guard.begin(state.network)
        parts = [next(data) for _ in range(self.accumulation)]
        states, encoded = self._encode(model, parts)
        gradients = self._compare(state, model, encoded, parts)
        last = len(parts) - 1
        for place, part in enumerate(parts):
            own = {name: gradient.chunk(len(parts))[place] for name, gradient in gradients.items()}
            after = random_states()
            restore_random_states(states[place])
            if place < last:
                with no_sync(state.model):
                    self._replay(state, {**part, GRADIENTS: own})
            else:
                self._replay(state, {**part, GRADIENTS: own})
            restore_random_states(after)
        after_backward(state)
        self._update(state, optimizer)

    @torch.no_grad()
    def _encode(self, model: Encodes, parts: list[Batch]) -> tuple[list[list[Tensor]], Encoded]:
        states, encoded = [], []
        for part in parts:
            states.append(random_states())
            with self.precision.autocast():
                own = model.encode(part)
                encoded.append({**own, **model.encode_teacher(part)})
        return states, {name: torch.cat([one[name] for one in encoded]) for name in encoded[0]}

    def _compare(self, state: TrainState, model: Encodes, encoded: Encoded, parts: list[Batch]) -> Encoded:
        leaves = {name: value.detach().requires_grad_(value.is_floating_point()) for name, value in encoded.items()}
        # in full precision: differences of similarities are small
        outputs = model.compare(leaves)
        total = torch.stack([*outputs["losses"].values()]).sum()
        metrics = outputs["metrics"] if self.metrics else {}
        if self.guard is None:
            state.storage.put(outputs["losses"], metrics, total=total)
        else:
            meta = [meta for part in parts for meta in part.get("meta", [])]
            self.guard.put({"meta": meta}, outputs["losses"], metrics, total=total)
        found = torch.autograd.grad(total, [*leaves.values()], allow_unused=True)
        # of half precision the products are summed in float32
        return {
            name: gradient.to(torch.promote_types(gradient.dtype, torch.float32))
            for name, gradient in zip(leaves, found, strict=True)
            if gradient is not None
        }

    def _replay(self, state: TrainState, batch: dict[str, Any]) -> None:
        with self.precision.autocast():
            total: Tensor = state.model(batch)["losses"]["loss"]
        (total if state.scaler is None else state.scaler.scale(total)).backward()  # type: ignore[no-untyped-call]


def check_parts(network: nn.Module) -> None:
    """Check that each sample counts by itself in a network, so that a batch can be encoded in parts.

    Raises:
        ConfigError: it has a batch norm, whose statistics would be those of a part.
    """
    norm = next((name for name, module in network.named_modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)), None)
    if norm is not None:
        raise ConfigError(
            f"GradientCacheStep: {norm} is a batch norm, whose statistics would be those of a part of the batch, so that the gradients are "
            "not those of the whole batch; take a network and a projector with layer or group norms"
        )
