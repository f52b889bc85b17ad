"""The configs of Pet's tasks in annotations: at run time :class:`CfgNode`, to editors and mypy classes with all keys.

Their stubs are written by ``make docs``: ``__init__.pyi`` what several tasks have, ``tasks.pyi`` and ``projects.pyi`` a class for each
task with settings of its own.
"""

from petlib.config import CfgNode

PetConfig = CfgNode
VisionConfig = CfgNode
SegmentationConfig = CfgNode

ActionConfig = CfgNode
ContrastConfig = CfgNode
FaceConfig = CfgNode
InstanceConfig = CfgNode
LandcoverConfig = CfgNode
TddetConfig = CfgNode

AnyConfig = CfgNode
"""A config of any task, where a section is read that not every task has: what it has is not known before the run."""
