"""Land cover from aerial images, with labels alone or with unlabelled images beside them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
