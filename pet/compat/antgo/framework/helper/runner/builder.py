"""Where measures are found by the ``type`` of a config."""

from pet.compat.antgo.measures.table import BUILTIN_MEASURES
from pet.compat.antgo.registry import ComponentRegistry

MEASURES = ComponentRegistry("measure", BUILTIN_MEASURES)

__all__ = ["MEASURES"]
