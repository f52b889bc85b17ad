"""The configs of Pet's tasks in annotations: at run time :class:`CfgNode`, to editors and mypy classes with all keys, see ``typed.pyi``."""

from petlib.config import CfgNode

PetConfig = CfgNode
VisionConfig = CfgNode
SegmentationConfig = CfgNode
LandcoverConfig = CfgNode
