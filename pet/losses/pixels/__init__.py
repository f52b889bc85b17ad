"""Losses of label images, each a module that is called with logits and labels of pixels."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
