"""What the commands do that serve every task; the scripts in ``tools`` and the entry points of an installed Pet call them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
