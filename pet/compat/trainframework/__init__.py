"""The TrainFramework layer: bring your own network; docs/bring_your_own_network.md shows it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
