"""FairMOT as a task: that of the general CNN."""

from pet.vision.task import TASK

__all__ = ["TASK"]
