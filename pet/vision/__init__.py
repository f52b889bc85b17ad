"""The general CNN: one network with the heads that a config switches on, trained and tested."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
