"""Rates and other settings of the optimizers, which a program gives and a checkpoint holds too."""

from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from petlib.solver.factor_schedule import FactorSchedule

GroupSettings = list[dict[str, Any]]


def settings_of(optimizers: Mapping[str, Optimizer]) -> dict[str, GroupSettings]:
    """Return the settings of the parameter groups of each optimizer, without the present rate, which the schedule sets."""
    return {
        name: [{key: value for key, value in group.items() if key not in ("params", "lr")} for group in optimizer.param_groups]
        for name, optimizer in optimizers.items()
    }


def keep_settings(
    optimizers: Mapping[str, Optimizer], schedulers: Mapping[str, LRScheduler], wanted: Mapping[str, GroupSettings]
) -> list[str]:
    """Give restored optimizers the settings of the program in place of those of the checkpoint, and say what that changed.

    It concerns optimizers with a :class:`FactorSchedule`, whose rate follows from the settings and the iteration; others go
    on with what the checkpoint holds. Where nothing was changed the state stays as it is, bit for bit.

    Args:
        optimizers: by name, after they were restored.
        schedulers: by the name of their optimizer, restored too.
        wanted: what :func:`settings_of` returned before.

    Returns:
        A line for each setting that differs, such as ``"main: weight_decay of 2 groups: 0.0005 -> 0.0001"``.
    """
    lines = []
    for name, optimizer in optimizers.items():
        scheduler = schedulers.get(name)
        if not isinstance(scheduler, FactorSchedule):
            continue
        for key in dict.fromkeys(key for settings in wanted[name] for key in settings):
            lines += _keep(optimizer, key, [settings.get(key) for settings in wanted[name]], name)
        old = scheduler.get_last_lr()
        scheduler.refresh()
        if scheduler.get_last_lr() != old:
            lines.append(f"{name}: rate of the next iteration: {float(old[0]):g} -> {float(scheduler.get_last_lr()[0]):g}")
    return lines


def _keep(optimizer: Optimizer, key: str, values: list[Any], name: str) -> list[str]:
    """Set one setting of all groups; return a line where that changed something."""
    changed = []
    for group, value in zip(optimizer.param_groups, values, strict=True):
        if key in group and _plain(group[key]) != _plain(value):
            changed.append((group[key], value))
        group[key] = value
    if not changed:
        return []
    old, new = changed[0]
    return [f"{name}: {key} of {len(changed)} group{'s' if len(changed) > 1 else ''}: {old} -> {new}"]


def _plain(value: Any) -> Any:
    """Return a list for a tuple, which some files have in its place."""
    return list(value) if isinstance(value, tuple) else value
