from . import datasets as datasets

__all__ = ["datasets"]
