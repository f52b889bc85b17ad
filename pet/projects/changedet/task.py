"""Change detection as a task: that of the segmentation projects."""

from pet.segmentation.task import TASK

__all__ = ["TASK"]
