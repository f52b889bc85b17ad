"""Mistakes that a user can mend.

A command line prints such an error as one readable message without a traceback and exits with code 2. Every other
exception is a fault of the program: it keeps its traceback and exits with code 1.
"""

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
