"""Where a run's lines go: rank 0 to the screen and to its log file, every other rank to its own log file only.

Everyone logs with ``logging.getLogger(__name__)``. A line reads ``[MM-DD HH:MM:SS] message``.
"""

import errno
import faulthandler
import logging
import os
import shutil
import stat
import sys
from pathlib import Path

from petlib.errors import OutputError, in_users_names
from petlib.files import AppendedFile, describe_refusal

LOGS = "logs"
"""The folder of the log files in that of a run."""

FILE_ONLY = {"file_only": True}
"""``extra`` of a log call whose text the screen gets in another way."""

SCREEN_IS_GONE = (errno.EPIPE, errno.EIO, errno.EBADF, errno.ENOSPC)
"""A pipe without reader, a closed terminal, a closed descriptor, a file on a full disk."""


def setup_logging(folder: Path, *, rank: int, purpose: str, early_output: Path | None = None) -> Path:
    """Send log lines, warnings and crash traces of this process where they belong, and return its log file.

    Rank 0 logs to stdout and to ``<folder>/logs/<purpose>_rank0.log``. The other ranks have only their file, which also
    takes over their stdout and stderr, so that whatever they print can be distinguished from the output of rank 0.

    Args:
        folder: output folder of the run.
        rank: number of this process among all.
        purpose: ``"train"`` or ``"test"``.
        early_output: the file that held stdout and stderr so far; its content is carried over.

    Raises:
        OutputError: the log file cannot be made.
    """
    open_missing_streams()
    path = Path(folder, LOGS, f"{purpose}_rank{rank}.log").absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file_handler = LogFileHandler(path)
    except OSError as error:
        raise OutputError(f"setup_logging.folder {folder}: {describe_refusal(error, str(path.parent.parent))}") from error
    handlers: list[logging.Handler] = [file_handler]
    if rank == 0:
        handlers.append(ConsoleHandler())
    else:
        _redirect_output(path, early_output)
    _replace_handlers(handlers)
    logging.captureWarnings(True)
    faulthandler.enable(file=file_handler.fileno(), all_threads=True)
    return path


class LineFormatter(logging.Formatter):
    """``[10-26 11:41:27] message``; from warnings on, the level precedes the message."""

    def __init__(self) -> None:
        super().__init__("[%(asctime)s] %(level)s%(message)s", datefmt="%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        record.level = f"{record.levelname}: " if record.levelno >= logging.WARNING else ""
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- the name of the standard library
        """Return the line without what follows it, such as a traceback, in the user's names of settings."""
        return in_users_names(super().formatMessage(record))


class ConsoleHandler(logging.Handler):
    """Writes to the present ``sys.stdout``, and stops quietly when terminal or pipe are gone: a training outlives its screen."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(LineFormatter())
        self.addFilter(lambda record: not getattr(record, "file_only", False) and not _is_on_screen(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            sys.stdout.write(self.format(record) + "\n")
            sys.stdout.flush()
        except ValueError:
            logging.getLogger().removeHandler(self)
        except OSError as error:
            if error.errno in SCREEN_IS_GONE:
                logging.getLogger().removeHandler(self)
                silence_lost_screen()
        except Exception:  # noqa: BLE001  a faulty log call is reported by logging itself and never ends a run
            self.handleError(record)


def _is_on_screen(record: logging.LogRecord) -> bool:
    """Return whether the library that logs has a handler of its own that prints the record, as that of huggingface_hub does."""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None and logger.parent is not None:
        streams = [handler.stream for handler in logger.handlers if isinstance(handler, logging.StreamHandler)]
        if {id(stream) for stream in streams} & {id(stream) for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)}:
            return True
        logger = logger.parent
    return False


class LogFileHandler(logging.Handler):
    """Appends to a log file. When the disk is full that is said once, and the lines wait until it has room again.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.setFormatter(LineFormatter())
        self._file = AppendedFile(path, pieces="lines", report=logging.getLogger(__name__).warning)

    def fileno(self) -> int:
        """Return the file descriptor of the log."""
        return self._file.fileno()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            self._file.append((self.format(record) + "\n").encode("utf-8", errors="backslashreplace"))
        except Exception:  # noqa: BLE001  a faulty log call is reported by logging itself and never ends a run
            self.handleError(record)

    def close(self) -> None:
        """Write what waits and close the file."""
        self._file.close()
        super().close()


def open_missing_streams() -> None:
    """Give a process that was started without stdin, stdout or stderr the null device in their place.

    Otherwise the next file that it opens would take their number, and with it what libraries and children print.
    """
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            # the lowest free number: that of the missing stream
            os.set_inheritable(os.open(os.devnull, mode), True)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  lives as long as the process
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def silence_lost_screen() -> None:
    """Point stdout, and stderr if it is the same terminal, pipe or file, to the null device, so that later prints do not fail either."""
    null = os.open(os.devnull, os.O_WRONLY)
    lost = os.fstat(1)
    for descriptor in (1, 2):
        try:
            present = os.fstat(descriptor)
        except OSError:
            continue
        if (present.st_dev, present.st_ino, present.st_rdev) == (lost.st_dev, lost.st_ino, lost.st_rdev):
            os.dup2(null, descriptor)
    os.close(null)


def _redirect_output(path: Path, early_output: Path | None) -> None:
    """Let stdout and stderr of this process, and of all it starts, go to the end of ``path``."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    log = os.open(path, os.O_WRONLY | os.O_APPEND)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.close(log)
    if early_output is not None and early_output.is_file() and stat.S_ISREG(early_output.stat().st_mode):
        with early_output.open("rb") as source, path.open("ab") as target:
            shutil.copyfileobj(source, target)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)


def _replace_handlers(handlers: list[logging.Handler]) -> None:
    root = logging.getLogger()
    for handler in [*root.handlers]:
        if isinstance(handler, ConsoleHandler | LogFileHandler):
            root.removeHandler(handler)
            handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(logging.INFO)
