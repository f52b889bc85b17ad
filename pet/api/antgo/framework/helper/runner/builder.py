"""Where measures are found by the ``type`` of a config."""

from pet.api.antgo.framework.helper.dataset.registry import ComponentRegistry
from pet.api.antgo.framework.helper.measures.table import BUILTIN_MEASURES

MEASURES = ComponentRegistry("measure", BUILTIN_MEASURES)

__all__ = ["MEASURES"]
