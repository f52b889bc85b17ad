"""Pet: a toolbox that trains vision models from config files.

The sub-packages are imported when they are first used, so that a script can read its config before torch is loaded.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
