from .model import Model as Model
from .model import load as load
from .prediction import Prediction as Prediction
from .runs import evaluate as evaluate
from .runs import export_trained as export_trained
from .runs import test_model as test_model
from .training import Run as Run
from .training import train as train
