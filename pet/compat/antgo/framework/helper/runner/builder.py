"""Where measures are found by the ``type`` of a config."""

from pet.compat.antgo.framework.helper.dataset.registry import ComponentRegistry
from pet.compat.antgo.framework.helper.measures.table import BUILTIN_MEASURES

MEASURES = ComponentRegistry("measure", BUILTIN_MEASURES)

__all__ = ["MEASURES"]
