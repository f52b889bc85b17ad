"""Segmentation of buildings as in the notebook of deepbands/buildseg, which was written for PaddleSeg; docs/paddleseg.md shows it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
