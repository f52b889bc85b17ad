"""What a part of the GPU check found, written line by line, so that a part that is stopped leaves what it knew."""

import argparse
import json
from pathlib import Path
from typing import Any

import torch


class Report:
    """Rows of one part.

    Args:
        path: a file of JSON lines; rows are added at its end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, name: str, value: Any, unit: str = "", *, passed: bool | None = None, note: str = "") -> None:
        """Write a row.

        Args:
            name: what was measured or tried.
            value: a number or a short text.
            unit: of the number.
            passed: whether a goal is met; None: the row is a figure without a goal.
            note: the goal, or the last lines of an error.
        """
        row = {"name": name, "value": round(value, 4) if isinstance(value, float) else value, "unit": unit, "passed": passed, "note": note}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def part_options(description: str | None) -> argparse.ArgumentParser:
    """Return the options that every part has."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--rows", type=Path, required=True, metavar="FILE", help="JSON lines of what was found are added here")
    parser.add_argument("--dry", action="store_true", help="on the CPU with tiny sizes: shows that the code runs, and measures nothing")
    return parser


def device_of(arguments: argparse.Namespace) -> torch.device:
    """Return the device that a part works on."""
    return torch.device("cpu") if arguments.dry else torch.device("cuda", 0)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
