from . import dataflow as dataflow
from . import framework as framework

__all__ = ["dataflow", "framework"]
