"""A limit of the time that a step of an export takes."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from petlib.errors import ConfigError

AGAIN = 5.0
"""Seconds after which the step is ended once more: some callbacks of Python drop an exception."""


class TimeUp(BaseException):
    """Raised in the step; not an ``Exception``, which exporters catch to try another way."""


@contextmanager
def time_limit(seconds: float, *, advice: str) -> Iterator[None]:
    """End what runs inside after some seconds.

    The signal of a timer does it, which systems other than Windows have, and only the main thread of a process can wait for; elsewhere
    there is no limit.

    Args:
        seconds: of wall time; 0: no limit.
        advice: what to do about it, for the message.

    Raises:
        ConfigError: it took longer.
    """
    if not seconds or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    begin = time.monotonic()
    handler = signal.signal(signal.SIGALRM, _end)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    except TimeUp as error:
        raise ConfigError(
            f"export_model.time_limit: tracing and conversion took longer than {seconds:g} s and were ended; nothing was written. {advice}"
        ) from error
    finally:
        # a timer that ran before goes on
        remaining = max(left - (time.monotonic() - begin), 0.001) if left else 0.0
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, remaining, interval)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise TimeUp
