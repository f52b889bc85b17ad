from . import pixels as pixels
from .classification import IGNORE_INDEX as IGNORE_INDEX
from .classification import cross_entropy as cross_entropy

__all__ = ["IGNORE_INDEX", "cross_entropy", "pixels"]
