# Written by tools/docs/write_config_page.py (make docs) from the schemas; a test compares them. At run time each is a CfgNode.
from typing import Any

from pet.typed import SegmentationConfig
from petlib.config.typed import ConfigSection

class LandcoverSemiCutmix(ConfigSection):
    BOXES: int
    SHARE: list[float]

class LandcoverSemi(ConfigSection):
    ENABLED: bool
    DATASETS: list[str]
    WINDOW: int
    TRANSFORMS: list[Any]
    WEAK: list[Any]
    STRONG: list[Any]
    CUTMIX: LandcoverSemiCutmix
    MOMENTUM: float
    TEACHER_WEIGHT: float
    STUDENT_WEIGHT: float
    THRESHOLD: float

class LandcoverConfig(SegmentationConfig):
    """The settings of ``projects/landcover``."""

    SEMI: LandcoverSemi
