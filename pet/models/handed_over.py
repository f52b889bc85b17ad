"""Backbones that one task hands over to another: a file with the names of their library, which is taken as a whole or refused."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import nn

from pet.models.classifiers import last_layer_names
from pet.models.feature_extractor import TimmFeatures
from petlib.checkpoint.origin import UNKNOWN, UNRECORDED, Origin
from petlib.checkpoint.restore import LoadReport, shown_name
from petlib.errors import CheckpointError, OutputError
from petlib.files import temporary_path

SUFFIX = ".safetensors"
MARK = "pet_backbone"
"""Key in the metadata of the file; its value is the name of the network."""
BATCH_COUNT = ".num_batches_tracked"
BEHIND_THE_MAPS = ("head.", "norm.", "fc_norm.", "head_norm.")
"""Beginnings of names, in timm, of what comes behind the last feature map: a network of feature maps lacks it."""


class HandedOver(NamedTuple):
    """What a file of :func:`write_backbone` says of itself: the name of the network, and what its training began with."""

    network: str
    origin: Origin


def write_backbone(backbone: nn.Module, path: Path, *, network: str, origin: Origin = UNRECORDED) -> None:
    """Write the weights of a backbone as safetensors, in one go.

    Args:
        backbone: its weights get the names that they have below it.
        path: the file.
        network: what ``MODEL.BACKBONE`` calls it.
        origin: what its training began with.

    Raises:
        OutputError: the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file  # only files of this kind need it

    state = {name: value.detach().cpu().contiguous().clone() for name, value in backbone.state_dict().items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_path(path) as temporary:
            save_file(state, temporary, metadata={"format": "pt", MARK: network, **origin._asdict()})
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{path}: the backbone cannot be written: {error}") from error


def read_handed_over(path: Path) -> HandedOver | None:
    """Return what a file that :func:`write_backbone` wrote says of itself; None: it is another file."""
    if path.suffix != SUFFIX or not path.is_file():
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            saved = file.metadata() or {}
    except (SafetensorError, OSError):
        # whoever reads the weights reports what is wrong with the file
        return None
    if MARK not in saved:
        return None
    return HandedOver(str(saved[MARK]), Origin(saved.get("weights", ""), saved.get("licence", UNKNOWN)))


def require_whole(report: LoadReport, model: nn.Module, *, network: str) -> None:
    """Check that a model took every weight of a backbone that was handed over.

    Left out may only be what the model has no use for: layers behind the last feature map, and counts of frozen batch norms.

    Args:
        report: what was loaded.
        model: what it was loaded into.
        network: the name of the backbone that was handed over.

    Raises:
        CheckpointError: a weight found no place, or one of another shape; or the model's backbone has more of them.
    """
    has_maps = any(isinstance(module, TimmFeatures) for module in model.modules())
    unused = BEHIND_THE_MAPS if has_maps else ()
    lost = [name for name in report.unexpected if not name.endswith(BATCH_COUNT) and not name.startswith(unused)]
    lost += [str(mismatch) for mismatch in report.mismatched]
    if lost:
        raise _misfit(report, network, f"of its {len(lost) + len(report.matched)} tensors {len(lost)} find no place", lost)
    lacking = _lacking(report, model)
    if lacking:
        raise _misfit(report, network, f"{len(lacking)} of the model's own tensors are not in it", lacking)


def _lacking(report: LoadReport, model: nn.Module) -> list[str]:
    """Return what of the model's own backbone the file did not give, apart from the last layer of a classifier."""
    common = os.path.commonprefix(report.matched)
    place = common[: common.rfind(".") + 1]
    last = tuple(f"{place}{name}." for name in last_layer_names(model.get_submodule(place.rstrip("."))))
    return [name for name in report.missing if name.startswith(place) and not name.startswith(last)]


def _misfit(report: LoadReport, network: str, reason: str, names: Sequence[str]) -> CheckpointError:
    shown = ", ".join(map(shown_name, names[:4])) + (", ..." if len(names) > 4 else "")
    return CheckpointError(
        f"{report.source}: this backbone, {network}, does not fit the model: {reason} ({shown}); take the network that it was trained with"
    )
