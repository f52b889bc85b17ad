from . import dataset as dataset

__all__ = ["dataset"]
