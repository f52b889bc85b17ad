"""Mistakes that a user can fix.

A command line prints such an error as one readable message without a traceback and exits with code 2. Every other
exception is a fault of the program: it keeps its traceback and exits with code 1.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

USER_ERROR_EXIT_CODE = 2


class UserError(ValueError):
    """Something outside the program is wrong; the message says what was given, what was expected and what to do."""


class ConfigError(UserError):
    """A config file or an override on the command line is wrong."""


class DataError(UserError):
    """A data set, or one file of it, cannot be used.

    Attributes:
        filename: the file, where who raised it knows one, as with an ``OSError``.
    """

    filename: str = ""


class CheckpointError(UserError):
    """A checkpoint or a weights file cannot be read, written or used with this model."""


class DeviceError(UserError):
    """A device or a number of processes was asked for that this machine does not have."""


class OutputError(UserError):
    """The output folder of a run cannot be written."""


class StoreError(UserError):
    """A store of objects does not answer, refuses, or lacks an object. No sample is to blame, so none is left out for it.

    Args:
        message: what happened.
        kind: ``missing``, ``refused``, ``setup`` or ``failed``.
    """

    def __init__(self, message: str, *, kind: str = "failed") -> None:
        super().__init__(message)
        self.kind = kind


class WorkerError(RuntimeError):
    """A process that loads data died or hangs; no mistake of the user, but the message names settings that may help."""


_names_in_use: list[Mapping[str, str]] = []


@contextmanager
def name_in_errors(names: Mapping[str, str]) -> Iterator[None]:
    """Put the user's names of settings in the place of arguments, in the message of any mistake of the user raised below and in log lines.

    Code speaks of its arguments, because that is what its caller knows: ``raise ConfigError("num_classes: 3 given, 4 expected")``.
    Whoever takes the arguments from a config says what they are called there::

        with name_in_errors({"num_classes": "MODEL.NUM_CLASSES"}):
            return Classifier(num_classes=cfg.MODEL.NUM_CLASSES)

    and the message becomes ``MODEL.NUM_CLASSES: 3 given, 4 expected``. Blocks may lie around each other: a compatibility layer puts
    its own words in the place of Pet's keys, ``{"MODEL.NUM_CLASSES": "model.num_classes"}``. A name is replaced wherever it is a word
    of its own, so an argument whose name is a plain word, such as ``limit``, is written with its class in a message that also uses
    the plain word: ``StepGuard.limit``. A name that ends in a dot, a colon or a bracket means the beginning of longer ones:
    ``{"arguments.": "SOLVER.OPTIMIZER.ARGS."}``. A :class:`petlib.config.Key` says which arguments it becomes, and
    :func:`petlib.config.keys_in_errors` gives all names of a config.

    Args:
        names: argument -> what the user calls it.

    Raises:
        UserError: what was raised, of the same class, with the other names in its message.
    """
    _names_in_use.append(names)
    try:
        yield
    except (UserError, WorkerError) as error:
        if error.args and isinstance(error.args[0], str):
            error.args = (_rename(error.args[0], names), *error.args[1:])
        raise
    finally:
        _names_in_use.pop()


@contextmanager
def note_if_interrupted(note: str) -> Iterator[None]:
    """Add to a Ctrl-C below what it leaves behind or how to go on; the command's last line has it.

    Args:
        note: the end of the sentence, e.g. ``"the same command goes on with the search"``.
    """
    try:
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(note)
        raise


def in_users_names(line: str) -> str:
    """Return a line of the log with the names that the blocks of :func:`name_in_errors` around it give, the inner ones first."""
    for names in reversed(_names_in_use):
        line = _rename(line, names)
    return line


def _rename(message: str, names: Mapping[str, str]) -> str:
    """Return a message with other names; one name that holds another, ``A.B`` and ``A``, counts as a whole."""
    if not names:
        return message
    patterns = (re.escape(name) + (r"(?!\w|\.\w)" if re.search(r"\w$", name) else "") for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<![\w.])(?:{'|'.join(patterns)})", lambda found: names[found[0]], message)


def portable_error(error: Exception) -> Exception:
    """Return ``error`` if it survives pickling, else one with its message of the nearest class of this module.

    What is no error of the user's becomes a ``RuntimeError`` that begins with the name of its class.
    """
    # rarely needed, and petlib.errors is the first module of every command
    import pickle

    try:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 -- its own bytes
    except Exception:  # noqa: BLE001 -- a class of the user's can fail in any way; what follows keeps its message
        copy = None
    if type(copy) is type(error) and str(copy) == str(error):
        return error
    for kind in type(error).__mro__:
        if globals().get(kind.__name__) is kind:
            portable: Exception = kind(str(error))
            return portable
    return RuntimeError(f"{type(error).__name__}: {error}")
