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
from petlib.checkpoint.origin import UNRECORDED, Origin, origin_in
from petlib.checkpoint.prefixes import Prefix, match_prefixes
from petlib.checkpoint.rename_rules import Rules, propose_rules
from petlib.checkpoint.rename_rules import rename as rename_names
from petlib.checkpoint.restore import LoadReport, compare, shown_name
from petlib.distributed.row_sharded import is_sharded
from petlib.errors import CheckpointError

_LOGGER = logging.getLogger(__name__)
_EMA_KEYS = ("ema", "model_ema", "state_dict_ema")
_MODEL_KEYS = ("model", "state_dict", "model_state_dict", "net", "blobs")

Translation = Callable[[dict[str, Tensor], Mapping[str, Tensor]], dict[str, Tensor]]
"""Takes a state dict and that of the model, and returns the first one with names and tensors as the model has them."""


def load_weights(
    model: nn.Module,
    source: str | Path,
    *,
    prefer_ema: bool = False,
    key_prefixes: Sequence[str] = (),
    translate: Translation | None = None,
    rename: Rules = (),
    convert_conv1: bool = False,
) -> LoadReport:
    """Load the weights of ``source`` that fit ``model`` by name and shape, and report all that did not.

    Args:
        model: not yet sharded.
        source: a checkpoint of Pet (a file, a sharded folder, ``model_best.dcp``), a state dict, a dictionary that has one under
            ``model``, ``state_dict`` or Caffe2's ``blobs``, a safetensors file, or a pickle of names and arrays (``.pkl``).
        prefer_ema: take the moving average of the weights where the file has one.
        key_prefixes: tried in front of names that the model does not have, e.g. ``"backbone."``. Other beginnings by which parts of the
            file fit, as ``model.`` of Lightning, ``encoder_q.`` of MoCo, or ``backbone.`` and ``decode_head.`` of mmsegmentation, are
            found and logged.
        translate: gives a state dict with the names of another project those of the model.
        rename: rules for the names as the file has them, which go before all that is found; see
            :func:`~petlib.checkpoint.rename_process.apply_rules`.
        convert_conv1: the weights expect the image channels in the opposite order: flip those of the first convolution with
            3 input channels (RGB and BGR).

    Raises:
        CheckpointError: the file is missing, damaged or refused, holds no state dict, or nothing in it fits; the message proposes
            ``rename`` where shapes and order of tensors agree.
        ConfigError: a rule of ``rename`` is wrong or finds nothing.
    """
    content = read_checkpoint(Path(source))
    state = _state_dict(content, prefer_ema, str(source))
    report = load_state(
        model, state, str(source), key_prefixes=key_prefixes, translate=translate, rename=rename, convert_conv1=convert_conv1
    )
    return replace(report, names=_names(content), origin=origin_in(content))


def load_state(
    model: nn.Module,
    state: Mapping[str, Tensor],
    source: str,
    *,
    key_prefixes: Sequence[str] = (),
    translate: Translation | None = None,
    rename: Rules = (),
    convert_conv1: bool = False,
) -> LoadReport:
    """Load the tensors of a state dict that fit ``model``; the arguments are those of :func:`load_weights`, ``source`` is for messages.

    Raises:
        CheckpointError: nothing in it fits.
        ConfigError: a rule of ``rename`` is wrong or finds nothing.
    """
    assert not any(map(is_sharded, model.parameters())), "load pretrained weights before the model is sharded"
    found = dict(state)
    own = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    if rename:
        found = dict(zip(rename_names(list(found), rename, source), found.values(), strict=True))
    renamed = _in_our_names(found, own, key_prefixes, translate, source)
    report = compare(model, renamed, source)
    report = replace(report, proposal=_propose(report, renamed, found, own) if not rename else [])
    if not report.matched:
        raise CheckpointError(
            f"{source}: none of its {len(renamed)} tensors fits the {len(own)} of the model, so it is of another architecture"
            f"{' or has other names' if report.proposal else ''}\n"
            f"  in the file: {_first(renamed)}\n  in the model: {_first(own)}{report.advice()}"
        )
    model.load_state_dict({name: renamed[name] for name in report.matched}, strict=False)
    if convert_conv1:
        _flip_first_convolution(model, report)
    return report


def read_weights(source: str | Path, *, prefer_ema: bool = False) -> tuple[dict[str, Tensor], dict[str, list[str]] | None]:
    """Return the state dict that a file holds, see :func:`load_weights`, and the names that go with it, see :attr:`LoadReport.names`.

    Raises:
        CheckpointError: the file is missing, damaged or refused, or holds none.
    """
    content = read_checkpoint(Path(source))
    return _state_dict(content, prefer_ema, str(source)), _names(content)


def read_origin(path: Path) -> Origin:
    """Return what a checkpoint began with; :data:`~petlib.checkpoint.origin.UNRECORDED` where it does not say.

    Raises:
        CheckpointError: the file is missing, damaged or no checkpoint.
    """
    return origin_in(read_checkpoint(path)) or UNRECORDED


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


def _in_our_names(
    found: dict[str, Tensor], own: Mapping[str, Tensor], key_prefixes: Sequence[str], translate: Translation | None, source: str
) -> dict[str, Tensor]:
    """Return a state dict with the names that its tensors have in the model, as far as these can be found."""
    state = _translated(found, own, translate, key_prefixes, source) if translate else found
    names = match_prefixes(_shapes(state), _shapes(own), preferred=key_prefixes, source=source)
    return {names[name]: value for name, value in state.items()}


def _translated(
    found: dict[str, Tensor], own: Mapping[str, Tensor], translate: Translation, key_prefixes: Sequence[str], source: str
) -> dict[str, Tensor]:
    """Return ``found`` translated, without the beginning of names that translates best: translations know names from their start."""
    beginnings = Counter("".join(f"{part}." for part in name.split(".")[:count]) for name in found for count in range(4))
    best, most, left_out = found, -1, ""
    for beginning, count in beginnings.items():
        if 3 * count < len(found):
            continue
        inner = {name.removeprefix(beginning): value for name, value in found.items() if name.startswith(beginning)}
        rest = {name: value for name, value in found.items() if not name.startswith(beginning)}
        translated = {**(translate(rest, own) if rest else {}), **translate(inner, own)}
        fits = sum(any(_fits(own.get(prefix + name), value) for prefix in ("", *key_prefixes)) for name, value in translated.items())
        if fits > most:
            best, most, left_out = translated, fits, beginning
    if left_out:
        _LOGGER.info("%s: %s", source, Prefix(left_out, ""))
    return best


def _fits(place: Tensor | None, value: Tensor) -> bool:
    return place is not None and place.shape == value.shape


def _propose(
    report: LoadReport, state: Mapping[str, Tensor], found: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> list[tuple[str, str]]:
    """Return rules by which tensors of the file that fit nowhere fit the missing ones of the model."""
    place = {id(value): name for name, value in state.items()}
    # a translation may have made other tensors
    places = {original: place[id(value)] for original, value in found.items() if id(value) in place}
    fitting = {*report.matched, *(mismatch.name for mismatch in report.mismatched)}
    return propose_rules(
        {original: tuple(found[original].shape) for original, name in places.items() if name not in own},
        {name: tuple(own[name].shape) for name in report.missing},
        fitting=[original for original, name in places.items() if name in fitting],
    )


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items()}


def _first(content: Mapping[Any, Any], count: int = 4) -> str:
    shown = [f"{shown_name(name)}{f' {list(value.shape)}' if isinstance(value, Tensor) else ''}" for name, value in content.items()]
    return ", ".join(shown[:count]) + (", ..." if len(shown) > count else "")


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
