"""Dense poses as a task: the general CNN."""

from pet.vision.task import TASK

__all__ = ["TASK"]
