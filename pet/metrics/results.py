"""Files that keep the results of a test."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from petlib.files import temporary_path, write_text_atomically


def write_metrics_json(path: Path, metrics: Mapping[str, float]) -> None:
    """Write metrics such as ``{"cls/acc1": 0.97}`` as one JSON object; what is not a finite number becomes null.

    A file that was there is replaced in one go, so a reader never sees half of one.
    """
    finite = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
    write_text_atomically(path, json.dumps(finite, indent=2) + "\n")


def write_predictions(path: Path, records: Iterable[Mapping[str, Any]]) -> int:
    """Write one JSON object a line and return how many; ``records`` are taken one by one and never held together.

    The file gets its name when all of them are written; if that fails, a file that was there stays.

    Raises:
        ValueError: a record holds NaN or an infinite number, which JSON does not have.
    """
    count = 0
    with temporary_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
            count += 1
    return count
