from .boxes import COCOBoxAP as COCOBoxAP
from .classification import TopKAccuracy as TopKAccuracy
from .keypoints import OKSKeypointAP as OKSKeypointAP
from .segmentation import SegMIOU as SegMIOU
from .table import BUILTIN_MEASURES as BUILTIN_MEASURES

__all__ = ["BUILTIN_MEASURES", "COCOBoxAP", "OKSKeypointAP", "SegMIOU", "TopKAccuracy"]
