"""What a failing rank reports to its launcher: a small JSON file in the private folder of the launch."""

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ErrorReport:
    """Why a rank ends.

    Attributes:
        rank: number of the process among all.
        time: seconds of the machine's monotonic clock, comparable between the processes of one machine.
        user_error: the text is a message for the user, not a traceback.
        text: message or traceback.
        exit_code: what the process is going to return.
        attempt: how often the processes had been restarted before.
    """

    rank: int
    time: float
    user_error: bool
    text: str
    exit_code: int
    attempt: int = 0


def report_path(folder: Path, rank: int, attempt: int = 0) -> Path:
    """Return where a rank leaves its report."""
    return folder / f"error_rank{rank}_attempt{attempt}.json"


def write_report(folder: Path, *, rank: int, user_error: bool, text: str, exit_code: int, attempt: int = 0) -> None:
    """Leave a report, whole or not at all.

    Raises:
        OSError: the folder is gone or full.
    """
    report = ErrorReport(rank, time.monotonic(), user_error, text, exit_code, attempt)
    path = report_path(folder, rank, attempt)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(report)), encoding="utf-8")
    part.replace(path)


def read_report(path: Path) -> ErrorReport | None:
    """Return the report in ``path``, or None where there is none."""
    try:
        return ErrorReport(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        logger.warning("%s: not a readable error report: %s", path, error)
        return None


def first_report(folder: Path, attempt: int) -> ErrorReport | None:
    """Return the earliest report of an attempt: the others usually fail only because of the first."""
    found = [read_report(path) for path in folder.glob(f"error_rank*_attempt{attempt}.json")]
    return min((report for report in found if report is not None), key=lambda report: report.time, default=None)
