"""Following objects over the frames of a video, whatever found them; knows no network."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
