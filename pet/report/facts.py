"""What a run is made of, written into its folder for pages: settings, versions, hardware, time, and the weights it began with."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from pet.report.run_folder import RECORD
from pet.typed import PetConfig
from petlib.config import CfgNode
from petlib.config.key import flat_schema
from petlib.distributed.process_group import world_size
from petlib.files import write_text_atomically

PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless", "timm")
OUTPUT_SETTINGS = ("MISC.CKPT", "MISC.NAME")
"""Where results go, which does not change them."""


def collect_facts(cfg: PetConfig, device: torch.device) -> dict[str, Any]:
    """Return what is known when a run begins: settings that differ from their defaults, versions and hardware."""
    return {
        "config": cfg.MISC.NAME,
        "settings": settings_that_differ(cfg),
        "versions": {"python": platform.python_version(), **{name: version for name in PACKAGES if (version := _version_of(name))}},
        "hardware": _hardware(device),
        "started": now(),
    }


def settings_that_differ(cfg: PetConfig) -> list[dict[str, Any]]:
    """Return key, value, default and place of each setting that differs from its default."""
    assert isinstance(cfg, CfgNode), type(cfg)
    keys, places = flat_schema(cfg.schema), cfg.given()
    return [
        {"key": path, "value": value, "default": keys[path].default, "place": places.get(path, "derived")}
        for path, value in cfg.flat().items()
        if path not in OUTPUT_SETTINGS and path in keys and value != keys[path].default
    ]


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Write the record of a run."""
    write_text_atomically(folder / RECORD, json.dumps(facts, ensure_ascii=False, indent=1, default=str))


def now() -> str:
    """Return the time, to the second, with its zone."""
    return datetime.now(UTC).astimezone().isoformat(timespec="seconds")


def _version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _hardware(device: torch.device) -> dict[str, Any]:
    shown = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {
        "device": shown,
        "processes": world_size(),
        "processor cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
