"""Numbers of the command lines of the benchmarks."""

import argparse


def count(text: str) -> int:
    """Return a whole number of at least 1, as argparse's ``type``."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} given, at least 1 expected")
    return value
