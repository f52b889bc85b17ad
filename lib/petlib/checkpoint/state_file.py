"""One state in one file. Files that are read may be damaged or hostile: nothing in them is executed, and what is wrong is reported."""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from petlib.checkpoint.damage import DamagedError, zip_damage
from petlib.checkpoint.files import write_atomically
from petlib.checkpoint.hostile import begins_as_zip, check_content, check_index, check_kind
from petlib.errors import CheckpointError
from petlib.plain_pickles import PlainPickleError, parse_plain_pickle
from petlib.suggest import did_you_mean

_OLD_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The number that torch wrote first."""


def write_file(path: Path, state: Any) -> None:
    """Write ``state``, which :class:`~petlib.checkpoint.snapshot.Snapshot` copied, so that ``path`` is whole or as it was.

    Raises:
        OSError: it could not be written.
        RuntimeError: torch could not write it.
    """
    write_atomically(path, lambda sink: torch.save(state, sink))  # type: ignore[arg-type]  # a file as far as torch uses it


def read_file(path: Path, *, checked: bool = False) -> Any:
    """Return what ``torch.save`` or safetensors wrote into ``path``, or a pickle of arrays (``.pkl``), with all tensors on the CPU.

    The checksums of the file are compared first. Only tensors and plain data are loaded, never other Python objects.

    Args:
        path: the file.
        checked: the checksums have just been compared.

    Raises:
        DamagedError: the file is damaged or no checkpoint.
        CheckpointError: it is missing, or holds other Python objects.
    """
    _check_file(path, checked=checked)
    try:
        if path.suffix == ".safetensors":
            # Imported here because only these files need it.
            from safetensors.torch import load_file

            content: Any = load_file(path)
        elif path.suffix == ".pkl" and not _is_of_torch(path):
            content = _with_tensors(parse_plain_pickle(path.read_bytes()))
        else:
            check_index(path)
            content = torch.load(path, map_location="cpu", weights_only=True)
        check_content(content, path)
        return content
    except CheckpointError:
        raise
    except PlainPickleError as error:
        raise CheckpointError(f"{path}: not a pickle of names and arrays of numbers, or a damaged one: {error}") from error
    except pickle.UnpicklingError as error:
        refused = re.search(r"(?:GLOBAL|global) ([\w.]+)", str(error))
        if refused is None:
            # torch advises to load such a file without its protection
            raise _damaged(path, "not a checkpoint, or damaged: nothing in it can be read safely") from error
        raise CheckpointError(
            f"{path}: it holds a Python object ({refused.group(1)}) besides tensors and plain data; loading that could run foreign code, "
            "so it is refused. If you trust where it comes from, load it in a script of your own and save its state dict alone"
        ) from error
    except Exception as error:
        raise _damaged(path, "truncated or damaged", error) from error


def _is_of_torch(path: Path) -> bool:
    """Return whether ``torch.save`` wrote a file, in its form of today or that before torch 1.6."""
    with path.open("rb") as file:
        return begins_as_zip(path) or file.read(len(_OLD_START)) == _OLD_START


def _with_tensors(value: Any) -> Any:
    """Return what a pickle holds with tensors in place of its arrays, down to the dictionaries in its dictionary."""
    if isinstance(value, np.ndarray):
        # the memory of a pickle cannot be written to
        return torch.from_numpy(value.copy())
    return {name: _with_tensors(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def existing_file(path: Path) -> Path:
    """Return a path that is there.

    Raises:
        CheckpointError: it is not.
    """
    if not path.exists():
        siblings = [sibling.name for sibling in path.parent.glob("*")] if path.parent.is_dir() else []
        raise CheckpointError(f"{path}: there is no such file{did_you_mean(path.name, siblings)}")
    return path


def _check_file(path: Path, *, checked: bool) -> None:
    existing_file(path)
    if path.is_dir():
        raise CheckpointError(f"{path}: this is a folder and no file with weights")
    check_kind(path)
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise _damaged(path, "empty (0 bytes)")
    if start == b"PK\x03\x04" and not checked:
        damage = zip_damage(path)
        if damage:
            raise _damaged(path, damage)


def _damaged(path: Path, what: str, error: Exception | None = None) -> DamagedError:
    detail = f" ({type(error).__name__}: {str(error).splitlines()[0][:200]})" if error is not None and str(error) else ""
    whole = [other for other in sorted(path.parent.glob("*.pth")) if other != path and not zip_damage(other)]
    if whole:
        advice = f"whole checkpoints in the same folder: {', '.join(other.name for other in whole)}; name one of them instead"
    else:
        advice = "there is no whole checkpoint next to it; take a copy from elsewhere"
    return DamagedError(f"{path}: the file is {what}{detail}; {advice}")
