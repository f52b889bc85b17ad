"""The device that this process computes on."""

import os

import torch

from petlib.errors import DeviceError


def choose_device(name: str) -> torch.device:
    """Return the device for ``MISC.DEVICE``: ``"cpu"``, ``"cuda"``, or ``"auto"``, which takes CUDA where there is a GPU.

    On CUDA each process takes the GPU with its ``LOCAL_RANK``, counted among the visible ones.

    Raises:
        DeviceError: CUDA was asked for and there is none, or there are fewer GPUs than processes on this node.
    """
    if name not in ("auto", "cuda", "cpu"):
        raise DeviceError(f"unknown device {name!r}; choose auto, cuda or cpu")
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise DeviceError(f"device {name!r} was asked for, but torch {torch.__version__} sees no GPU here; use MISC.DEVICE cpu or auto")
    index = int(os.environ.get("LOCAL_RANK", "0"))
    if index >= count:
        raise DeviceError(
            f"this process is number {index} on its node and needs a GPU of its own, but there are {count} "
            f"({', '.join(torch.cuda.get_device_name(gpu) for gpu in range(count))}); start at most {count} processes on this node"
        )
    return torch.device("cuda", index)
