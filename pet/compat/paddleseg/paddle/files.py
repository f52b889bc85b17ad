"""Weights in files under Paddle's names; the files are torch's."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from petlib.checkpoint.state_file import write_file
from petlib.checkpoint.weights import read_weights


def load(path: str | Path) -> dict[str, Tensor]:
    """Return the weights in a file of a training, ``best_model/model.pdparams`` or a checkpoint, for ``model.set_state_dict``.

    Raises:
        CheckpointError: the file is missing, damaged, Paddle's own, or holds no weights.
    """
    return read_weights(path)


def save(obj: Mapping[str, Tensor], path: str | Path) -> None:
    """Write the weights of a network, ``model.state_dict()``, as a state dict of torch.

    Raises:
        OSError: the file cannot be written.
    """
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_file(file, {name: tensor.detach().cpu() for name, tensor in obj.items()})
