from . import data as data
from . import losses as losses
from . import metrics as metrics
from . import models as models
from . import vision as vision
from . import visual as visual
from .api import Model as Model
from .api import Prediction as Prediction
from .api import Run as Run
from .api import evaluate as evaluate
from .api import export as export
from .api import load as load
from .api import train as train

__version__: str
