"""Start and end of the process group, the device of this process, and who it is. Without a group there is one process, rank 0 of 1."""

import atexit
import os
import socket
from datetime import timedelta

import torch
from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import TCPStore, rendezvous  # type: ignore[attr-defined]

from petlib.errors import DeviceError

STORE_SOCKET_VARIABLE = "PET_STORE_FD"
"""Environment variable of rank 0: the file descriptor of a socket that listens on ``MASTER_PORT`` already."""


class _Meeting:
    """What this process keeps from one process group to the next: the store in which the processes find each other.

    Attributes:
        store: of all processes; None: it was not needed yet.
        address: of the store.
        groups: number of groups that were opened with it.
        timeout: of the last group's collectives.
        left_group: the group that this process left last; see :func:`destroy_process_group`.
    """

    def __init__(self) -> None:
        self.store: Store | None = None
        self.address = ""
        self.groups = 0
        self.timeout: timedelta | None = None
        self.left_group: distributed.ProcessGroup | None = None


_meeting = _Meeting()


def init_process_group(device: torch.device, *, timeout_seconds: float) -> None:
    """Join the process group that the launcher described in ``RANK``, ``WORLD_SIZE``, ``MASTER_ADDR`` and ``MASTER_PORT``.

    CPU tensors and objects travel over gloo, CUDA tensors over nccl. Nothing is joined where ``WORLD_SIZE`` is unset or 1.

    Args:
        device: what :func:`choose_device` returned; on CUDA it becomes the current device.
        timeout_seconds: how long a collective waits for the other processes before it fails.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return
    _bind_gloo_to_loopback()
    timeout = timedelta(seconds=timeout_seconds)
    distributed.init_process_group(
        backend="cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
        timeout=timeout,
        store=_store_of_next_group(timeout),
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
        device_id=device if device.type == "cuda" else None,
    )


def destroy_process_group() -> None:
    """Leave the process group, if there is one.

    The object of the group lives on until the next group, or until the interpreter ends. The model's ``DistributedDataParallel`` refers to
    the group too, and it frees what it refers to while it holds the interpreter's lock: as the last owner of the group it would wait for
    gloo's threads, of which one may wait for that lock to free the tensor of the last collective, for ever.
    """
    if _has_group():
        if _meeting.left_group is None:
            atexit.register(_release_left_group)
        _meeting.left_group = distributed.group.WORLD
        distributed.destroy_process_group()


def _release_left_group() -> None:
    # torch's binding of a group gives the interpreter's lock away while it frees it
    _meeting.left_group = None


def collective_timeout() -> timedelta | None:
    """Return how long a collective waits for the other processes, for further groups; None: as torch has it."""
    return _meeting.timeout


def rank() -> int:
    """Return the number of this process among all, from 0."""
    return distributed.get_rank() if _has_group() else 0


def world_size() -> int:
    """Return the number of processes."""
    return distributed.get_world_size() if _has_group() else 1


def local_rank() -> int:
    """Return the number of this process among those of its node, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0")) if _has_group() else 0


def local_world_size() -> int:
    """Return the number of processes on this node."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", str(world_size()))) if _has_group() else 1


def is_main_process() -> bool:
    """Return whether this process is rank 0, the one that prints and writes."""
    return rank() == 0


def _has_group() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _store_of_next_group(timeout: timedelta) -> Store:
    """Return the store of the next group, in which it finds no keys of the groups before.

    A script may train and then test: the second group would take the addresses that the first one left in the store for its own, and
    wait for connections that are never accepted. So each group has a prefix of its own. The store itself stays open, because a rank may
    arrive at the second group while rank 0, which serves the store, has not left the first.
    """
    address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    if _meeting.store is None or _meeting.address != address:
        _meeting.store, _meeting.address, _meeting.groups = _connect(timeout), address, 0
    _meeting.store.set_timeout(timeout)
    _meeting.timeout = timeout
    _meeting.groups += 1
    return PrefixStore(f"group_{_meeting.groups}", _meeting.store)


def _connect(timeout: timedelta) -> Store:
    """Return the processes' meeting point, which rank 0 serves; under torchrun the one that torch finds."""
    if distributed.is_torchelastic_launched():
        found: Store = next(rendezvous("env://", timeout=timeout))[0]
        return found
    descriptor = os.environ.pop(STORE_SOCKET_VARIABLE, None)
    if descriptor is not None:
        os.set_inheritable(int(descriptor), False)
    store: Store = TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        world_size=int(os.environ["WORLD_SIZE"]),
        is_master=os.environ["RANK"] == "0",
        timeout=timeout,
        wait_for_workers=False,
        master_listen_fd=None if descriptor is None else int(descriptor),
    )
    return store


def _bind_gloo_to_loopback() -> None:
    """Keep gloo's connections inside the machine where all processes run on it.

    Without this gloo listens on the address that the host name resolves to, which may be open to the network, or may not resolve at all.
    """
    on_one_node = os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"]
    loopback = next((name for _, name in socket.if_nameindex() if name in ("lo", "lo0")), None)
    if on_one_node and loopback is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)


def choose_device(name: str) -> torch.device:
    """Return the device for a name: ``"cpu"``, ``"cuda"``, or ``"auto"``, which takes CUDA where there is a GPU.

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
        raise DeviceError(
            f"device {name!r} was asked for, but torch {torch.__version__} sees no GPU here; use choose_device.name cpu or auto"
        )
    index = int(os.environ.get("LOCAL_RANK", "0"))
    if index >= count:
        raise DeviceError(
            f"this process is number {index} on its node and needs a GPU of its own, but there are {count} "
            f"({', '.join(torch.cuda.get_device_name(gpu) for gpu in range(count))}); start at most {count} processes on this node"
        )
    return torch.device("cuda", index)
