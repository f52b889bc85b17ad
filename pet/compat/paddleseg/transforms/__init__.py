"""Transforms under PaddleSeg's names and with its arguments (https://github.com/PaddlePaddle/PaddleSeg, release 2.3); they are Pet's.

Sizes are (width, height) here, as in PaddleSeg. Lists of them go into :class:`pet.compat.paddleseg.datasets.Dataset`, with transforms of
the user in between, see :mod:`pet.compat.paddleseg.pipeline`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
