from .masks import InstanceMasks as InstanceMasks
from .paste import paste_masks as paste_masks
from .paste import paste_parts as paste_parts

__all__ = ["InstanceMasks", "paste_masks", "paste_parts"]
