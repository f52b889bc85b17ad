from . import helper as helper

__all__ = ["helper"]
