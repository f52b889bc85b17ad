"""Errors that travel from one process to another."""

import pickle

from petlib import errors


def portable_error(error: Exception) -> Exception:
    """Return ``error`` if it survives pickling, else one with its message of the nearest class of :mod:`petlib.errors`.

    What is no error of the user's becomes a ``RuntimeError`` that begins with the name of its class.
    """
    try:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 -- its own bytes
    except Exception:  # noqa: BLE001 -- a class of the user's can fail in any way; what follows keeps its message
        copy = None
    if type(copy) is type(error) and str(copy) == str(error):
        return error
    for kind in type(error).__mro__:
        if vars(errors).get(kind.__name__) is kind:
            portable: Exception = kind(str(error))
            return portable
    return RuntimeError(f"{type(error).__name__}: {error}")
