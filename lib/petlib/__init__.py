"""petlib: config, launch, training loop, solver, checkpoints and data path of Pet. It knows torch and no vision.

The sub-packages are imported when they are first used, so that a script can read its config before torch is loaded.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
