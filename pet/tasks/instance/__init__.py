"""One object at a time: keypoints, outline and parts of the objects in boxes that the data or a detector give."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
