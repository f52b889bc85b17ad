"""The files of ``torch.distributed.checkpoint``: parts of sharded tensors, written and read without running foreign code.

That package is imported inside the functions, because it takes most of a second and only sharded training needs it.
"""

import math
import pickle
import warnings
from contextlib import nullcontext
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import torch

from petlib.checkpoint.background import Worker
from petlib.checkpoint.damage import DamagedError
from petlib.errors import CheckpointError

if TYPE_CHECKING:
    from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
    from torch.distributed.checkpoint.metadata import Metadata
    from torch.distributed.device_mesh import DeviceMesh

INDEX_FILE = ".metadata"
_METADATA = "torch.distributed.checkpoint.metadata"
_INDEX_PARTS = {
    (_METADATA, "Metadata"),
    (_METADATA, "TensorStorageMetadata"),
    (_METADATA, "ChunkStorageMetadata"),
    (_METADATA, "TensorProperties"),
    (_METADATA, "MetadataIndex"),
    (_METADATA, "StorageMeta"),
    (_METADATA, "_MEM_FORMAT_ENCODING"),
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
    ("torch.serialization", "_get_layout"),
}
Placements = list[int | None]
"""For each dimension of the mesh which dimension of the tensor is divided over it; None where each rank has a copy."""


def placements_of(tensor: Any) -> Placements:
    """Return how a ``DTensor`` is divided, in a form that can be saved."""
    assert not any(placement.is_partial() for placement in tensor.placements), "a sum that is not yet reduced cannot be saved"
    return [placement.dim if placement.is_shard() else None for placement in tensor.placements]


def write_parts(folder: Path, tensors: dict[str, Any], worker: Worker) -> None:
    """Let every rank write its parts of the ``DTensor`` s into ``folder``; all ranks call it.

    Args:
        folder: where to.
        tensors: the tensors by the names that they have in the index.
        worker: does what touches the disk, with its limit.

    Raises:
        OSError: a rank could not write; raised on all ranks.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.state_dict_saver import save

    try:
        save(tensors, storage_writer=_writer(folder, worker))
    except CheckpointException as error:
        raise OSError(_reasons(error)) from error


def read_parts(folder: Path, placements: dict[str, Placements], mesh: "DeviceMesh | None") -> dict[str, Any]:
    """Return the tensors named in ``placements``: sharded in the same way over ``mesh``, or whole on the CPU without one.

    Raises:
        CheckpointError: the folder is damaged or incomplete.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.state_dict_loader import load

    metadata = _read_metadata(folder)
    try:
        _check_claims(folder, [metadata.state_dict_metadata[key] for key in placements])
        tensors = {key: _allocate(metadata, key, dimensions, mesh) for key, dimensions in placements.items()}
        with warnings.catch_warnings():
            # Each rank reads for itself: none waits for another, and no plans travel between them. torch takes that for an oversight.
            warnings.filterwarnings("ignore", message="torch.distributed is disabled, unavailable or uninitialized")
            load(tensors, storage_reader=_reader(folder, metadata), no_dist=True)
    except CheckpointException as error:
        raise DamagedError(f"{folder}: the checkpoint is damaged or incomplete: {_reasons(error)}") from error
    except (OSError, RuntimeError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise DamagedError(f"{folder}: the checkpoint is damaged or incomplete: {type(error).__name__}: {error}") from error
    return tensors


def _reasons(error: Any) -> str:
    return "; ".join(f"rank {rank}: {cause[0]}" for rank, cause in error.failures.items())


def _check_claims(folder: Path, entries: list[Any]) -> None:
    """Check that no tensor of an index, which may lie, is larger than all files, before there is room for it.

    Raises:
        ValueError: one is.
    """
    there = sum(part.stat().st_size for part in folder.iterdir() if part.is_file())
    claimed = max((math.prod(entry.size) * entry.properties.dtype.itemsize for entry in entries), default=0)
    if claimed > there:
        raise ValueError(f"the index claims a tensor of {claimed} bytes, all files have {there}")


def _allocate(metadata: "Metadata", key: str, dimensions: Placements, mesh: "DeviceMesh | None") -> torch.Tensor:
    from torch.distributed.tensor import Replicate, Shard, zeros

    entry: Any = metadata.state_dict_metadata[key]
    if mesh is None:
        return torch.zeros(entry.size, dtype=entry.properties.dtype)
    placements = [Replicate() if dimension is None else Shard(dimension) for dimension in dimensions]
    return zeros(entry.size, dtype=entry.properties.dtype, device_mesh=mesh, placements=placements)


def _writer(folder: Path, worker: Worker) -> "FileSystemWriter":
    """Return torch's writer, with a limit to how long the disk is waited for."""
    from torch.distributed.checkpoint.filesystem import FileSystemWriter

    # A thread begins on the first device, and torch waits for copies from the present one.
    device = torch.cuda.device(torch.cuda.current_device()) if torch.cuda.is_available() else nullcontext()

    class Writer(FileSystemWriter):
        def write_data(self, plan: Any, planner: Any) -> Any:
            write = super().write_data

            @torch.no_grad()
            def work() -> Any:
                with device:
                    return write(plan, planner)

            return worker.run(work)

        def finish(self, metadata: Any, results: Any) -> None:
            finish = super().finish
            worker.run(lambda: finish(metadata, results))

    return Writer(folder, single_file_per_rank=True, sync_files=True)


def _reader(folder: Path, metadata: "Metadata") -> "FileSystemReader":
    """Return torch's reader with the index that was read here, where torch would unpickle it with all that it names."""
    from torch.distributed.checkpoint.filesystem import FileSystemReader

    class Reader(FileSystemReader):
        def read_metadata(self, *args: Any, **kwargs: Any) -> "Metadata":
            return metadata

    return Reader(folder)


def _read_metadata(folder: Path) -> "Metadata":
    path = folder / INDEX_FILE
    try:
        with path.open("rb") as file:
            metadata: Metadata = _IndexUnpickler(file).load()
        parts = {str(part.relative_path) for part in metadata.storage_data.values()}
    except CheckpointError:
        raise
    except Exception as error:
        raise DamagedError(f"{path}: the index of the checkpoint is missing or damaged ({type(error).__name__}: {error})") from error
    for part in sorted(parts):
        if Path(part).name != part or not (folder / part).is_file():
            raise DamagedError(f"{folder}: the file {part!r}, which the index of the checkpoint names, is not in this folder")
    return metadata


class _IndexUnpickler(pickle.Unpickler):
    """Unpickles the index of ``torch.distributed.checkpoint`` and refuses whatever such an index does not consist of."""

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".", maxsplit=1)[0] == "pathlib":
            return PurePosixPath
        if (module, name) in _INDEX_PARTS:
            return super().find_class(module, name)
        if module == "torch" and (name == "Size" or isinstance(getattr(torch, name, None), torch.dtype)):
            return getattr(torch, name)
        raise CheckpointError(
            f"the index of the sharded checkpoint holds a Python object ({module}.{name}) that has no place there; it is refused"
        )
