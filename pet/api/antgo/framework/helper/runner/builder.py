"""Where measures are found by the ``type`` of a config."""

from pet.api.antgo.framework.helper.registry import ModuleRegistry

MEASURES = ModuleRegistry("measure", {"SegMIOU": "pet.api.antgo.framework.helper.measures:SegMIOU"})

__all__ = ["MEASURES"]
