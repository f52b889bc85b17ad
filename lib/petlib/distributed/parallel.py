"""Ways for several processes or GPUs to train one model."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.nn.parallel import DataParallel, DistributedDataParallel

from petlib.distributed.collectives import broadcast_tensors
from petlib.distributed.process_group import world_size
from petlib.errors import ConfigError

BLOCK_PARAMETERS = 250_000
"""Blocks with at least so many parameters are gathered and freed by themselves; smaller ones travel with what is around them."""


def parallelize(
    model: nn.Module, mode: str, *, device: torch.device, find_unused_parameters: bool = False, ignored: Collection[str] = ()
) -> nn.Module:
    """Return ``model``, which is on ``device``, made ready for several processes or GPUs.

    Args:
        mode: ``"ddp"``: every rank has the model, gradients are averaged. ``"fsdp"``: parameters, gradients and optimizer
            state are sharded over the ranks (FSDP2; https://arxiv.org/abs/2304.11277), in place; build the optimizer
            afterwards. ``"dp"``: one process, ``nn.DataParallel`` over all visible GPUs. ``"none"``: no exchange.
            With one process ``"ddp"`` and ``"fsdp"`` return the model as it is.
        find_unused_parameters: ``"ddp"`` looks for parameters that took no part in a loss.
        ignored: names of parameters and buffers that each rank keeps to itself: neither they nor their gradients are exchanged. The model
            keeps them equal, as a queue that every rank fills with the same, or different, as rows of a layer that ranks share out.

    Raises:
        ConfigError: an unknown mode, ``"dp"`` with several processes, or ``"fsdp"`` with several processes and ``ignored``.
    """
    known = {name for name, _ in chain(model.named_parameters(), model.named_buffers())}
    assert known.issuperset(ignored), f"the model has no {', '.join(sorted(set(ignored) - known))}"
    if mode == "dp":
        if world_size() > 1:
            raise ConfigError("mode: dp is for one process with several GPUs; use ddp with several processes")
        return DataParallel(model) if device.type == "cuda" and torch.cuda.device_count() > 1 else model
    if mode not in ("ddp", "fsdp", "none"):
        raise ConfigError(f"mode: {mode!r} given; choose ddp, fsdp, dp or none")
    if mode == "none" or world_size() == 1:
        return model
    if mode == "fsdp":
        if ignored:
            raise ConfigError(f"mode: fsdp shards all of a model, but each process keeps its own {', '.join(ignored)}; use ddp")
        return _shard(model, device)
    # torch's own FSDP calls it so; DDP reads the names from the module
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, list(ignored))  # type: ignore[no-untyped-call]
    return DistributedDataParallel(
        model,
        device_ids=[device.index] if device.type == "cuda" else None,
        gradient_as_bucket_view=True,
        find_unused_parameters=find_unused_parameters,
    )


def computes_together(model: nn.Module) -> bool:
    """Return whether each forward pass needs all processes, because they have parts of what it computes with (``"fsdp"``)."""
    return any(hasattr(module, "unshard") for module in model.modules())


def unwrap(model: nn.Module) -> nn.Module:
    """Return the network inside ``DistributedDataParallel``, ``DataParallel`` and ``torch.compile``."""
    while True:
        name = "module" if isinstance(model, DistributedDataParallel | DataParallel) else "_orig_mod"
        inner = getattr(model, name, None)
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def no_sync(model: nn.Module) -> AbstractContextManager[None]:
    """Return a context in which backward passes accumulate gradients on each rank without exchanging them."""
    if isinstance(model, DistributedDataParallel):
        return model.no_sync()
    switch: Callable[[bool], None] | None = getattr(unwrap(model), "set_requires_gradient_sync", None)
    return nullcontext() if switch is None else _switched_off(switch)


@contextmanager
def _switched_off(switch: Callable[[bool], None]) -> Iterator[None]:
    switch(False)
    try:
        yield
    finally:
        switch(True)


def _shard(model: nn.Module, device: torch.device) -> nn.Module:
    # Imported here because it takes most of a second and only sharded training needs it.
    from torch.distributed.fsdp import fully_shard

    # Each rank keeps a part of its own parameters, so they have to be the same before.
    broadcast_tensors(chain(model.parameters(), model.buffers()))
    mesh = init_device_mesh(device.type, (world_size(),))
    for block in _blocks(model):
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def _blocks(model: nn.Module) -> list[nn.Module]:
    """Return the repeated parts of a network that are worth a message of their own, inner ones first.

    Those are the members of ``nn.ModuleList`` and ``nn.Sequential``, which their parents call as a whole. Other modules may have
    their parameters read without being called, and sharded parameters are whole only during a call.
    """
    blocks: list[nn.Module] = []
    taken: set[nn.Parameter] = set()

    def visit(module: nn.Module, in_container: bool) -> None:
        if not isinstance(module, nn.MultiheadAttention):
            for child in module.children():
                visit(child, isinstance(module, nn.ModuleList | nn.Sequential))
        own = [parameter for parameter in module.parameters() if parameter not in taken]
        callable_whole = not isinstance(module, nn.ModuleList | nn.ModuleDict)
        if in_container and callable_whole and sum(parameter.numel() for parameter in own) >= BLOCK_PARAMETERS:
            blocks.append(module)
            taken.update(own)

    visit(model, False)
    return blocks
