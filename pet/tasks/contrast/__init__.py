"""Pre-training without labels: SimCLR, MoCo, BYOL, DINO and Barlow Twins on any network."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
