"""Pretrained weights: taking from a file what fits a model, and saying what did not."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from petlib.checkpoint.locate import read_checkpoint
from petlib.checkpoint.restore import LoadReport, compare, shown_name
from petlib.checkpoint.snapshot import is_sharded
from petlib.errors import CheckpointError

_LOGGER = logging.getLogger(__name__)
_EMA_KEYS = ("ema", "model_ema", "state_dict_ema")
_MODEL_KEYS = ("model", "state_dict", "model_state_dict", "net")
_WRAPPERS = ("module.", "_orig_mod.")


Translation = Callable[[dict[str, Tensor], Mapping[str, Tensor]], dict[str, Tensor]]
"""Takes a state dict and that of the model, and returns the first one with names and tensors as the model has them."""


def load_weights(
    model: nn.Module,
    source: str | Path,
    *,
    prefer_ema: bool = False,
    key_prefixes: Sequence[str] = (),
    translate: Translation | None = None,
    convert_conv1: bool = False,
) -> LoadReport:
    """Load the weights of ``source`` that fit ``model`` by name and shape, and report all that did not.

    Args:
        model: not yet sharded.
        source: a checkpoint of Pet (a file, a sharded folder, ``model_best.dcp``), a state dict, a dictionary that has one under
            ``model`` or ``state_dict``, or a safetensors file.
        prefer_ema: take the moving average of the weights where the file has one.
        key_prefixes: tried in front of names that the model does not have, e.g. ``"backbone."``. Beginnings that only the names of the
            file have, as ``model.`` of Lightning or ``encoder_q.`` of MoCo, are found, left out and logged.
        translate: applied to the state dict of the file first, for files with names of another project.
        convert_conv1: the weights expect the image channels in the opposite order: flip those of the first convolution with
            3 input channels (RGB and BGR).

    Raises:
        CheckpointError: the file is missing, damaged or refused, holds no state dict, or nothing in it fits.
    """
    content = read_checkpoint(Path(source))
    state = _state_dict(content, prefer_ema, str(source))
    report = load_state(model, state, str(source), key_prefixes=key_prefixes, translate=translate, convert_conv1=convert_conv1)
    return replace(report, names=_names(content))


def load_state(
    model: nn.Module,
    state: Mapping[str, Tensor],
    source: str,
    *,
    key_prefixes: Sequence[str] = (),
    translate: Translation | None = None,
    convert_conv1: bool = False,
) -> LoadReport:
    """Load the tensors of a state dict that fit ``model``; the arguments are those of :func:`load_weights`, ``source`` is for messages.

    Raises:
        CheckpointError: nothing in it fits.
    """
    assert not any(map(is_sharded, model.parameters())), "load pretrained weights before the model is sharded"
    own = model.state_dict()
    found = _without_wrappers(dict(state))
    found = translate(found, own) if translate else found
    found = _without_prefix(found, own, key_prefixes, source)
    renamed = {_own_name(name, own, key_prefixes): value for name, value in found.items()}
    report = compare(model, renamed, source)
    if not report.matched:
        raise CheckpointError(
            f"{source}: none of its {len(renamed)} tensors fits the {len(own)} of the model, so it is of another architecture\n"
            f"  in the file: {_first(renamed)}\n  in the model: {_first(own)}"
        )
    model.load_state_dict({name: renamed[name] for name in report.matched}, strict=False)
    if convert_conv1:
        _flip_first_convolution(model, report)
    return report


def read_weights(source: str | Path, *, prefer_ema: bool = False) -> dict[str, Tensor]:
    """Return the state dict that a file holds, see :func:`load_weights`.

    Raises:
        CheckpointError: the file is missing, damaged or refused, or holds none.
    """
    return _without_wrappers(_state_dict(read_checkpoint(Path(source)), prefer_ema, str(source)))


def _names(content: Mapping[str, Any]) -> dict[str, list[str]] | None:
    """Return the names that a checkpoint of a run says; other files may have anything there."""
    saved = content.get("names")
    if not isinstance(saved, Mapping) or "iteration" not in content:
        return None
    return {str(kind): [str(name) for name in names] for kind, names in saved.items() if isinstance(names, list)}


def _state_dict(content: Mapping[str, Any], prefer_ema: bool, source: str) -> dict[str, Tensor]:
    for key in (*(_EMA_KEYS if prefer_ema else ()), *_MODEL_KEYS):
        inner = content.get(key)
        if isinstance(inner, Mapping) and any(isinstance(value, Tensor) for value in inner.values()):
            content = inner
            break
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor) and isinstance(name, str)}
    if not tensors:
        raise CheckpointError(
            f"{source}: there are no weights in it; expected names and tensors, or such a dictionary under {' or '.join(_MODEL_KEYS)}; "
            f"found: {_first(content)}"
        )
    return tensors


def _without_wrappers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Strip what ``DistributedDataParallel`` and ``torch.compile`` put in front of every name."""
    for prefix in _WRAPPERS * 2:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _without_prefix(state: dict[str, Tensor], own: Mapping[str, Tensor], key_prefixes: Sequence[str], source: str) -> dict[str, Tensor]:
    """Leave out the beginning of names without which most tensors fit, where there is one; names that begin otherwise stay."""
    fitting: Counter[str] = Counter()
    for name, value in state.items():
        parts = name.split(".")
        for count in range(len(parts)):
            rest = ".".join(parts[count:])
            fit = own.get(_own_name(rest, own, key_prefixes))
            fitting["".join(f"{part}." for part in parts[:count])] += fit is not None and fit.shape == value.shape
    prefix = max(fitting, key=lambda beginning: (fitting[beginning], -len(beginning)), default="")
    beginning_so = sum(name.startswith(prefix) for name in state)
    # a few tensors that happen to fit are no reason
    if not prefix or 2 * fitting[prefix] < beginning_so:
        return state
    _LOGGER.info(
        "%s: without the %r that names begin with %d of the %d tensors fit (%d with it); it is left out",
        *(source, prefix, fitting[prefix], len(state), fitting[""]),
    )
    shortened = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    return shortened | {name: value for name, value in state.items() if not name.startswith(prefix) and name not in shortened}


def _own_name(name: str, own: Mapping[str, Any], prefixes: Sequence[str]) -> str:
    return next((candidate for candidate in (name, *(prefix + name for prefix in prefixes)) if candidate in own), name)


def _first(names: Mapping[str, Any], count: int = 4) -> str:
    return ", ".join(map(shown_name, list(names)[:count])) + (", ..." if len(names) > count else "")


@torch.no_grad()
def _flip_first_convolution(model: nn.Module, report: LoadReport) -> None:
    for name, module in model.named_modules():
        if isinstance(module, _ConvNd) and module.in_channels == 3 and module.weight.shape[1] == 3:
            if f"{name}.weight".removeprefix(".") in report.matched:
                module.weight.copy_(module.weight.flip(1))
                _LOGGER.info("flipped the input channels of %s (load_weights.convert_conv1)", name or "the convolution")
                return
            break
    _LOGGER.warning(
        "load_weights.convert_conv1: no convolution with 3 input channels took its weights from %s; nothing is flipped", report.source
    )
