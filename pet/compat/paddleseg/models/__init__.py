"""Networks under PaddleSeg's names."""

import lazy_loader

from pet.compat.paddleseg.models.absent import ABSENT
from pet.compat.shared.absent import refuse_absent

find, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = refuse_absent(__name__, ABSENT, find)
