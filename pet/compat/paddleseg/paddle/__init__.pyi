from . import nn as nn
from . import optimizer as optimizer
from .files import load as load
from .files import save as save
from .torch_names import no_grad as no_grad
from .torch_names import seed as seed
