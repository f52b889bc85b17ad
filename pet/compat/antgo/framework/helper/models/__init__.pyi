from . import builder as builder
from . import small as small

__all__ = ["builder", "small"]
