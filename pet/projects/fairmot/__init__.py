"""FairMOT: one network finds objects and says which are the same in the frames of a video (https://arxiv.org/abs/2004.01888)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
