"""Face recognition: networks whose embeddings of one person are near each other, trained with angular margins, measured on pairs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
