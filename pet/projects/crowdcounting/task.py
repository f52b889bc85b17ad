"""Counting as a task: the general CNN, whose predictions of files are also a table."""

import torch

from pet import prediction, vision
from pet.evaluation.counting import build_interval
from pet.prediction.whole_images import WholeImages
from pet.projects.crowdcounting.prediction import CountedImages, CountedSamples
from pet.typed import VisionConfig
from pet.vision.task import VisionTask


class CrowdCountingTask(VisionTask):
    """Networks that count by density or by dots."""

    def build_predictor(self, cfg: VisionConfig, device: torch.device, *, window: int = 0) -> "prediction.FilePredictor":
        """Return the model with the weights of ``TEST.WEIGHTS``, ready to predict files."""
        whole = vision.build_predictor(cfg, device, window=window)
        assert isinstance(whole, WholeImages), f"{type(whole).__name__} looks at windows"
        return CountedImages(CountedSamples(whole.predictor, build_interval(cfg)), whole.names)


TASK = CrowdCountingTask()
