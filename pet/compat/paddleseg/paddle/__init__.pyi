from . import optimizer as optimizer
from .files import load as load
from .files import save as save
