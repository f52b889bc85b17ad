"""What a run reports while it goes: values of iterations, and the writers that print and keep them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
