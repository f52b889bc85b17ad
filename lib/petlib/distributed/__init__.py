"""Processes and devices: one group of processes, collectives that work without one too, and ways to share a model."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
