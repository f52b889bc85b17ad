"""Which devices a launch uses. Asks the NVIDIA driver itself: torch would take seconds to import."""

import ctypes
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from petlib.errors import DeviceError
from petlib.suggest import counted

NVML_LIBRARY = "libnvidia-ml.so.1"
QUERY_SECONDS = 30


@dataclass(frozen=True)
class Devices:
    """The processes of one machine.

    Attributes:
        count: number of processes.
        gpus: what ``CUDA_VISIBLE_DEVICES`` names, one for each process; empty for CPU processes.
        note: what the user should know about the choice, or an empty string.
    """

    count: int
    gpus: tuple[str, ...] = ()
    note: str = ""

    @property
    def summary(self) -> str:
        """Return e.g. ``"2 processes on GPU 0, 1"``."""
        number = counted(self.count, "process")
        return f"{number} on {'GPU ' + ', '.join(self.gpus) if self.gpus else 'the CPU'}"


def visible_gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the visible GPUs by the names that ``CUDA_VISIBLE_DEVICES`` takes: numbers, or ``GPU-...`` and ``MIG-...`` ids.

    What ``CUDA_VISIBLE_DEVICES`` holds counts where it is set, up to its first entry that names no device, as CUDA reads it.
    """
    listed = environment.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        count = _count_by_nvml()
        return [str(index) for index in range(_count_by_nvidia_smi() if count is None else count)]
    names: list[str] = []
    for name in (entry.strip() for entry in listed.split(",")):
        if not (name.isdigit() or name.startswith(("GPU-", "MIG-"))):
            break
        names.append(name)
    return names


def choose_devices(*, gpu_id: str | None, nproc: int | None, device: str, visible: list[str]) -> Devices:
    """Choose the devices of a launch.

    Args:
        gpu_id: positions in ``visible``, e.g. ``"0,1"``; None: all.
        nproc: number of processes: the first so many GPUs, or CPU processes where there is no GPU or ``device`` is cpu.
        device: ``auto``, ``cuda`` or ``cpu``.
        visible: what :func:`visible_gpus` returned.

    Raises:
        DeviceError: a GPU is asked for that is not there, or the arguments contradict each other.
    """
    if gpu_id is not None:
        return _listed_gpus(gpu_id, nproc, device, visible)
    if device == "cpu":
        return Devices(nproc or 1)
    if not visible:
        if device == "cuda":
            raise DeviceError(
                "choose_devices.device is cuda, but no GPU is visible; use choose_devices.device auto or cpu to compute on the CPU"
            )
        return Devices(nproc or 1, note="no GPU is visible: computing on the CPU")
    if nproc is not None and nproc > len(visible):
        raise DeviceError(f"--nproc {nproc}: {_there(visible)}; for CPU processes add choose_devices.device cpu")
    chosen = tuple(visible[:nproc])
    return Devices(len(chosen), chosen)


def _listed_gpus(gpu_id: str, nproc: int | None, device: str, visible: list[str]) -> Devices:
    if device == "cpu":
        raise DeviceError(
            f"--gpu_id {gpu_id} is given, but choose_devices.device is cpu; leave --gpu_id out or add choose_devices.device cuda"
        )
    words = [word.strip() for word in gpu_id.split(",")]
    if not all(word.isascii() and word.isdigit() for word in words):
        raise DeviceError(f"--gpu_id {gpu_id!r}: numbers separated by commas expected, e.g. 0,1")
    numbers = [int(word) for word in words]
    if len(set(numbers)) < len(numbers):
        raise DeviceError(f"--gpu_id {gpu_id}: a GPU is listed twice; each process needs its own")
    missing = [str(number) for number in numbers if number >= len(visible)]
    if missing:
        raise DeviceError(f"--gpu_id {gpu_id}: there is no GPU {', '.join(missing)}; {_there(visible)}")
    if nproc not in (None, len(numbers)):
        raise DeviceError(f"--gpu_id {gpu_id} names {len(numbers)} GPUs and --nproc says {nproc}; leave one of the two out")
    return Devices(len(numbers), tuple(visible[number] for number in numbers))


def _there(visible: list[str]) -> str:
    if not visible:
        return "no GPU is visible on this machine"
    numbers = ", ".join(str(number) for number in range(len(visible)))
    return f"visible on this machine: {numbers}" + ("" if visible == numbers.split(", ") else f" (devices {', '.join(visible)})")


def _count_by_nvml() -> int | None:
    """Return the number of GPUs, or None where the driver's library is missing or does not answer."""
    try:
        library = ctypes.CDLL(NVML_LIBRARY)
    except OSError:
        return None
    count = ctypes.c_uint()
    if library.nvmlInit_v2() != 0:
        return None
    answer = library.nvmlDeviceGetCount_v2(ctypes.byref(count))
    library.nvmlShutdown()
    return count.value if answer == 0 else None


def _count_by_nvidia_smi() -> int:
    try:
        answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=QUERY_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in answer.stdout.splitlines()) if answer.returncode == 0 else 0
