"""Where measures are found by the ``type`` of a config."""

from pet.compat.antgo.registry import ComponentRegistry

_HERE = "pet.compat.antgo.measures"

BUILTIN_MEASURES = {
    "SegMIOU": f"{_HERE}.classes:SegMIOU",
    "COCOBoxAP": f"{_HERE}.boxes:COCOBoxAP",
    "OKSKeypointAP": f"{_HERE}.keypoints:OKSKeypointAP",
    "TopKAccuracy": f"{_HERE}.classes:TopKAccuracy",
}
"""Name -> ``module:attribute``."""


MEASURES = ComponentRegistry("measure", BUILTIN_MEASURES)

__all__ = ["MEASURES"]
