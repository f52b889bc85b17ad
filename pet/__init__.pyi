from . import data as data
from . import losses as losses
from . import metrics as metrics
from . import models as models
from . import vision as vision
from . import visual as visual

__version__: str
