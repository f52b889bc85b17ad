"""A look at every sample of a data set: what is wrong, what is odd, and what there is how often."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
