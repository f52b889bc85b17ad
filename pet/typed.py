"""The configs of Pet's tasks in annotations: at run time :class:`CfgNode`, to editors and mypy classes with all keys, see ``typed.pyi``."""

from petlib.config import CfgNode

PetConfig = CfgNode
VisionConfig = CfgNode
SegmentationConfig = CfgNode
InstanceConfig = CfgNode
LandcoverConfig = CfgNode
FaceConfig = CfgNode

AnyConfig = CfgNode
"""A config of any task, where a section is read that not every task has: what it has is not known before the run."""
