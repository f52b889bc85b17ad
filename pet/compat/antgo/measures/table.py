"""Where the built-in measures stand, for the registry MEASURES. Imports nothing slow."""

_HERE = "pet.compat.antgo.measures"

BUILTIN_MEASURES = {
    "SegMIOU": f"{_HERE}.segmentation:SegMIOU",
    "COCOBoxAP": f"{_HERE}.boxes:COCOBoxAP",
    "OKSKeypointAP": f"{_HERE}.keypoints:OKSKeypointAP",
    "TopKAccuracy": f"{_HERE}.classification:TopKAccuracy",
}
"""Name -> ``module:attribute``."""
