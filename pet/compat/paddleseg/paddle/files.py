"""Weights in files under Paddle's names; the files are torch's."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from petlib.checkpoint.state_file import write_file
from petlib.checkpoint.weights import read_weights
from petlib.errors import CheckpointError

CLASSES = "classes.json"
"""File next to weights with the names of their classes in the order of their numbers."""


class LoadedWeights(dict[str, Tensor]):
    """A state dict with the names of the classes, where they are known.

    Attributes:
        classes: in the order of their numbers; empty: not known.
    """

    classes: Sequence[str] = ()


def load(path: str | Path) -> LoadedWeights:
    """Return the weights in a file of a training, ``best_model/model.pdparams`` or a checkpoint, for ``model.set_state_dict``.

    Raises:
        CheckpointError: the file is missing, damaged, Paddle's own, or holds no weights.
    """
    tensors, names = read_weights(path)
    weights = LoadedWeights(tensors)
    weights.classes = read_classes(Path(path), names)
    return weights


def save(obj: Mapping[str, Tensor], path: str | Path) -> None:
    """Write the weights of a network, ``model.state_dict()``, as a state dict of torch.

    Raises:
        OSError: the file cannot be written.
    """
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_file(file, {name: tensor.detach().cpu() for name, tensor in obj.items()})


def write_classes(weights: Path, names: Sequence[str]) -> None:
    """Write the names of the classes next to a file of weights; where there are none, no file is left that would name others.

    Raises:
        OSError: the file cannot be written.
    """
    file = weights.with_name(CLASSES)
    if names:
        file.write_text(json.dumps(list(names), ensure_ascii=False), encoding="utf-8")
    else:
        file.unlink(missing_ok=True)


def read_classes(weights: Path, saved: Mapping[str, Sequence[str]] | None) -> list[str]:
    """Return the names of the classes of a file of weights: those that it has itself, else those next to it; empty: not known.

    Args:
        weights: the file.
        saved: what a checkpoint of a run says; None: it is none.

    Raises:
        CheckpointError: the file next to it is no list of names.
    """
    file = weights.with_name(CLASSES)
    if saved is not None or not file.is_file():
        return list((saved or {}).get("semseg", []))
    try:
        names = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{file}: not the names of the classes as JSON: {error}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CheckpointError(f'{file}: a list of names expected, e.g. ["background", "building"]')
    return names
