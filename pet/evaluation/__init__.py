"""Evaluation: the loop over the test data, and what turns predictions into metrics and files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
