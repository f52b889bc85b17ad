"""The vocabulary of AI Earth's deep learning SDK (https://github.com/aiearth-damo/deeplearning); see docs/train_job.md."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
